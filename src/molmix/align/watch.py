"""What molmix adds to a trainer's loop: a progress bar and a file that says how far it is, an end to exploding runs,
marks on whole checkpoints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from molmix.align import progress as written
from molmix.align.checkpoints import mark_whole
from molmix.errors import fault
from molmix.job import progress


class Watch(TrainerCallback):
    """Callback for any TRL trainer; costs nothing in a step that is neither logged nor saved."""

    def __init__(self, model_id: str) -> None:
        self.model_id = model_id

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open the bar, at the step that a resumed run goes on from."""
        self.bar = progress(total=state.max_steps, initial=state.global_step, desc=self.model_id, unit="step")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Log with every checkpoint.

        The mean loss since the last log is not part of a checkpoint: only so does a resumed run log the same.
        """
        self.bar.update()
        control.should_log |= control.should_save

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
        written.append(Path(str(args.output_dir)), {"step": state.global_step, "of": state.max_steps} | losses)

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Mark the checkpoint as whole."""
        mark_whole(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Close the bar."""
        self.bar.close()
