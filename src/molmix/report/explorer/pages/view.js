"use strict";
// What is shown, by names: it stands in the address behind the #, so that a link opens the same view again.
(() => {
  const defaults = { test: "", a: "", b: "", metric: "", sort: "", order: "worst", filter: "", judge: "", words: "", id: "" };
  const KEYS = Object.keys(defaults);
  let later; // when the address is to follow

  const read = () => {
    clearTimeout(later);
    const given = new URLSearchParams(location.hash.slice(1));
    const view = { ...defaults };
    for (const key of KEYS) if (given.has(key)) view[key] = given.get(key);
    return view;
  };

  const hash = (view) => {
    const said = new URLSearchParams();
    for (const key of KEYS) if (view[key] !== defaults[key]) said.set(key, view[key]);
    return `#${said}`;
  };

  // `step`: whether the browser's back button is to come back to what was shown before. Without it the address follows
  // when the reader pauses: browsers refuse to change it for every key that is held down.
  const write = (view, step) => {
    const address = hash(view);
    clearTimeout(later);
    if (address === location.hash) return;
    if (step) history.pushState(null, "", address);
    else later = setTimeout(() => history.replaceState(null, "", address), 150);
  };

  molmix.view = { read, write };
})();
