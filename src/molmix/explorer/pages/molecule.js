"use strict";
// One molecule: what it is, what was to be said of it, what both systems said, and how that was judged.
(() => {
  const { el, by, load, paths, number, minus, prose, drawing } = molmix;

  const references = (texts, title) =>
    el("section", { class: "reference" }, el("h3", {}, title), texts.length === 1 ? prose(texts[0]) : el("ol", {}, texts.map((text) => el("li", {}, prose(text)))));

  const answer = (shown, system, side, row) => {
    const { texts, finish, values } = system.scores;
    const value = values[shown.metric]?.[row] ?? null;
    const ended = finish[row] === "stop" ? "" : el("p", { class: "note" }, finish[row] === "missing" ? "The system has no caption for this molecule: an empty one is scored." : `finish: ${finish[row]}`);
    return [
      el("h3", {}, `${side} `, el("bdi", {}, system.name), el("span", { class: "score" }, `${shown.title} ${number(value)}`)),
      prose(texts[row]),
      ended,
    ];
  };

  const allScores = (shown, row) => {
    const values = (metric) => shown.systems.map((system) => system.scores.values[metric]?.[row] ?? null);
    const cell = (value, sign) => el("td", {}, number(value, { sign }));
    return el(
      "section",
      { class: "scores" },
      el("h3", {}, "All scores"),
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "metric"), shown.systems.map((_, side) => el("th", { scope: "col" }, "AB"[side])), shown.systems[1] && el("th", { scope: "col" }, "A − B"))),
        el(
          "tbody",
          {},
          shown.metrics.map(({ place, title, better }) => {
            const both = values(place);
            return el("tr", { class: place === shown.metric ? "chosen" : "" }, el("th", { scope: "row" }, title, el("span", { "aria-label": `${better} is better` }, better === "higher" ? " ↑" : " ↓")), both.map((value) => cell(value, false)), shown.systems[1] && cell(minus(...both), true));
          }),
        ),
      ),
    );
  };

  const quoted = (text) => (/^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  const files = (shown, id) => {
    const own = shown.systems.flatMap((system) => [...system.scores.files, ...(system.scores.judged[shown.judge] ?? [])]);
    const all = [...new Set([shown.file, ...own, ...shown.tables])];
    const commands = shown.systems.map((system) => `molmix explain ${[shown.column, system.name, shown.test, id].map(quoted).join(" ")}`);
    return el(
      "section",
      { class: "files" },
      el("h3", {}, "Where these numbers stand"),
      el("ul", {}, all.map((path) => el("li", {}, el("code", {}, path)))),
      el("p", {}, "The same in a terminal, in the folder of the run and with its --configfile:"),
      commands.map((command) => el("pre", {}, command)),
    );
  };

  const judging = async (shown, system, row, units) => {
    if (shown.judge === null) return "";
    if (!system.scores.judged[shown.judge]) return el("p", { class: "note" }, "This judge's tables of the system are not there yet.");
    const block = Math.floor(row / shown.block);
    const found = await load(paths.judged(shown.testPlace, system.place, shown.judge, block));
    return molmix.atoms(found, row % shown.block, units[row % shown.block], shown.judges[shown.judge], system.name);
  };

  const picture = async (shown, system, row) => {
    if (shown.captions || !shown.draws) return "";
    const { drawings } = await load(paths.answers(shown.testPlace, system.place, Math.floor(row / shown.block)));
    return drawing(drawings[row % shown.block], `the answer of ${system.name}`);
  };

  // Fills the article. `stale()`: whether another molecule was asked for since.
  molmix.showMolecule = async (shown, row, stale) => {
    const { ids, molecules, references: texts } = shown.molecules;
    const { drawings, units } = await load(paths.drawings(shown.testPlace, Math.floor(row / shown.block)));
    const judge = shown.judge === null ? null : shown.judges[shown.judge];
    const own = judge ? units[judge.units] : [];
    const sides = await Promise.all(
      shown.systems.map(async (system, side) => [...answer(shown, system, "AB"[side], row), await picture(shown, system, row), await judging(shown, system, row, own)]),
    );
    if (stale()) return;
    by("molecule-heading").replaceChildren(el("bdi", {}, ids[row]));
    const smiles = molecules[row];
    by("detail").replaceChildren(
      el(
        "div",
        { class: "given" },
        smiles && el("figure", {}, shown.draws && drawing(drawings[row % shown.block], `structure of ${ids[row]}`), el("figcaption", {}, el("code", { dir: "auto" }, smiles))),
        references(texts[row], shown.captions ? (texts[row].length === 1 ? "Reference" : "References") : "Caption that was given"),
      ),
      judge ? el("p", { class: "note" }, judge.who) : "",
      el("div", { class: "answers" }, sides.map((side) => el("section", { class: "answer" }, side.flat()))),
      el("div", { class: "more" }, allScores(shown, row), files(shown, ids[row])),
    );
  };
})();
