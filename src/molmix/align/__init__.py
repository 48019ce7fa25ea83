"""Alignment methods, one file each: the TRL config it takes, the data it eats, its presets, its trainer.

To add one, write its file and name its module in `METHODS`; the config, its documentation, the model table and
the graph follow. Importing this package is cheap: a method's file imports TRL only when its trainer is asked for.
"""

from molmix.align import cpo, dpo, kto, sft

METHODS = {module.__name__.rsplit(".", 1)[-1]: module for module in (sft, dpo, cpo, kto)}
