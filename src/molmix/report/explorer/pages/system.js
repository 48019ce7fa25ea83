"use strict";
// Both systems' figures on the whole test set, and what the comparisons say of their difference.
(() => {
  const { el, number, minus } = molmix;

  // What a comparison of the tables was made for.
  const FAMILIES = {
    start: "model with its start",
    parent: "merge with its parent",
    best: "models with the best one",
    asked: "pair that the config asks for",
  };

  const interval = (figure, sign = false) =>
    figure
      ? `${number(figure[0], { sign })} [${number(figure[1], { sign })}, ${number(figure[2], { sign })}]`
      : "not in the tables";

  // Rows of the comparisons of A with B; where B was compared with A, turned round.
  const compared = (shown) => {
    const [a, b] = shown.systems;
    const of = (own, other) => own.scores.compared.filter((row) => row[0] === shown.metric && row[1] === other.position);
    const turned = (value) => (value === null ? null : -value);
    const verdicts = { better: "worse", worse: "better", "": "" };
    const straight = of(a, b).map(([, , sort, n, gap, low, high, p, verdict]) => ({
      sort,
      n,
      figure: [gap, low, high],
      p,
      verdict,
    }));
    const other = of(b, a).map(([, , sort, n, gap, low, high, p, verdict]) => ({
      sort,
      n,
      figure: [turned(gap), turned(high), turned(low)],
      p,
      verdict: verdicts[verdict],
    }));
    return [...straight, ...other];
  };

  const short = (p) => (p < 0.0001 ? "< 0.0001" : number(p));

  const beyond = ({ verdict, sort, p, n }) => {
    const said = verdict ? `A is significantly ${verdict}` : "no significant difference";
    return `${said} (p ${p === null ? "undefined" : short(p)} after Holm, ${n} molecules; ${FAMILIES[sort] ?? sort})`;
  };

  // What the page's own test says, with what it lacks.
  const tested = ({ n, means, p, permutations }, shown, figures, systems) => {
    const pairs = (systems * (systems - 1)) / 2;
    const said =
      `p ${short(p)} of this pair alone: ${permutations} random sign flips over ${n} molecules, computed in this page, ` +
      `without correction for the ${pairs} pairs of ${systems} systems`;
    const pooled = figures.some((value, side) => value && Math.abs(value[0] - means[side]) > 0.0005);
    return pooled ? `${said}; of the means over these captions (${means.map((mean) => number(mean)).join(" and ")})` : said;
  };

  // `shown`: metric (its position), better, systems (A, and B or not), each with position, name and scores.
  molmix.systemFigures = (shown, level, systems) => {
    const [a, b] = shown.systems;
    const figure = (system) => system.scores.figures?.[shown.metric] ?? null;
    const rows = shown.systems.map((system, position) => [`${"AB"[position]}`, system.name, interval(figure(system)), ""]);
    if (b) {
      const found = compared(shown);
      const own = found.length ? null : molmix.pairedTest(...shown.values, level);
      const values = shown.systems.map((system) => figure(system)?.[0] ?? null);
      const gap = found.length
        ? interval(found[0].figure, true)
        : own
          ? interval(own.figure, true)
          : figure(a) && figure(b)
            ? `${number(minus(...values), { sign: true })}, no interval`
            : "–";
      rows.push([
        "A − B",
        "",
        gap,
        found.length
          ? found.map(beyond).join("; ")
          : own
            ? tested(own, shown, [figure(a), figure(b)], systems)
            : "there are no two molecules with both values",
      ]);
    }
    const caption = `${shown.title} (${shown.better} is better), all molecules of ${shown.test}, with ${Math.round(level * 100)} % intervals`;
    return el(
      "table",
      { class: "figures" },
      el("caption", {}, caption),
      el(
        "tbody",
        {},
        rows.map(([side, name, value, said]) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, el("b", {}, side), " ", el("bdi", {}, name)),
            el("td", {}, value),
            el("td", { class: "said" }, said),
          ),
        ),
      ),
    );
  };
})();
