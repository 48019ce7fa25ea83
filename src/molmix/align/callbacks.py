"""What molmix adds to a trainer's loop: a progress bar and a file that says how far it is, an end to exploding runs,
checkpoints by the clock and before an end that is asked for, marks on whole ones."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from molmix.align import distributed
from molmix.align import progress as written
from molmix.align.checkpoints import mark_whole
from molmix.align.stop import Request
from molmix.core.errors import fault
from molmix.core.progress import progress

# The most that a kill without warning costs, beside the step under way.
SAVED_EVERY = 15 * 60  # seconds


class Watch(TrainerCallback):
    """Callback for any TRL trainer."""

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id
        self.stop = Request()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open the bar, at the step that a resumed run goes on from."""
        self.saved = time.monotonic()
        self.bar = progress(total=state.max_steps, initial=state.global_step, desc=self.model_id, unit="step")

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Tell the order of rows its epoch: with several processes, accelerate does not where it skips to a step."""
        given["train_dataloader"].set_epoch(int(state.epoch or 0))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Save where the clock says so, and save and end where that is asked for.

        Every step is logged, so a checkpoint more or less, at whatever step, changes nothing that is logged.
        """
        self.bar.update()
        end = distributed.any_says(bool(self.stop.by), args.device)
        control.should_save |= end or distributed.any_says(time.monotonic() - self.saved > SAVED_EVERY, args.device)
        control.should_training_stop |= end

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Note how far it is, and end a run that has exploded before it is saved: a log comes before its checkpoint.

        Raises:
            MolmixError: a loss or a gradient that is no finite number.
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
        losses = {name: given["logs"][name] for name in ("loss", "eval_loss") if name in given["logs"]}
        if distributed.writes():
            written.append(Path(str(args.output_dir)), {"step": state.global_step, "of": state.max_steps} | losses)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Mark the checkpoint as whole."""
        distributed.wait_for_all()  # each process writes its random state
        if distributed.writes():
            mark_whole(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")
        self.saved = time.monotonic()

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Close the bar.

        Raises:
            MolmixError: it is the end that was asked for, before the last step.
        """
        self.bar.close()
        if self.stop.by and state.global_step < state.max_steps:
            raise fault(
                f"model {self.model_id}",
                f"{self.stop.by} ended its training at step {state.global_step} of {state.max_steps}",
                "run the same command again: a checkpoint of that step is kept, and it goes on from there",
            )
