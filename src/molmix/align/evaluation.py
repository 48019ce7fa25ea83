"""Caption metrics while a model is trained: it writes captions for some molecules of validation, which are scored.

The captions are greedy, so they change no random state, and a training with `eval_metrics` makes the same weights as
one without. Early stopping decides by the training's log alone, which every checkpoint holds. So a resumed training
stops where an uninterrupted one stops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from molmix.align import distributed
from molmix.core.errors import fault
from molmix.core.files import read_table, write_atomically
from molmix.data.corpus import draw_rows
from molmix.generation.transformers_engine import TransformersEngine

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from molmix.metrics.scorer import CaptionScorer

BEST = "best.safetensors"  # in the folder of the checkpoints: the weights of the best evaluation

# Code that a training with `eval_metrics` depends on, besides that of every training.
CODE = (
    "molmix.align.evaluation",
    "molmix.generation.engine",
    "molmix.generation.transformers_engine",
    "molmix.metrics",
    "molmix.judges",
)


class CaptionEvaluation(TrainerCallback):
    """Logs caption metrics at each evaluation as ``eval_<metric>``, and stops a training that no longer improves.

    Attributes:
        trainer: the trainer; it must be set before the training begins.
    """

    trainer: Any

    def __init__(
        self,
        settings: dict[str, Any],
        *,
        model_id: str,
        molecules: Sequence[dict[str, Any]],
        scorer: CaptionScorer,
        pairs: Path,
        manifest: Path,
        tokenizer: PreTrainedTokenizerBase,
        seed: int,
    ) -> None:
        """Choose the molecules.

        Args:
            settings: ``metrics``, ``molecules`` (their number), ``early_stopping`` (``metric`` and ``patience``, or
                None) and ``generation`` (the config's section, dumped).
            model_id: id of the model that is trained, for messages.
            molecules: of validation, with all their captions (:func:`molmix.data.corpus.read_molecules`).
            scorer: scores captions by the metrics.
            pairs: preference pairs, whose prompts are used.
            manifest: of the start.
            tokenizer: of the start.
            seed: of the draw of molecules.

        Raises:
            MolmixError: no pair of validation asks for a caption.
        """
        self.settings, self.model_id, self.manifest = settings, model_id, manifest
        self.tokenizer, self.seed = tokenizer, seed
        self.scorer = scorer
        self.sign = {name: 1 if scorer.columns[name] == "higher" else -1 for name in settings["metrics"]}
        prompts = {
            row["id"]: row["prompt"]
            for row in read_table(pairs, ["split", "id", "direction", "prompt"]).to_pylist()
            if (row["split"], row["direction"]) == ("validation", "mol2cap")
        }
        asked = [row for row in molecules if {*row["ids"]} & prompts.keys()]
        if not asked:
            what = "no pair of validation asks for a caption"
            raise fault(f"model {model_id}", what, "remove `eval_metrics`, or give `data.validation` more rows")
        self.rows = draw_rows(asked, settings["molecules"], seed)
        self.prompts = [next(prompts[name] for name in row["ids"] if name in prompts) for row in self.rows]

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Log the metrics of the captions. Stop if early stopping says so; such a step is not saved as a checkpoint."""
        figures = self.scorer.figures(self._captions(given["model"]), self.rows, self.settings["metrics"])
        self.trainer.log({f"eval_{name}": value for name, value in figures.items()})
        if (stopping := self.settings["early_stopping"]) is None:
            return
        values = self.values(state, stopping["metric"])
        best = max(range(len(values)), key=values.__getitem__)  # the first of equal ones
        if best == len(values) - 1 and distributed.is_main_process():
            with write_atomically(Path(str(args.output_dir)) / BEST) as part:
                save_file(_trained(given["model"]), part)
        late = distributed.any_process(len(values) - 1 - best >= stopping["patience"], args.device)
        if late:
            state.max_steps = state.global_step
            # A training that resumes from a checkpoint of this step would continue.
            control.should_training_stop, control.should_save = True, False

    def values(self, state: TrainerState, metric: str) -> list[float]:
        """Values of a metric at all evaluations so far. Higher is better: other metrics are negated.

        A value that is not defined is the worst.
        """
        column = f"eval_{metric}"
        values = [self.sign[metric] * entry[column] for entry in state.log_history if column in entry]
        return [-math.inf if math.isnan(value) else value for value in values]

    def restore_best(self, model: Any, state: TrainerState, folder: Path) -> int | None:
        """Give a model the weights of its best evaluation, if the training has early stopping.

        Args:
            model: the trained model.
            state: of its training.
            folder: of its checkpoints.

        Returns:
            The step of that evaluation; None without early stopping, or without an evaluation.
        """
        if (stopping := self.settings["early_stopping"]) is None or not (folder / BEST).exists():
            return None
        values = self.values(state, stopping["metric"])
        saved = load_file(folder / BEST)
        with torch.no_grad():
            for name, weight in _trained(model).items():
                weight.copy_(saved[name])
        steps = [entry["step"] for entry in state.log_history if f"eval_{stopping['metric']}" in entry]
        return int(steps[max(range(len(values)), key=values.__getitem__)])

    def _captions(self, model: Any) -> list[str]:
        own, training = model.generation_config, model.training
        devices = range(torch.cuda.device_count())
        settings = self.settings["generation"] | {"temperature": 0.0}
        with torch.random.fork_rng(devices=devices):  # the engine seeds
            try:
                engine = TransformersEngine(model.eval(), self.tokenizer, self.manifest, settings, self.seed)
                return engine.texts(self.prompts)
            finally:
                model.generation_config = own  # it would be saved with the model
                model.train(training)


def _trained(model: Any) -> dict[str, torch.Tensor]:
    """The weights that are trained, by name."""
    return {name: weight.data for name, weight in model.named_parameters() if weight.requires_grad}
