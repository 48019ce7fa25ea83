"""Statements in other words."""

from molmix.analysis.judge_validation.perturbations._edit import HARMLESS, Edit, edit_each

EDIT = Edit("paraphrase", HARMLESS, edit_each(lambda ground, one, rng: ground.reworded(one, rng)), position=3)
