"""Statements denied."""

from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, edit_each

EDIT = Edit("negation", HARMFUL, edit_each(lambda ground, one, rng: ground.negated(one, rng)), position=3)
