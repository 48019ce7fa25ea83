"""Where losses are shown while a training runs: TensorBoard by default, other trackers by config, all of them offline.

What is shown changes no result, so it is no parameter of any rule and no input of any manifest. `log.parquet` is the
record; this is for people who look on.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from molmix.core.errors import fault
from molmix.core.validation import check_name


def check_trackers(names: Iterable[str]) -> None:
    """Refuse a tracker that transformers does not know, or that is not installed.

    transformers is imported only for trackers other than TensorBoard, which comes with molmix.

    Raises:
        MolmixError: names the tracker.
    """
    if not (chosen := [name for name in names if name != "tensorboard"]):
        return
    from transformers.integrations import integration_utils

    installed = set(integration_utils.get_available_reporting_integrations())
    if integration_utils.is_flytekit_available():  # which transformers leaves out of its list
        installed.add("flyte")
    for name in chosen:
        check_name(name, integration_utils.INTEGRATION_TO_CALLBACK, "tracking.to", "tracker")
        if name not in installed:
            raise fault("tracking.to", f"{name!r} is not installed here", "install its package, or leave it out")


def transformers_trackers(names: Sequence[str], folder: Path) -> list[str]:
    """The trackers that transformers' own callbacks feed, told to keep what they log below a folder.

    Where the environment says something else, that holds: `WANDB_MODE=online` goes online.
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
    """TensorBoard's file of one training; files of an earlier training of this model are removed.

    Args:
        folder: of this model's curves.
        names: trackers that the config asks for; without `tensorboard`, nothing is written.
    """

    def __init__(self, folder: Path, names: Sequence[str]):
        self._writer: Any = None
        if "tensorboard" in names:
            from torch.utils.tensorboard import SummaryWriter

            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer = SummaryWriter(str(folder), flush_secs=10)

    def add(self, step: int, numbers: Mapping[str, Any]) -> None:
        """Add what was logged, by transformers' names: `loss` is ``train/loss``, `eval_loss` ``eval/loss``."""
        for name, value in numbers.items() if self._writer else ():
            if isinstance(value, int | float):
                tag = f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}"
                self._writer.add_scalar(tag, value, step)

    def close(self) -> None:
        """Write what is left; a job ends without waiting for anybody's threads."""
        if self._writer:
            self._writer.close()
