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

  const difference = (row) => minus(shown.a[row], shown.b[row]);

  const option = (place) => {
    const row = shown.order[place];
    const id = shown.molecules.ids[row];
    const figures = [["A", number(shown.a[row])]];
    if (shown.b) figures.push(["B", number(shown.b[row])], ["A − B", number(difference(row), { sign: true })]);
    const attributes = {
      role: "option",
      id: `row-${place}`,
      class: "row",
      "aria-selected": String(place === shown.at),
      "aria-posinset": String(place + 1),
      "aria-setsize": String(shown.order.length),
      "aria-label": `${id}: ${figures.map((pair) => pair.join(" ")).join(", ")}`,
    };
    const made = el(
      "div",
      attributes,
      el("span", { class: "name" }, el("bdi", {}, id)),
      ...figures.map(([, value]) => el("span", { class: value === "undefined" ? "value none" : "value" }, value === "undefined" ? "–" : value)),
      el("span", { class: "smiles" }, el("bdi", {}, shown.molecules.molecules[row] ?? "")),
    );
    made.style.transform = `translateY(${place * HEIGHT}px)`;
    made.addEventListener("click", () => choose(place, true));
    return made;
  };

  const paint = () => {
    const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - SPARE);
    const last = Math.min(shown.order.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + SPARE);
    const made = [];
    for (let place = first; place < last; place += 1) made.push(option(place));
    rows.replaceChildren(...made);
    const inSight = shown.at >= first && shown.at < last;
    if (inSight) list.setAttribute("aria-activedescendant", `row-${shown.at}`);
    else list.removeAttribute("aria-activedescendant");
  };

  const reveal = () => {
    const top = shown.at * HEIGHT;
    if (shown.at < 0) list.scrollTop = 0;
    else if (top < list.scrollTop) list.scrollTop = top;
    else if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
  };

  const show = (next) => {
    shown = next;
    rows.style.height = `${shown.order.length * HEIGHT}px`;
    list.classList.toggle("single", !shown.b);
    reveal();
    paint();
  };

  const page = () => Math.max(1, Math.floor(list.clientHeight / HEIGHT) - 1);
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

  list.addEventListener("scroll", paint, { passive: true });
  new ResizeObserver(paint).observe(list);
  list.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey && move(event.key)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });
  molmix.list = { show, move, onChoose: (call) => (choose = call) };
})();
