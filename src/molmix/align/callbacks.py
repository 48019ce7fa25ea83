"""Callbacks of the trainer: progress, stopping diverged trainings, checkpoints by time and before a stop, curves."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from molmix.align import distributed
from molmix.align.checkpoints import append_progress, mark_complete
from molmix.align.distributed import StopRequest
from molmix.core.errors import fault
from molmix.core.progress import Progress
from molmix.core.tracking import TensorBoard

# Maximum training time that a kill without warning loses, in addition to the current step.
SECONDS_BETWEEN_CHECKPOINTS = 15 * 60
LOSSES = {"loss": "loss", "eval_loss": "validation loss"}  # what people see of them


class ProgressCallback(TrainerCallback):
    """Progress, checkpoints and stops, for any TRL trainer.

    Attributes:
        stop: whether a stop was requested.
        shown: closes the progress at the end of a block. A trainer that raises an error calls no `on_train_end`.
    """

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id
        self.stop = StopRequest()
        self.shown = ExitStack()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open the progress bar at the step from which the training starts or resumes."""
        self.saved = time.monotonic()
        shown = distributed.is_main_process()
        self.bar = self.shown.enter_context(
            Progress(total=state.max_steps, initial=state.global_step, desc=self.model_id, unit="step", shown=shown)
        )

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Set the epoch of the row order. With several processes, accelerate does not if it skips to a step."""
        given["train_dataloader"].set_epoch(int(state.epoch or 0))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Save a checkpoint after :data:`SECONDS_BETWEEN_CHECKPOINTS`. If a stop was requested, save one and stop.

        Every step is logged, so an additional checkpoint at any step does not change the log.
        """
        self.bar.update()
        end = distributed.any_process(bool(self.stop.signal), args.device)
        control.should_save |= end or distributed.any_process(
            time.monotonic() - self.saved > SECONDS_BETWEEN_CHECKPOINTS, args.device
        )
        control.should_training_stop |= end

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Write progress, and stop a diverged training before it is saved: a step is logged before its checkpoint.

        Raises:
            MolmixError: a loss or a gradient is not a finite number.
        """
        for name in ("loss", "eval_loss", "grad_norm"):
            value = given["logs"].get(name, 0.0)
            if not math.isfinite(value):
                raise fault(
                    f"model {self.model_id}",
                    f"{name} is {value} at step {state.global_step} of {state.max_steps}",
                    f"lower `settings.learning_rate` ({args.learning_rate}) or `settings.max_grad_norm`"
                    f" ({args.max_grad_norm})",
                )
        losses = {name: given["logs"][name] for name in LOSSES if name in given["logs"]}
        self.bar.set_numbers({LOSSES[name]: value for name, value in losses.items()})
        if distributed.is_main_process():
            append_progress(Path(str(args.output_dir)), {"step": state.global_step, "of": state.max_steps} | losses)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Mark the checkpoint as complete."""
        distributed.wait_for_all()  # each process writes its random state
        if distributed.is_main_process():
            mark_complete(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
        self.saved = time.monotonic()

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Close the progress bar.

        Raises:
            MolmixError: a stop was requested before the last step.
        """
        self.shown.close()
        if self.stop.signal and state.global_step < state.max_steps:
            raise fault(
                f"model {self.model_id}",
                f"{self.stop.signal} ended its training at step {state.global_step} of {state.max_steps}",
                "run the same command again: it resumes from the checkpoint of that step",
            )


class CurvesCallback(TrainerCallback):
    """TensorBoard curves of an alignment, one file for each model, for any TRL trainer.

    A resumed training writes its history up to the checkpoint again, into a new file. The file of a killed job may
    contain steps after its last checkpoint, and may lack steps before it.
    """

    def __init__(self, folder: Path, names: list[str]) -> None:
        self._folder, self._names = folder, names

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start the curves with the history of the checkpoint. With several processes, only the first one writes."""
        self._curves = TensorBoard(self._folder, self._names if state.is_world_process_zero else [])
        for entry in state.log_history:
            self._add(entry)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Add the logged numbers."""
        self._add(given["logs"] | {"step": state.global_step})

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Write the remaining numbers."""
        self._curves.close()

    def _add(self, entry: dict[str, Any]) -> None:
        # Training and validation may be logged at the same step. Both log the epoch.
        numbers = {name: value for name, value in entry.items() if name not in ("step", "epoch")}
        self._curves.add(int(entry["step"]), numbers)
