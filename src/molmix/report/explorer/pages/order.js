"use strict";
// Which molecules are listed, and in which order.
(() => {
  const { minus } = molmix;
  const lowered = new WeakMap(); // lists of texts -> the same in lower case

  const lower = (texts) => {
    if (!lowered.has(texts))
      lowered.set(
        texts,
        texts.map((text) => [text ?? ""].flat().join("\n").toLowerCase()),
      );
    return lowered.get(texts);
  };

  // Rows in which some text holds what was asked for.
  molmix.matching = (columns, asked) => {
    const rows = [...columns[0].keys()];
    const wanted = asked.trim().toLowerCase();
    if (!wanted) return rows;
    const texts = columns.map(lower);
    return rows.filter((row) => texts.some((column) => column[row].includes(wanted)));
  };

  // Sorted by a value, undefined ones last, equal ones in the test set's order.
  molmix.sorted = (rows, { by, a, b, better, order }) => {
    const values = { a: (row) => a[row], b: (row) => b[row], difference: (row) => minus(a[row], b[row]) }[by];
    if (!values) return rows;
    const sign = (better === "higher") === (order === "worst") ? 1 : -1;
    const keyed = rows.map((row) => [row, values(row)]);
    keyed.sort(([, one], [, other]) => {
      if (one === null || other === null) return (one === null) - (other === null);
      return sign * (one - other);
    });
    return keyed.map(([row]) => row);
  };
})();
