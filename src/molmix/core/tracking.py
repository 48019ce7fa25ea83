"""Trackers, which show losses while a training runs: TensorBoard by default, others by config, all of them offline.

Trackers change no result, so they are no parameter of a rule and no input of a manifest. The record of a training is
`log.parquet`; trackers only let people watch it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from molmix.core.errors import fault
from molmix.core.validation import check_name


def check_trackers(names: Iterable[str]) -> None:
    """Check that transformers knows every tracker and that its package is installed.

    transformers is imported only for trackers other than TensorBoard, which molmix installs.

    Raises:
        MolmixError: a tracker is unknown or not installed.
    """
    if not (chosen := [name for name in names if name != "tensorboard"]):
        return
    from transformers.integrations import integration_utils

    installed = set(integration_utils.get_available_reporting_integrations())
    if integration_utils.is_flytekit_available():  # missing from transformers' list of installed trackers
        installed.add("flyte")
    for name in chosen:
        check_name(name, integration_utils.INTEGRATION_TO_CALLBACK, "tracking.to", "tracker")
        if name not in installed:
            raise fault("tracking.to", f"{name!r} is not installed here", "install its package, or leave it out")


def transformers_trackers(names: Sequence[str], folder: Path) -> list[str]:
    """The trackers for transformers' own callbacks. Environment variables make them write offline below `folder`.

    Variables that are already set keep their value: with `WANDB_MODE=online`, W&B is online.
    """
    chosen = [name for name in names if name != "tensorboard"]
    defaults = {
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(folder),
        "WANDB_PROJECT": folder.name,
        "MLFLOW_TRACKING_URI": (folder / "mlflow").absolute().as_uri(),
        "TRACKIO_DIR": str(folder / "trackio"),
        "COMET_START_ONLINE": "0",
        "SWANLAB_MODE": "offline",
        "CLEARML_OFFLINE_MODE": "1",
    }
    for name, value in defaults.items() if chosen else ():
        os.environ.setdefault(name, value)
    return chosen


class TensorBoard:
    """TensorBoard's file of one training. Files of earlier trainings of the same model are removed.

    Args:
        folder: folder for the curves of this model.
        names: trackers that the config names; without `tensorboard`, nothing is written.
    """

    def __init__(self, folder: Path, names: Sequence[str]):
        self._writer: Any = None
        if "tensorboard" in names:
            from torch.utils.tensorboard import SummaryWriter

            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer = SummaryWriter(str(folder), flush_secs=10)

    def add(self, step: int, numbers: Mapping[str, Any]) -> None:
        """Add logged numbers by transformers' names: `loss` becomes ``train/loss``, `eval_loss` ``eval/loss``."""
        for name, value in numbers.items() if self._writer else ():
            if isinstance(value, int | float):
                tag = f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}"
                self._writer.add_scalar(tag, value, step)

    def close(self) -> None:
        """Write the remaining numbers: at its end, a job does not wait for the writer's thread."""
        if self._writer:
            self._writer.close()
