"""Which model is better, by how much and how surely: paired comparisons over the molecules of a test set.

Every model is compared with its starting model and with the best model, and every merge with both of its parents.
A comparison is a difference, its bootstrap interval, a two-sided p of a permutation test, its correction after Holm
and an effect size (`paired`). `layout` holds those of all test sets, `significance` says which differences are
significant, `compare` and `ablations` write the tables.
"""
