"use strict";
// The difference of two systems whose comparison is not in the tables: paired bootstrap and permutation test in the page.
(() => {
  const PERMUTATIONS = 10000;
  const RESAMPLES = 2000;

  // Random numbers of 32 bits (mulberry32). The seed is fixed, so a page always shows the same p.
  const generator = (seed) => () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };

  const sum = (values) => values.reduce((total, value) => total + value, 0);

  // Two-sided p of the mean of paired differences: random sign flips, (1 + exceedances) / (1 + permutations).
  const permuted = (differences, random) => {
    const moved = differences.filter((value) => value !== 0);
    const total = sum(moved);
    const bound = Math.abs(total) - 1e-9 * sum(moved.map(Math.abs));
    let exceedances = 0;
    for (let permutation = 0; permutation < PERMUTATIONS; permutation += 1) {
      let flipped = 0;
      for (let start = 0; start < moved.length; start += 32) {
        const bits = random();
        const stop = Math.min(moved.length, start + 32);
        for (let row = start; row < stop; row += 1) if ((bits >>> (row - start)) & 1) flipped += moved[row];
      }
      if (Math.abs(total - 2 * flipped) >= bound) exceedances += 1;
    }
    return (1 + exceedances) / (1 + PERMUTATIONS);
  };

  // Both ends of the percentile interval of the mean difference.
  const resampled = (differences, level, random) => {
    const { length } = differences;
    const means = new Float64Array(RESAMPLES);
    for (let resample = 0; resample < RESAMPLES; resample += 1) {
      let total = 0;
      for (let draw = 0; draw < length; draw += 1) total += differences[random() % length];
      means[resample] = total / length;
    }
    means.sort();
    const quantile = (share) => {
      const at = share * (RESAMPLES - 1);
      const below = Math.floor(at);
      return means[below] + (at - below) * (means[Math.min(below + 1, RESAMPLES - 1)] - means[below]);
    };
    return [quantile((1 - level) / 2), quantile((1 + level) / 2)];
  };

  // The test of A less B over the molecules for which both have a value; null if there are fewer than two.
  molmix.pairedTest = (a, b, level) => {
    const rows = [...a.keys()].filter((row) => a[row] !== null && b[row] !== null);
    if (rows.length < 2) return null;
    const differences = rows.map((row) => a[row] - b[row]);
    const [low, high] = resampled(differences, level, generator(1));
    return {
      n: rows.length,
      figure: [sum(differences) / rows.length, low, high],
      means: [a, b].map((values) => sum(rows.map((row) => values[row])) / rows.length),
      p: permuted(differences, generator(2)),
      permutations: PERMUTATIONS,
    };
  };
})();
