"use strict";
// Chunks of data, each a script that hands over its content: a page from disk may load scripts, but not fetch.
(() => {
  const waiting = new Map(); // by name: what to do with the content
  const chunks = new Map(); // by name: a promise of the content

  molmix.chunk = (name, content) => {
    waiting.get(name)?.(content);
    waiting.delete(name);
  };

  const fetched = (name) =>
    new Promise((resolve, reject) => {
      const script = molmix.el("script", { src: `data/${name}.js` });
      const fail = (why) => {
        chunks.delete(name); // asked again, it is tried again
        reject(new Error(`data/${name}.js ${why}`));
      };
      waiting.set(name, resolve);
      script.addEventListener("error", () => fail("cannot be loaded. Was the whole folder copied?"));
      script.addEventListener("load", () => {
        if (waiting.has(name)) fail("is damaged. Make the explorer again.");
        script.remove();
      });
      document.head.append(script);
    });

  molmix.load = (name) => {
    if (!chunks.has(name)) chunks.set(name, fetched(name));
    return chunks.get(name);
  };

  // Every system's answers to a test set, the test set itself, and blocks of both.
  molmix.paths = {
    molecules: (test) => `t${test}/molecules`,
    drawings: (test, block) => `t${test}/m${block}`,
    scores: (test, system) => `t${test}/s${system}/scores`,
    answers: (test, system, block) => `t${test}/s${system}/m${block}`,
    judged: (test, system, judge, block) => `t${test}/s${system}/j${judge}-${block}`,
  };
})();
