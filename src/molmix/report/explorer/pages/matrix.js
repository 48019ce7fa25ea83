"use strict";
// Heat maps of the probabilities of all pairs of units of one caption and its reference.
(() => {
  const { el } = molmix;
  const MANY = 800; // pairs: more are laid out only when they are asked for
  const KINDS = [
    ["reference → caption", "entailment", "e"],
    ["reference → caption", "contradiction", "c"],
    ["caption → reference", "entailment", "e"],
    ["caption → reference", "contradiction", "c"],
  ];
  const share = (thousandths) => (thousandths / 1000).toFixed(3);
  const open = new Map(); // by system: whether its heat maps are laid out, as the reader last wanted

  const pair = (matrices, position) => {
    const said = [0, 2]
      .filter((first) => matrices[first])
      .map((first) => {
        const [entailment, contradiction] = [matrices[first][position], matrices[first + 1][position]];
        const neutral = Math.max(0, 1000 - entailment - contradiction);
        return `${KINDS[first][0]}: entailment ${share(entailment)}, neutral ${share(neutral)}, contradiction ${share(contradiction)}`;
      });
    return said.join("; ");
  };

  const table = (judged, reference, kind, told) => {
    const [direction, what, hue] = KINDS[kind];
    const cells = judged.matrices[kind];
    const picked = kind === 1 ? judged.picks : kind === 0 ? judged.nearest : kind === 2 ? judged.covering : null;
    const isPicked = (row, column) => (kind === 2 ? picked?.[column] === row : picked?.[row] === column);
    const head = el(
      "tr",
      {},
      el("td", {}),
      reference.map((text, column) =>
        el("th", { scope: "col", title: text }, String(column + 1), el("span", { class: "unseen" }, ` ${text}`)),
      ),
    );
    const body = judged.atoms.map((text, row) =>
      el(
        "tr",
        {},
        el("th", { scope: "row", title: text }, String(row + 1), el("span", { class: "unseen" }, ` ${text}`)),
        reference.map((_, column) => {
          const position = row * reference.length + column;
          const cell = el(
            "td",
            {
              class: `cell ${hue}${isPicked(row, column) ? " picked" : ""}${cells[position] >= 500 ? " half" : ""}`,
              tabindex: position === 0 ? "0" : "-1",
              "data-row": row,
              "data-column": column,
            },
            (cells[position] / 1000).toFixed(2).replace(/^0/, ""),
          );
          cell.style.setProperty("--p", `${cells[position] / 10}%`);
          return cell;
        }),
      ),
    );
    const made = el(
      "table",
      { class: "heat" },
      el("caption", {}, `${direction}: ${what}`),
      el("thead", {}, head),
      el("tbody", {}, body),
    );
    const tell = (event) => {
      const { row, column } = event.target.closest("td.cell")?.dataset ?? {};
      if (row === undefined) return;
      const position = Number(row) * reference.length + Number(column);
      told.replaceChildren(
        el("b", {}, `caption ${Number(row) + 1}`),
        " ",
        el("bdi", {}, judged.atoms[row]),
        el("br"),
        el("b", {}, `reference ${Number(column) + 1}`),
        " ",
        el("bdi", {}, reference[column]),
        el("br"),
        pair(judged.matrices, position),
      );
    };
    made.addEventListener("mouseover", tell);
    made.addEventListener("focusin", tell);
    made.addEventListener("keydown", (event) => {
      const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
      const from = event.target.closest("td.cell");
      if (!by || !from) return;
      event.preventDefault();
      event.stopPropagation();
      const row = made.tBodies[0].rows[Number(from.dataset.row) + by[0]];
      const cell = row?.cells[Number(from.dataset.column) + by[1] + 1];
      if (!cell?.classList.contains("cell")) return;
      from.tabIndex = -1;
      cell.tabIndex = 0;
      cell.focus();
    });
    return el("div", { class: "scroll", tabindex: "-1" }, made);
  };

  const layOut = (judged, reference, verdicts, reason) => {
    const told = el("p", { class: "told", "aria-live": "polite" }, "Point at a pair, or move with the arrow keys.");
    const outlined = !verdicts
      ? "Outlined: the reference unit that entails each unit of the caption most."
      : `Outlined: the pair that decides. Entailment: the highest of each atom${reason ? `; contradiction: the reference atom that each atom is ${reason.replace(/ by$/, "")}` : ""}.`;
    const tables = judged.matrices.map((_, kind) => table(judged, reference, kind, told));
    return [
      el(
        "p",
        { class: "note" },
        `Row: caption; column: reference. Premise → hypothesis. Bold: 0.5 or more. ${outlined}`,
      ),
      el("div", { class: "heats" }, tables),
      told,
    ];
  };

  // One system's heat maps, collapsed if there are many.
  molmix.matrices = (judged, reference, judge, system) => {
    if (!judged.matrices.length)
      return el("p", { class: "note" }, "One side has nothing to ask about, so there are no pairs.");
    const pairs = judged.atoms.length * reference.length;
    const details = el(
      "details",
      { class: "pairs" },
      el("summary", {}, `Pairs, ${judged.atoms.length} × ${reference.length}`),
    );
    const fill = () => {
      if (details.open && details.childElementCount === 1)
        details.append(...layOut(judged, reference, judge.verdicts, judge.reason));
    };
    details.open = pairs <= MANY && (open.get(system) ?? true);
    fill();
    details.addEventListener("toggle", () => {
      if (pairs <= MANY) open.set(system, details.open);
      fill();
    });
    return details;
  };
})();
