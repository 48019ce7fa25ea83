"use strict";
// Elements made from data. Text becomes text nodes and attributes only, so nothing in it can be markup or run.
const molmix = {};

molmix.el = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => ![undefined, null, false, ""].includes(child)));
  return element;
};

molmix.by = (id) => document.getElementById(id);

// A text from a model or a file: it may run from right to left, and has its own lines.
molmix.prose = (text) =>
  molmix.el("p", { class: "prose", dir: "auto" }, text === "" ? molmix.el("em", {}, "(empty)") : text);

// A text of molmix with `code` in it.
molmix.coded = (text) =>
  text.split(/`([^`]*)`/).map((part, position) => (position % 2 ? molmix.el("code", {}, part) : part));

// A score, or a difference of two: U+2212 is as wide as a digit.
molmix.number = (value, { digits = 4, sign = false } = {}) => {
  if (value === null || value === undefined) return "undefined";
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value < 0 ? "−" : sign ? "+" : "") + text;
};

molmix.minus = (a, b) => (a === null || b === null ? null : a - b);

// A drawing as an image of its own: a script in it could not run.
// `made`: SVG, or the reason why there is none.
molmix.drawing = (made, alt) =>
  made.startsWith("<svg")
    ? molmix.el("img", { class: "drawing", alt, src: `data:image/svg+xml,${encodeURIComponent(made)}` })
    : molmix.el("p", { class: "note" }, `No drawing. ${made}`);
