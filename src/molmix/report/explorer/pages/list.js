"use strict";
// The list of molecules: only the rows in sight are in the page, so that thousands cost what a screenful does.
(() => {
  const { el, by, number, minus } = molmix;
  const HEIGHT = 44; // of a row, in pixels: as in app.css
  const SPARE = 6; // rows beyond the edge, so that scrolling shows no gap
  const list = by("list");
  const rows = by("rows");
  let shown = { order: [], at: -1, molecules: null, a: [], b: null };
  let choose = () => {};
  let [top, height] = [0, 0]; // of what is in sight, in pixels
  let painted = { first: 0, last: 0 };

  const difference = (row) => minus(shown.a[row], shown.b[row]);

  const option = (position) => {
    const row = shown.order[position];
    const id = shown.molecules.ids[row];
    const figures = [["A", number(shown.a[row])]];
    if (shown.b) figures.push(["B", number(shown.b[row])], ["A − B", number(difference(row), { sign: true })]);
    const attributes = {
      role: "option",
      id: `row-${position}`,
      class: "row",
      "aria-posinset": String(position + 1),
      "aria-setsize": String(shown.order.length),
    };
    const made = el(
      "div",
      attributes,
      el("span", { class: "name" }, el("bdi", {}, id)),
      ...figures.map(([name, value]) =>
        el(
          "span",
          { class: value === "undefined" ? "value none" : "value" },
          el("span", { class: "unseen" }, `${name} `),
          value === "undefined" ? "–" : value,
        ),
      ),
      el("span", { class: "smiles" }, el("bdi", {}, shown.molecules.molecules[row] ?? "")),
    );
    made.style.transform = `translateY(${position * HEIGHT}px)`;
    made.addEventListener("click", () => choose(position, true));
    return made;
  };

  const options = (first, last) =>
    shown.order.slice(first, Math.max(first, last)).map((_, position) => option(first + position));

  // Rows in sight. One that stays in sight stays the same element, so that a click on it is not lost to a scroll between
  // press and release. What the browser laid out is asked for before anything is changed: asked after, it would lay out
  // the whole page once more.
  const paint = (anew) => {
    const first = Math.max(0, Math.floor(top / HEIGHT) - SPARE);
    const last = Math.min(shown.order.length, Math.ceil((top + height) / HEIGHT) + SPARE);
    if (anew) {
      rows.replaceChildren();
      painted = { first, last: first };
    }
    for (const row of [...rows.children]) {
      const position = Number(row.getAttribute("aria-posinset")) - 1;
      if (position < first || position >= last) row.remove();
    }
    rows.prepend(...options(first, Math.min(painted.first, last)));
    rows.append(...options(Math.max(painted.last, first), last));
    painted = { first, last };
    for (const row of rows.children) row.setAttribute("aria-selected", String(row.id === `row-${shown.at}`));
    if (shown.at >= first && shown.at < last) list.setAttribute("aria-activedescendant", `row-${shown.at}`);
    else list.removeAttribute("aria-activedescendant");
  };

  const reveal = () => {
    const position = Math.max(0, shown.at) * HEIGHT;
    if (position < top) top = position;
    else if (position + HEIGHT > top + height) top = position + HEIGHT - height;
    else return;
    list.scrollTop = top;
  };

  const show = (next) => {
    const anew = ["order", "molecules", "a", "b"].some((part) => next[part] !== shown[part]);
    shown = next;
    height ||= list.clientHeight;
    if (anew) {
      rows.style.height = `${shown.order.length * HEIGHT}px`;
      list.classList.toggle("single", !shown.b);
      top = list.scrollTop;
    }
    reveal();
    paint(anew);
  };

  const page = () => Math.max(1, Math.floor(height / HEIGHT) - 1);
  const steps = {
    ArrowDown: () => shown.at + 1,
    ArrowUp: () => shown.at - 1,
    j: () => shown.at + 1,
    k: () => shown.at - 1,
    PageDown: () => shown.at + page(),
    PageUp: () => shown.at - page(),
    Home: () => 0,
    End: () => shown.order.length - 1,
  };

  // Moves as a key says; whether the key is one of the list's.
  const move = (key) => {
    if (!Object.hasOwn(steps, key) || !shown.order.length) return false;
    choose(Math.min(shown.order.length - 1, Math.max(0, steps[key]())), false);
    return true;
  };

  const follow = () => {
    [top, height] = [list.scrollTop, list.clientHeight];
    paint(false);
  };
  list.addEventListener("scroll", follow, { passive: true });
  new ResizeObserver(follow).observe(list);
  list.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && move(event.key)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });
  molmix.list = { show, move, onChoose: (call) => (choose = call) };
})();
