"use strict";
// One molecule: what it is, what was to be said of it, what both systems said, and how that was judged.
(() => {
  const { el, by, load, paths, number, minus, prose, drawing } = molmix;

  const references = (texts, title) =>
    el(
      "section",
      { class: "reference" },
      el("h3", {}, title),
      texts.length === 1
        ? prose(texts[0])
        : el(
            "ol",
            {},
            texts.map((text) => el("li", {}, prose(text))),
          ),
    );

  // The texts whose words a caption is compared with, as the reader chose.
  const compared = (shown, side, row) => {
    if (shown.words === "reference") return shown.captions ? shown.molecules.references[row] : [];
    const other = shown.words === "pair" && shown.systems["BA".indexOf(side)];
    return other ? [other.scores.texts[row]] : [];
  };

  const answer = (shown, system, side, row) => {
    const { texts, finish, values } = system.scores;
    const value = values[shown.metric]?.[row] ?? null;
    const ended =
      finish[row] === "stop"
        ? ""
        : el(
            "p",
            { class: "note" },
            finish[row] === "missing"
              ? "The system has no caption for this molecule: an empty one is scored."
              : `finish: ${finish[row]}`,
          );
    return [
      el(
        "h3",
        {},
        `${side} `,
        el("bdi", {}, system.name),
        el("span", { class: "score" }, `${shown.title} ${number(value)}`),
      ),
      molmix.marked(texts[row], compared(shown, side, row)),
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
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, "metric"),
            shown.systems.map((_, side) => el("th", { scope: "col" }, "AB"[side])),
            shown.systems[1] && el("th", { scope: "col" }, "A − B"),
          ),
        ),
        el(
          "tbody",
          {},
          shown.metrics.map(({ position, title, better }) => {
            const both = values(position);
            return el(
              "tr",
              { class: position === shown.metric ? "chosen" : "" },
              el(
                "th",
                { scope: "row" },
                title,
                el("span", { "aria-label": `${better} is better` }, better === "higher" ? " ↑" : " ↓"),
              ),
              both.map((value) => cell(value, false)),
              shown.systems[1] && cell(minus(...both), true),
            );
          }),
        ),
      ),
    );
  };

  const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  const files = (shown, id) => {
    const own = shown.systems.flatMap((system) => [
      ...system.scores.files,
      ...(system.scores.judged[shown.judge] ?? []),
    ]);
    const all = [...new Set([shown.file, ...own, ...shown.tables])];
    const commands = shown.systems.map(
      (system) =>
        `molmix explain ${[shown.column, system.name, shown.test, id, ...shown.options].map(quoted).join(" ")}`,
    );
    return el(
      "section",
      { class: "files" },
      el("h3", {}, "Where these numbers stand"),
      el(
        "ul",
        {},
        all.map((path) => el("li", {}, el("code", {}, path))),
      ),
      el("p", {}, shown.options.length
          ? "The same in a terminal, in the folder of the run:"
          : "The same in a terminal, in the folder of the run and with its --configfile:",),
      commands.map((command) => el("pre", {}, command)),
    );
  };

  // All chunks that a molecule is shown from: of the test set, then of each system its answers and their judging.
  molmix.needs = (shown, row) => {
    const block = Math.floor(row / shown.block);
    const answers = shown.systems.map((system) => {
      const judged = shown.judge !== null && system.scores.judged[shown.judge];
      return [
        !shown.captions && shown.draws ? load(paths.answers(shown.testIndex, system.position, block)) : null,
        judged ? load(paths.judged(shown.testIndex, system.position, shown.judge, block)) : null,
      ];
    });
    return Promise.all([load(paths.drawings(shown.testIndex, block)), ...answers.flat()]);
  };

  // Fills the article. `stale()`: whether another molecule was asked for since.
  molmix.showMolecule = async (shown, row, stale) => {
    const { ids, molecules, references: texts } = shown.molecules;
    const [{ drawings, units }, ...chunks] = await molmix.needs(shown, row);
    const position = row % shown.block;
    const judge = shown.judge === null ? null : shown.judges[shown.judge];
    if (stale()) return;
    const sides = shown.systems.map((system, side) => {
      const [answers, judged] = chunks.slice(2 * side, 2 * side + 2);
      return [
        ...answer(shown, system, "AB"[side], row),
        answers ? drawing(answers.drawings[position], `the answer of ${system.name}`) : "",
        judged ? molmix.atoms(judged, position, units[judge.units][position], judge, system.name) : "",
        judge && !judged ? el("p", { class: "note" }, "This judge's tables of the system are not there yet.") : "",
      ];
    });
    by("molecule-heading").replaceChildren(el("bdi", {}, ids[row]));
    const smiles = molecules[row];
    by("detail").replaceChildren(
      el(
        "div",
        { class: "given" },
        smiles &&
          el(
            "figure",
            {},
            shown.draws && drawing(drawings[position], `structure of ${ids[row]}`),
            el("figcaption", {}, el("code", { dir: "auto" }, smiles)),
          ),
        references(
          texts[row],
          shown.captions ? (texts[row].length === 1 ? "Reference" : "References") : "Caption that was given",
        ),
      ),
      judge ? el("p", { class: "note" }, molmix.coded(`${judge.who} ${judge.licence}`)) : "",
      el(
        "div",
        { class: "answers" },
        sides.map((side) => el("section", { class: "answer" }, side.flat(2))),
      ),
      el("div", { class: "more" }, allScores(shown, row), files(shown, ids[row])),
    );
  };
})();
