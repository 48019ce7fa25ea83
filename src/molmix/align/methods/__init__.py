"""Alignment methods, one file each: the TRL config it takes, the data it eats, its presets, its trainer.

A method's module holds

- ``SHAPE``: what a row of its data is, one of ``prompt_completion``, ``paired``, ``unpaired`` (:mod:`.rows`);
- ``HELD``: the columns of the trainer's data that make up a whole text, joined in this order;
- ``REFERENCE``: whether its loss looks at a reference model;
- ``SMALLEST_BATCH``: the least ``per_device_train_batch_size`` that it can learn from;
- ``PRESETS``: ``paper`` (the study's own settings, as close as today's TRL comes) and ``modern`` (what is
  known to work better), each a dict of TRL settings, ``trl``, and of adapter settings, ``lora``;
- ``config()``: its TRL config class;
- ``trainer(arguments, …)``: its TRL trainer.

To add one, write its file, name its module in `METHODS` and run ``python -m molmix.align.trl_settings``; the
config, its documentation, the model table and the graph follow. Importing this package is cheap: a method's
file imports TRL only inside its functions.
"""

from molmix.align.methods import cpo, dpo, kto, sft

METHODS = {module.__name__.rsplit(".", 1)[-1]: module for module in (sft, dpo, cpo, kto)}
