"use strict";
// A judge's verdict on every unit of a caption and of its reference: a mark, a word and a number, never a colour alone.
(() => {
  const { el, number } = molmix;
  const MARKS = { supported: "✓", contradicted: "✗", unsupported: "?", covered: "✓", missed: "–", true: "✓", false: "✗", undecided: "?", unanswered: "·" };

  const verdict = (word) =>
    el("span", { class: `verdict ${word}` }, el("span", { "aria-hidden": "true" }, MARKS[word]), ` ${word}`);

  const item = (word, text, said) =>
    el(
      "li",
      { class: word },
      el("span", { class: "line" }, word && verdict(word), " ", el("bdi", { class: "text" }, text)),
      said && el("span", { class: "said" }, said),
    );

  // A probability, and the atom on the other side that it is of.
  const by = (what, value, side, position) => `${what} ${value}${position === undefined ? "" : ` (${side} ${position + 1})`}`;

  const atomic = (judged, reference) => [
    el("h4", {}, "Caption, against the reference"),
    el(
      "ol",
      { class: "atoms" },
      judged.atoms.map((text, position) => {
        const [contradiction, nearest] = [judged.contradiction[position], judged.nearest[position]];
        if (contradiction === undefined) return item(judged.verdicts[position], text, "");
        const entailment = number(judged.matrices[0][position * reference.length + nearest] / 1000, { digits: 3 });
        const said = [
          by("match", number(judged.match[position]), "reference", judged.matching[position]),
          by("contradiction", number(contradiction), "reference", judged.picks[position]),
          by("entailment", entailment, "reference", nearest),
        ];
        return item(judged.verdicts[position], text, said.join(", "));
      }),
    ),
    el("h4", {}, "Reference, against the caption"),
    el(
      "ol",
      { class: "atoms" },
      reference.map((text, position) => {
        const coverage = judged.coverage[position];
        return item(
          judged.covered[position],
          text,
          coverage === undefined
            ? ""
            : `match ${number(judged.recall[position])}, ${by("entailment", number(coverage), "caption", judged.covering[position])}`,
        );
      }),
    ),
  ];

  const units = (judged, reference) => [
    el("h4", {}, "Caption, against the reference"),
    el(
      "ol",
      { class: "atoms" },
      judged.atoms.map((text, position) =>
        item("", text, judged.nearest.length ? `entailed most by reference ${judged.nearest[position] + 1}` : ""),
      ),
    ),
    el("h4", {}, "Reference"),
    el(
      "ol",
      { class: "atoms" },
      reference.map((text) => item("", text, "")),
    ),
  ];

  // A judge that asks no NLI model: verdicts and their reasons.
  const decided = (judged, reference) => [
    el("h4", {}, "Caption"),
    el(
      "ol",
      { class: "atoms" },
      judged.atoms.map((text, position) => item(judged.verdicts[position], text, judged.reasons[position])),
    ),
    reference.length > 0 && el("h4", {}, "Reference"),
    el(
      "ol",
      { class: "atoms" },
      reference.map((text, position) => item(judged.covered[position] ?? "", text, "")),
    ),
  ];

  // One caption's row of a block of a judge's answers.
  const row = (block, position) => Object.fromEntries(Object.entries(block).map(([name, rows]) => [name, rows[position]]));

  molmix.atoms = (block, position, reference, judge, system) => {
    const judged = row(block, position);
    const notes = [];
    if (judged.fallback) notes.push("The decomposer's answer could not be used: these units were made by `rules`.");
    if (judged.truncated) notes.push(`${judged.truncated} of the pairs were cut to what the model can read.`);
    return [
      notes.map((text) => el("p", { class: "note" }, molmix.coded(text))),
      ...(!judge.pairs ? decided : judge.verdicts ? atomic : units)(judged, reference),
      judge.pairs ? molmix.matrices(judged, reference, judge, system) : "",
    ];
  };
})();
