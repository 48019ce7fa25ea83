"""Which model is better, by how much and how surely: paired comparisons over the molecules of a test set.

Every model is compared with its own starting point, with the best model, and every merge with both of its parents
(`pairs`). A comparison is a difference, its bootstrap interval, a two-sided p by approximate randomisation (`swaps`),
its correction after Holm (`holm`) and an effect size (`measure`). `marks` reads off what tables show in bold and with
a star; `merges`, `alignments` and `seeds` lay the same figures out.
"""
