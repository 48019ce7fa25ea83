"""Numbers changed."""

from molmix.analysis.judge_validation.perturbations._edit import HARMFUL, Edit, edit_each

EDIT = Edit("number", HARMFUL, edit_each(lambda ground, one, rng: ground.renumbered(one, rng)), position=4)
