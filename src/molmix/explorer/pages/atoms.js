"use strict";
// A judge's verdict on every unit of a caption and of its reference: a mark, a word and a number, never a colour alone.
(() => {
  const { el, number } = molmix;
  const MARKS = { supported: "✓", contradicted: "✗", unsupported: "?", covered: "✓", missed: "–" };

  const verdict = (word) => el("span", { class: `verdict ${word}` }, el("span", { "aria-hidden": "true" }, MARKS[word]), ` ${word}`);

  const item = (word, text, said) =>
    el("li", { class: word }, el("span", { class: "line" }, word && verdict(word), " ", el("bdi", { class: "text" }, text)), said && el("span", { class: "said" }, said));

  // The atom on the other side that an atom's verdict comes from.
  const link = (what, place) => (place === undefined ? "" : `, ${what} ${place + 1}`);

  const atomic = (judged, reference, judge) => [
    el("h4", {}, "Caption, against the reference"),
    el(
      "ol",
      { class: "atoms" },
      judged.atoms.map((text, place) => {
        const contradiction = judged.contradiction[place];
        const said = contradiction === undefined ? "" : `contradiction ${number(contradiction)}${link(`${judge.reason} reference`, judged.picks[place])}${link("entailed most by reference", judged.nearest[place])}`;
        return item(judged.verdicts[place], text, said);
      }),
    ),
    el("h4", {}, "Reference, against the caption"),
    el(
      "ol",
      { class: "atoms" },
      reference.map((text, place) => {
        const coverage = judged.coverage[place];
        return item(judged.covered[place], text, coverage === undefined ? "" : `entailment ${number(coverage)}${link("most by caption", judged.covering[place])}`);
      }),
    ),
  ];

  const units = (judged, reference) => [
    el("h4", {}, "Caption, against the reference"),
    el(
      "ol",
      { class: "atoms" },
      judged.atoms.map((text, place) => item("", text, judged.nearest.length ? `entailed most by reference ${judged.nearest[place] + 1}` : "")),
    ),
    el("h4", {}, "Reference"),
    el("ol", { class: "atoms" }, reference.map((text) => item("", text, ""))),
  ];

  // One caption's row of a block of a judge's answers.
  const row = (block, place) => Object.fromEntries(Object.entries(block).map(([name, rows]) => [name, rows[place]]));

  molmix.atoms = (block, place, reference, judge, system) => {
    const judged = row(block, place);
    const notes = [];
    if (judged.fallback) notes.push("The decomposer's answer could not be used: these units were made by `rules`.");
    if (judged.truncated) notes.push(`${judged.truncated} of the pairs were cut to what the model can read.`);
    return [
      notes.map((text) => el("p", { class: "note" }, text)),
      ...(judge.atomic ? atomic(judged, reference, judge) : units(judged, reference)),
      molmix.matrices(judged, reference, judge, system),
    ];
  };
})();
