"use strict";
// What the reader chooses, put together: the address says it, the controls show it, the page follows.
(async () => {
  const { el, by, load, paths, view: address, list, NONE } = molmix;
  const CONTROLS = ["test", "a", "b", "metric", "sort", "order", "judge", "words", "filter"];
  let asked = 0; // how often something was asked for: what comes later than the next question is dropped
  let shown = null;
  let compared = ""; // test set, systems and metric whose figures are on the page
  let view = address.read();

  const complain = (error) => by("error").replaceChildren(el("p", { class: "notice", role: "alert" }, error.message));

  let index;
  try {
    index = await load("index");
  } catch (error) {
    complain(error);
    return;
  }

  const controls = molmix.controls(index);

  // ---- what is shown -------------------------------------------------------------------------------------------------

  const gather = async (settled) => {
    const { test, a, b, metrics, metric, judge, words } = settled;
    const testIndex = index.tests.indexOf(test);
    const positions = [a, b]
      .filter((name) => name !== NONE)
      .map((name) => index.systems.findIndex((system) => system.name === name));
    const [molecules, ...scores] = await Promise.all([
      load(paths.molecules(testIndex)),
      ...positions.map((position) => load(paths.scores(testIndex, position))),
    ]);
    const none = molecules.ids.map(() => null);
    return {
      ...metric,
      metric: metric.position,
      metrics,
      judge,
      judges: index.judges,
      words,
      options: index.options,
      block: index.block,
      tables: index.tables,
      test: test.name,
      testIndex,
      file: test.file,
      captions: test.direction === "mol2cap",
      draws: index.domain === "molecules",
      molecules,
      systems: positions.map((position, side) => ({ position, name: index.systems[position].name, scores: scores[side] })),
      values: scores.map(({ values }) => values[metric.position] ?? none),
    };
  };

  const sort = (by) => {
    const [a, b] = shown.values;
    const columns = [
      shown.molecules.ids,
      shown.molecules.molecules,
      shown.molecules.references,
      ...shown.systems.map(({ scores }) => scores.texts),
    ];
    shown.order = molmix.sorted(molmix.matching(columns, view.filter), {
      by,
      a,
      b,
      better: shown.better,
      order: view.order,
    });
  };

  const heads = () =>
    ["molecule", "A", ...(shown.systems[1] ? ["B", "A − B"] : [])].map((text) => el("span", {}, text));

  const showSelected = async () => {
    const question = (asked += 1);
    const { order, molecules } = shown;
    const at = order.findIndex((row) => molecules.ids[row] === view.id);
    list.show({ order, at, molecules, a: shown.values[0], b: shown.values[1] ?? null });
    const total = molecules.ids.length;
    const many =
      order.length === total
        ? `${total} ${total === 1 ? "molecule" : "molecules"}`
        : `${order.length} of ${total} molecules`;
    by("status").textContent = order.length
      ? `${many}; ${view.id} is number ${at + 1}`
      : `${many}: nothing holds “${view.filter}”`;
    by("molecule").hidden = !order.length;
    document.title = [view.id, shown.systems.map(({ name }) => name).join(" – "), "molmix explorer"]
      .filter(Boolean)
      .join(" · ");
    if (!order.length) return;
    await molmix.showMolecule(shown, order[at], () => question !== asked);
    // The next one is likely to be asked for next.
    for (const row of [order[at + 1], order[at - 1]]) if (row !== undefined) molmix.needs(shown, row).catch(() => {});
  };

  const show = async (step) => {
    const question = (asked += 1);
    by("error").replaceChildren();
    try {
      const settled = controls.settle(view);
      controls.fill(view, settled);
      const gathered = await gather(settled);
      if (question !== asked) return;
      shown = gathered;
      sort(settled.sort);
      const { test, a, b, metric } = settled;
      Object.assign(view, { test: test.name, a, b, metric: metric.column }); // so that a link says them all
      const { ids } = shown.molecules;
      if (!shown.order.some((row) => ids[row] === view.id)) view.id = shown.order.length ? ids[shown.order[0]] : "";
      if (step !== null) address.write(view, step);
      const choice = JSON.stringify([test.name, a, b, metric.column]);
      if (choice !== compared) {
        // A filter or an order changes nothing in it, and its test takes most of the time of a change.
        by("system").replaceChildren(molmix.systemFigures(shown, index.level, settled.test.systems.length));
        compared = choice;
      }
      by("columns").replaceChildren(...heads());
      by("columns").classList.toggle("single", !shown.systems[1]);
      await showSelected();
    } catch (error) {
      complain(error);
    }
  };

  const select = (position, step) => {
    view.id = shown.molecules.ids[shown.order[position]];
    address.write(view, step);
    showSelected().catch(complain);
  };

  // ---- events --------------------------------------------------------------------------------------------------------

  for (const control of CONTROLS) {
    by(control).addEventListener("input", () => {
      view[control] = by(control).value;
      if (["sort", "order"].includes(control)) view.id = ""; // in a new order one looks at its top
      show(control !== "filter"); // a step back for every letter would be many
    });
  }
  by("controls").addEventListener("submit", (event) => event.preventDefault());
  by("filter").addEventListener("keydown", (event) => {
    if (event.key === "Enter") by("list").focus();
    if (event.key === "Escape" && by("filter").value === "") by("list").focus();
  });
  by("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address says what is shown
    by("molecule-heading").focus();
  });
  addEventListener("hashchange", () => {
    view = address.read();
    show(null);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (event.key === "/") by("filter").focus();
    else if (!["j", "k"].includes(event.key) || !shown || !list.move(event.key)) return;
    event.preventDefault();
  });
  list.onChoose(select);

  // ---- what stays ----------------------------------------------------------------------------------------------------

  by("run").textContent = index.run;
  by("provenance").replaceChildren(...index.provenance.map((line) => el("li", {}, molmix.coded(line))));
  by("warnings").replaceChildren(
    ...index.warnings.map((line) => el("p", { class: "notice" }, el("strong", {}, "Warning: "), molmix.coded(line))),
  );
  if (index.missing.length) {
    const what = `This run is not finished, and what is missing is not shown. Tables that are not there: ${index.missing.length}`;
    by("missing").replaceChildren(
      el(
        "details",
        { class: "notice" },
        el("summary", {}, what),
        el(
          "ul",
          {},
          index.missing.map((path) => el("li", {}, el("code", {}, path))),
        ),
      ),
    );
  }
  await show(false);
})();
