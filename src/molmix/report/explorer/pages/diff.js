"use strict";
// The words of a text that another text lacks: what a longest common subsequence of both leaves out is marked.
(() => {
  const { el } = molmix;
  const MOST = 4e6; // cells of the table of subsequences: longer texts are shown without marks

  const words = (text) => text.match(/\s+|[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? [];
  const isBlank = (word) => /^\s/.test(word);

  // For each word of `own` whether a longest common subsequence with `other` holds it; null if the texts are too long.
  const common = (own, other) => {
    const width = other.length + 1;
    if (own.length * width > MOST) return null;
    const lengths = new Uint16Array((own.length + 1) * width); // of the ends of both from these words on
    for (let row = own.length - 1; row >= 0; row -= 1)
      for (let column = other.length - 1; column >= 0; column -= 1)
        lengths[row * width + column] =
          own[row] === other[column]
            ? lengths[(row + 1) * width + column + 1] + 1
            : Math.max(lengths[(row + 1) * width + column], lengths[row * width + column + 1]);
    const held = own.map(() => false);
    for (let [row, column] = [0, 0]; row < own.length && column < other.length; ) {
      if (own[row] === other[column]) {
        held[row] = true;
        [row, column] = [row + 1, column + 1];
      } else if (lengths[(row + 1) * width + column] >= lengths[row * width + column + 1]) row += 1;
      else column += 1;
    }
    return held;
  };

  // Parts of a text as [words, whether they are marked]; of several other texts the one that leaves out the least counts.
  const parts = (text, others) => {
    const all = words(text);
    const own = all.filter((word) => !isBlank(word));
    const found = others
      .map((other) => common(own, words(other).filter((word) => !isBlank(word))))
      .filter((held) => held !== null)
      .sort((one, two) => two.filter(Boolean).length - one.filter(Boolean).length)[0];
    if (!found) return [[text, false]];
    const made = [];
    let position = -1;
    for (const word of all) {
      const marked = isBlank(word) ? (made.at(-1)?.[1] ?? false) : !found[(position += 1)];
      if (made.at(-1)?.[1] === marked) made.at(-1)[0] += word;
      else made.push([word, marked]);
    }
    return made;
  };

  // A text, with the words marked that the other texts lack. Without other texts nothing is marked.
  molmix.marked = (text, others) =>
    text === "" || !others.length
      ? molmix.prose(text)
      : el(
          "p",
          { class: "prose", dir: "auto" },
          parts(text, others).map(([part, marked]) =>
            marked ? [el("mark", {}, part.trimEnd()), part.slice(part.trimEnd().length)] : part,
          ),
        );
})();
