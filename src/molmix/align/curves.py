"""TensorBoard's curves of an alignment: one a model, however often its job was killed and went on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from molmix.core.tracking import TensorBoard


class CurvesCallback(TrainerCallback):
    """Callback for any TRL trainer.

    A resumed run tells its history up to the checkpoint anew, into a file of its own: a killed job may have shown steps
    after its last checkpoint, and may not have written all before it.
    """

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._folder, self._names = folder, names

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Begin the curves, with what a checkpoint remembers; of several processes, one does."""
        self._curves = TensorBoard(self._folder, self._names if state.is_world_process_zero else [])
        for entry in state.log_history:
            self._add(entry)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Add what was logged."""
        self._add(given["logs"] | {"step": state.global_step})

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Write the rest."""
        self._curves.close()

    def _add(self, entry: dict[str, Any]) -> None:
        # Training and validation may be logged at one step, each with the epoch.
        numbers = {name: value for name, value in entry.items() if name not in ("step", "epoch")}
        self._curves.add(int(entry["step"]), numbers)
