"use strict";
// The controls: what the reader may choose of what there is, and what is chosen where a name says nothing that is there.
(() => {
  const { el, by } = molmix;
  const KINDS = { initial: "initial", aligned: "aligned", merged: "merged", external: "from elsewhere" };
  const NONE = "-"; // instead of system B

  molmix.controls = (index) => {
    let filled = null; // the test set that the choice of systems is of

    const options = (select, pairs, chosen) => {
      by(select).replaceChildren(
        ...pairs.map(([value, text, disabled]) => el("option", { value, disabled: disabled ?? false }, text)),
      );
      by(select).value = chosen;
    };

    const systemOptions = (select, test, first) => {
      const groups = Object.entries(KINDS).map(([kind, label]) => {
        const own = index.systems.map((system, position) => [system, position]).filter(([system]) => system.kind === kind);
        const made = own.map(([{ name }, position]) => {
          const there = test.systems.includes(position);
          return el("option", { value: name, disabled: !there }, there ? name : `${name} (not scored yet)`);
        });
        return own.length ? el("optgroup", { label }, made) : null;
      });
      by(select).replaceChildren(...[...first, ...groups].filter(Boolean));
    };

    const measured = ({ systems, metrics }) => systems.length > 0 && metrics.length > 0;

    // What a name asked for, where it exists; else the first that there is.
    const settle = (view) => {
      const tests = index.tests.filter(measured);
      if (!tests.length) throw new Error("No test set has a score.");
      const test = tests.find(({ name }) => name === view.test) ?? tests[0];
      const names = test.systems.map((position) => index.systems[position].name);
      const a = names.includes(view.a) ? view.a : names[0];
      const b = [NONE, ...names].includes(view.b) ? view.b : (names.find((name) => name !== a) ?? NONE);
      const metrics = test.metrics.map((position) => ({ position, ...index.metrics[position] }));
      const metric = metrics.find(({ column }) => column === view.metric) ?? metrics[0];
      const sorts = b === NONE ? ["a", "file"] : ["difference", "a", "b", "file"];
      const sort = sorts.includes(view.sort) ? view.sort : sorts[0];
      const judges = test.direction === "mol2cap" ? index.judges.map(({ name }) => name) : [];
      const position = judges.includes(view.judge) ? judges.indexOf(view.judge) : (metric.judge ?? 0);
      const words = view.words === "reference" || (view.words === "pair" && b !== NONE) ? view.words : "";
      return { test, a, b, metrics, metric, sort, judges, words, judge: judges.length ? position : null };
    };

    const fill = (view, { test, a, b, metrics, metric, sort, judges, words }) => {
      options(
        "test",
        index.tests.map((own) => [own.name, measured(own) ? own.name : `${own.name} (no scores)`, !measured(own)]),
        test.name,
      );
      if (filled !== test) {
        systemOptions("a", test, []);
        systemOptions("b", test, [el("option", { value: NONE }, "none")]);
        filled = test;
      }
      [by("a").value, by("b").value] = [a, b];
      options(
        "metric",
        metrics.map(({ column, title, better }) => [column, `${title} ${better === "higher" ? "↑" : "↓"}`]),
        metric.column,
      );
      options(
        "judge",
        [["", "that of the metric"], ...judges.map((name) => [name, name])],
        judges.includes(view.judge) ? view.judge : "",
      );
      by("judge-label").hidden = judges.length < 2;
      for (const option of by("sort").options)
        option.disabled = b === NONE && ["difference", "b"].includes(option.value);
      by("sort").value = sort;
      const whose = sort === "difference" ? " of A" : "";
      by("order").options[0].text = `worst${whose} first`;
      by("order").options[1].text = `best${whose} first`;
      by("order").value = view.order === "best" ? "best" : "worst";
      by("words").options[1].disabled = b === NONE;
      by("words").value = words;
      by("order").disabled = sort === "file";
      if (document.activeElement !== by("filter")) by("filter").value = view.filter;
    };

    return { settle, fill };
  };

  molmix.NONE = NONE;
})();
