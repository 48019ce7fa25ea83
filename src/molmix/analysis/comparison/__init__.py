"""Paired comparisons of models over the molecules of a test set: difference, uncertainty and significance.

Every model is compared with its starting model and with the best model, and every merge with both of its parents.
A comparison is a difference, its bootstrap interval, a two-sided p of a permutation test, its correction after Holm
and an effect size (`paired`). `layout` holds the comparisons of all test sets, `significance` says which differences
are significant, `compare` and `ablations` write the tables.
"""
