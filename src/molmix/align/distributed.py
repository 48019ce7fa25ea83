"""The processes of one alignment: how many share a batch, and which of them writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from molmix.core.errors import fault

FOLDER = "MOLMIX_SHARED_FOLDER"  # what the launcher sets: a folder that goes when all of them have ended


def count() -> int:
    """How many processes train together; 1 where nobody launched several."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def writes() -> bool:
    """Whether this process is the one that writes files."""
    return os.environ.get("RANK", "0") == "0"


def own_file(name: str) -> Path:
    """A path in the folder that several processes share, which no other one of them writes to."""
    return Path(os.environ[FOLDER]) / f"{os.environ['RANK']}-{name}"


def any_says(flag: bool, device: Any) -> bool:
    """Whether any of the processes says so: they save and end at the same step, or wait for each other for ever.

    Args:
        flag: what this one says.
        device: where this process trains.
    """
    if count() == 1:
        return flag
    import torch

    flags = torch.tensor(int(flag), device=device)
    torch.distributed.all_reduce(flags, op=torch.distributed.ReduceOp.MAX)
    return bool(flags.item())


def wait_for_all() -> None:
    """Go on when every process has come as far as this."""
    if count() > 1:
        import torch

        torch.distributed.barrier()


def share(trl: dict[str, Any]) -> dict[str, Any]:
    """The batch settings of one process, so that all together take a step on the batch that the settings ask for.

    Raises:
        MolmixError: the batch does not divide.
    """
    steps, rows = trl["gradient_accumulation_steps"], trl["per_device_train_batch_size"]
    if steps % count() == 0:
        return {"gradient_accumulation_steps": steps // count()}
    if rows % count() == 0:
        return {"per_device_train_batch_size": rows // count()}
    raise fault(
        "hardware.gpus.align",
        f"{count()} divides neither `settings.gradient_accumulation_steps` ({steps}) nor"
        f" `settings.per_device_train_batch_size` ({rows})",
        "give a number that divides one of them",
    )
