"""Classes replaced by classes that exclude them."""

from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, edit_each

EDIT = Edit("class", HARMFUL, edit_each(lambda ground, one, rng: ground.reclassed(one, rng)), position=2)
