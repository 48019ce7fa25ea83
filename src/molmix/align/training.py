"""One alignment: it trains an adapter on a start, or all weights, from preference pairs and a method's settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from datasets import Dataset

from molmix.align import checkpoints, distributed, evaluation
from molmix.align.callbacks import CurvesCallback, ProgressCallback
from molmix.align.dataset import Example, LengthGroupedOrder, Rows, prepare_rows
from molmix.align.methods._shared import MUTATING, Alignment
from molmix.align.policy import check_whole_layers, load_policy, lora_config, reference_model, set_padding_token
from molmix.align.rewards import Scoring
from molmix.align.settings import METHOD_OF
from molmix.core.errors import fault
from molmix.core.files import file_digest, read_json, replace_folder, write_json, write_table
from molmix.core.fingerprint import cpu_has_bfloat16, environment
from molmix.core.tracking import transformers_trackers
from molmix.models.chat import ChatFormat
from molmix.models.loading import default_device
from molmix.models.lora_folding import FoldedWeights, weights_of
from molmix.models.manifests import ADAPTER, PACKAGES, start_manifest, write_manifest
from molmix.models.precision import Erasure
from molmix.models.sizes import is_large
from molmix.models.weights import Weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Approximate number of checkpoints of a training, if its settings do not change it.
CHECKPOINTS = 5

# Code and libraries that can change a training. A training resumes only if they are the same.
CODE = ("molmix.align", *(f"molmix.models.{name}" for name in ("chat", "loading", "lora_folding", "tokenization")))
TRAINED_WITH = ("accelerate", "datasets", "bitsandbytes")

# Logged numbers that differ between reruns (times), or after a resume (TRL counts tokens from 0 again).
VOLATILE = ("runtime", "per_second", "step_time", "num_tokens", "total_flos", "train_loss")


def align(
    *,
    model_id: str,
    start: Path,
    pairs: Path,
    out: Path,
    work: Path,
    settings: dict[str, Any],
    seed: int,
    threads: int,
    trackers: list[str],
    curves: Path,
    corpus: Mapping[str, Path] = MappingProxyType({}),
    nli: Mapping[str, Path] = MappingProxyType({}),
    store: Path = Path("results/store"),
) -> None:
    """Align a start and write ``adapter/`` (or ``weights/``), ``log.parquet`` and, last, ``manifest.json``.

    A killed training resumes from its last complete checkpoint and gives the same bytes as an uninterrupted one. On a
    request to stop (:mod:`molmix.align.distributed`) it writes a checkpoint first.

    Args:
        model_id: id in the model table.
        start: manifest of the model to align. Its adapters are folded into its weights in float32, unless one is
            continued.
        pairs: preference pairs, see :mod:`molmix.align.dataset`.
        out: the model's folder.
        work: folder for this model's checkpoints, outside of the outputs; it is removed at the end.
        settings: the result of :meth:`molmix.align.methods._shared.Alignment.resolved`.
        seed: seed of the adapter's initial weights, the order of rows, dropout and a random reference.
        threads: number of CPU cores to use.
        trackers: trackers that show losses, see :mod:`molmix.core.tracking`.
        curves: folder for TensorBoard's file of this model, inside the run's folder for TensorBoard.
        corpus: tables of the corpus by split (``train``, ``validation``), if the training computes metrics.
        nli: manifests of the NLI models that these metrics ask, by name.
        store: folder of the caches of these models.

    Raises:
        MolmixError: the start, the rows or the settings cannot be used, a loss is not finite, the GPU memory is full,
            or a stop was requested before the last step.
    """
    torch.set_num_threads(threads)
    scoring = Scoring.of(settings, corpus, nli, store) if "scorer" in settings else None
    training = _prepare(model_id, start, pairs, work, settings, seed, scoring)
    captions = _caption_evaluation(training, pairs)
    trainer, progress = _build(training, captions, trackers, curves)
    initial = _adapter_state(trainer.model) if training.mutates else None
    _train(training, trainer, progress)
    if distributed.is_main_process():
        best = captions.restore_best(trainer.model, trainer.state, training.checkpoints) if captions else None
        _write(training, trainer, out, initial, {"best_step": best} if best is not None else {})
        checkpoints.remove_checkpoints(work)


@dataclass(frozen=True)
class _Training:
    """Everything that a training needs.

    Attributes:
        model_id, start, settings, seed: arguments of :func:`align`.
        model, tokenizer: model to train, and the tokenizer that reads the texts.
        stored_tokenizer: tokenizer of the start, which is stored with what is trained. With a chat template, the texts
            are read by a changed copy of it (:class:`molmix.models.chat.ChatFormat`).
        rows: checked rows.
        window: maximum length of a text, in tokens.
        inputs: digests of the start's weights and of the pairs.
        machine: ``device``, and ``dtype`` of the weights. On a CPU also ``autocast: bfloat16``, if a large model
            multiplies matrices in bfloat16; its weights, their gradients and the optimizer stay in float32.
        checkpoints: folder of its checkpoints.
        scoring: how captions are scored; None if no metric is computed.
    """

    model_id: str
    start: Path
    settings: dict[str, Any]
    seed: int
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    stored_tokenizer: PreTrainedTokenizerBase
    rows: Rows
    window: int
    inputs: dict[str, str]
    machine: dict[str, str]
    checkpoints: Path
    scoring: Scoring | None

    @property
    def method(self) -> type[Alignment]:
        return METHOD_OF[self.settings["method"]]

    @property
    def mutates(self) -> bool:
        """Whether the initial weights of the adapter are taken out of the start's own weights (PiSSA, OLoRA)."""
        return self.settings["lora"].get("init_lora_weights") in MUTATING

    @property
    def adapter(self) -> str:
        """What is trained: the key `adapter` of the alignment."""
        return str(self.settings.get("adapter", "new"))


def _prepare(
    model_id: str,
    start: Path,
    pairs: Path,
    work: Path,
    settings: dict[str, Any],
    seed: int,
    scoring: Scoring | None,
) -> _Training:
    """Load the start, check the rows, and find the checkpoint folder."""
    method = METHOD_OF[settings["method"]]
    if settings["reference"] != "start" and not method.has_reference:
        raise fault(f"model {model_id}", f"{settings['method']} has no reference model", "give `reference: start`")
    adapter = settings.get("adapter", "new")
    model, tokenizer = load_policy(start, settings["quantize"], adapter)
    if settings["lora"].get("modules_to_save"):
        check_whole_layers(model, settings["lora"]["modules_to_save"], f"model {model_id}")
    # The model's own maximum length limits the window, if its config has one.
    window = min(settings["trl"]["max_length"], getattr(model.config, "max_position_embeddings", None) or 2**31)
    chat, stored_tokenizer = None, tokenizer
    if "chat" in settings:
        chat = ChatFormat(tokenizer, settings["chat"]["system"], start)
        tokenizer = chat.tokenizer
        set_padding_token(tokenizer, start)
    answer = settings["trl"].get("max_completion_length", 0)  # of the window, what a policy needs that samples
    if answer >= window:
        raise fault(
            f"model {model_id}",
            f"a caption of `settings.max_completion_length: {answer}` tokens leaves no room for a prompt: the window of"
            f" the model is {window} tokens",
            "lower it",
        )
    numbers = scoring.numbers if scoring else None
    rows = prepare_rows(pairs, tokenizer, method.dataset_type, window - answer, seed, chat, numbers)
    if not method.batches(len(rows.train), settings["trl"], 1):
        raise fault(
            f"model {model_id}",
            f"its {len(rows.train)} molecules are fewer than one step samples captions for",
            "lower `settings.per_device_train_batch_size` or `settings.gradient_accumulation_steps`",
        )
    last_batch = len(rows.train) % settings["trl"]["per_device_train_batch_size"]
    if 0 < last_batch < method.smallest_batch:
        raise fault(
            f"model {model_id}",
            f"the last batch of its {len(rows.train)} rows would hold {last_batch}, and {settings['method']} cannot"
            f" learn from fewer than {method.smallest_batch}",
            "change `settings.per_device_train_batch_size`",
        )
    inputs = {"start": read_json(start)["weights"]["digest"], "pairs": file_digest(pairs)}
    inputs |= scoring.inputs if scoring else {}
    if adapter == "continued":
        under = read_json(start_manifest(start))
        inputs |= {"continued": inputs["start"], "start": under["weights"]["digest"]}
    on_gpu = default_device() == "cuda"
    machine = {
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    if not on_gpu and cpu_has_bfloat16() and is_large(sum(weight.numel() for weight in model.parameters())):
        machine["autocast"] = "bfloat16"
    run = {"settings": settings, "seed": seed, "inputs": inputs, "window": window}
    code = (*CODE, *(evaluation.CODE if scoring else ()))
    run |= environment(code=code, packages=(*PACKAGES, *TRAINED_WITH), dtype=machine["dtype"])
    run["autocast"] = machine.get("autocast")
    folder = checkpoints.checkpoint_folder(work, run)
    texts = {"tokenizer": tokenizer, "stored_tokenizer": stored_tokenizer, "rows": rows, "window": window}
    return _Training(
        model_id,
        start,
        settings,
        seed,
        model,
        **texts,
        inputs=inputs,
        machine=machine,
        checkpoints=folder,
        scoring=scoring,
    )


def _caption_evaluation(training: _Training, pairs: Path) -> evaluation.CaptionEvaluation | None:
    """Caption metrics at each evaluation, if the settings ask for them."""
    if "evaluation" not in training.settings or training.scoring is None:
        return None
    settings = training.settings["evaluation"]
    chat = {name: training.settings[name] for name in ("chat",) if name in training.settings}
    return evaluation.CaptionEvaluation(
        settings | {"generation": settings["generation"] | chat},
        model_id=training.model_id,
        molecules=training.scoring.molecules["validation"],
        scorer=training.scoring.scorer,
        pairs=pairs,
        manifest=training.start,
        tokenizer=training.stored_tokenizer,
        seed=training.seed,
    )


def _build(
    training: _Training, captions: evaluation.CaptionEvaluation | None, trackers: list[str], curves: Path
) -> tuple[Any, ProgressCallback]:
    """TRL's trainer with the checked rows, and its callback that handles requests to stop."""
    settings, rows, trl = training.settings, training.rows, training.settings["trl"]
    arguments = _arguments(trl, training.method, len(rows.train), bool(rows.validation)) | {
        "bf16": training.machine["device"] != "cpu" or "autocast" in training.machine,
        "output_dir": str(training.checkpoints),
        "max_length": training.window,
        "seed": training.seed,
        "report_to": transformers_trackers(trackers, curves.parents[1]) or "none",
        "run_name": training.model_id,
    }
    reference = None
    if training.method.has_reference:
        adapter = "mutating" if training.mutates else training.adapter
        reference = reference_model(settings["reference"], training.start, training.seed, adapter)
    progress = ProgressCallback(training.model_id)
    shown = CurvesCallback(curves, trackers if distributed.is_main_process() else [])
    order, parts = None, {"ref_model": reference} if reference else {}  # some trainers have no such argument
    if training.scoring:
        parts |= training.scoring.parts(training.settings)
    if trl.get("train_sampling_strategy") == "group_by_length":
        lengths = [min(training.window, max(map(len, texts))) for _, texts in rows.train]
        order = LengthGroupedOrder(lengths, trl["per_device_train_batch_size"], training.seed)
    try:
        trainer = training.method.trainer(
            arguments,
            order=order,
            model=training.model,
            processing_class=training.tokenizer,
            peft_config=lora_config(settings["lora"]) if training.adapter == "new" else None,
            train_dataset=_dataset(rows.train, "train"),
            eval_dataset=_dataset(rows.validation, "validation") if rows.validation else None,
            callbacks=[progress, shown, *([captions] if captions else [])],
            **parts,
        )
    except (ValueError, NotImplementedError) as error:
        hint = "change `settings` or `lora` of this alignment"
        raise fault(f"model {training.model_id}", f"TRL refuses its settings: {error}", hint) from error
    if captions:
        captions.trainer = trainer
    _check_texts(trainer.train_dataset, training.method.token_columns, rows.train, training.window)
    if training.adapter != "none":  # writing the model card of a checkpoint takes most of the time of a checkpoint
        trainer.model.create_or_update_model_card = lambda *_, **__: None
    return trainer, progress


def _train(training: _Training, trainer: Any, progress: ProgressCallback) -> None:
    """Train from the last complete checkpoint, or from the beginning if there is none."""
    last = checkpoints.last_complete(training.checkpoints)
    trainer.args.eval_on_start = "reward" in training.settings and not last and bool(training.rows.validation)
    try:
        with progress.shown, progress.stop.listen():
            trainer.train(resume_from_checkpoint=str(last) if last else None)
    except torch.OutOfMemoryError as error:
        raise fault(
            f"model {training.model_id}",
            "the GPU's memory is full",
            "halve `settings.per_device_train_batch_size` and double `settings.gradient_accumulation_steps`, or set"
            " `settings.gradient_checkpointing: true`",
        ) from error


def _adapter_state(model: Any) -> dict[str, torch.Tensor]:
    """A copy of an adapter's weights."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if "lora_" in name}


def _write(
    training: _Training, trainer: Any, out: Path, initial: dict[str, torch.Tensor] | None, stopping: dict[str, int]
) -> None:
    """Write the model's folder. Other jobs depend on its manifest, which is removed first and written last.

    Args:
        training, trainer, out: the training, its trainer and the folder.
        initial: see :func:`_write_model`.
        stopping: with early stopping, ``best_step``: the step whose weights are written.
    """
    (out / "manifest.json").unlink(missing_ok=True)
    start = training.start.parent.name
    under = start_manifest(training.start) if training.adapter == "continued" else training.start
    adapted = under.parent.name
    folder = out / ("weights" if training.adapter == "none" else ADAPTER)
    _write_model(training, trainer.model, adapted, folder, initial)
    log = _log(trainer.state.log_history)
    write_table(out / "log.parquet", log)
    facts = {
        "id": training.model_id,
        "kind": "aligned",
        "method": training.settings["method"],
        "parents": [start],
        **({"adapts": adapted} if adapted != start else {}),
        "settings": training.settings,
        "seed": training.seed,
        "inputs": training.inputs,
        "rows": training.rows.counts,
        "window": training.window,
        "steps": trainer.state.global_step,
        **stopping,
        "final_loss": {"train": _last_value(log, "loss"), "validation": _last_value(log, "eval_loss")},
        "parameters": sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad),
        "erased": {"bfloat16": _erased(folder, under, training.adapter)},
    }
    write_manifest(out / "manifest.json", facts | training.machine, folder)


def _arguments(trl: dict[str, Any], method: type[Alignment], rows: int, validate: bool) -> dict[str, Any]:
    """Arguments of the TRL config: the settings, and values that molmix sets."""
    # molmix orders the rows. TRL would also order validation rows, by a column that the data does not have.
    trl = {
        name: value for name, value in trl.items() if name != "train_sampling_strategy"
    } | distributed.batch_of_process(trl)
    batches = method.batches(rows, trl, distributed.process_count())
    an_epoch = math.ceil(batches / trl["gradient_accumulation_steps"])
    steps = trl.get("max_steps", -1)
    if steps < 1:
        steps = math.ceil(trl["num_train_epochs"] * an_epoch)
    intervals = {
        "save_steps": math.ceil(steps / CHECKPOINTS),
        "eval_steps": an_epoch,
    }
    return (
        intervals
        | trl
        | {
            "use_cpu": default_device() == "cpu",  # even if there is an Apple GPU
            "save_strategy": "steps",
            "save_total_limit": 2,
            # By steps, even at the end of an epoch: then the validation comes before the checkpoint of the same step.
            "eval_strategy": "steps" if validate else "no",
            # Checkpoints do not contain sums since the last log. With every step logged, a resumed run logs the same.
            "logging_steps": 1,
            "logging_nan_inf_filter": False,  # it replaces a NaN or infinite loss by the mean of earlier losses
            "disable_tqdm": True,
        }
    )


def _dataset(examples: list[Example], name: str) -> Dataset:
    rows = Dataset.from_list([example for example, _ in examples])
    if distributed.process_count() == 1:
        return rows
    # With several processes the rows need a file: one process writes the reference's log-probabilities
    # (`precompute_ref_log_probs`) for all processes next to it.
    return rows.map(cache_file_name=str(distributed.own_file(f"{name}.arrow")))


def _check_texts(dataset: Dataset, columns: tuple[str, ...], examples: list[Example], window: int) -> None:
    """Check that the rows and tokens of TRL's data set are those that molmix checked, if TRL tokenizes them now."""
    if not columns:
        return
    texts = zip(*(dataset[column] for column in columns), strict=True)
    if [list(chain(*parts))[:window] for parts in texts] != [ids[0][:window] for _, ids in examples]:
        raise RuntimeError(f"TRL holds other rows or tokens than molmix checked ({len(dataset)}, {len(examples)})")


def _write_model(
    training: _Training, model: Any, adapted: str, folder: Path, initial: dict[str, torch.Tensor] | None
) -> None:
    """Write what was trained: weights, config and tokenizer. Equal weights give equal bytes.

    Args:
        training: the training.
        model: the trained model.
        adapted: id of the model whose weights its adapter changes.
        folder: of the adapter, or of the full weights.
        initial: initial weights of an adapter that were taken out of the start's. It is written as an adapter of the
            unchanged start, with twice the rank: ``B A - B0 A0 = [B, -B0] [A; A0]``.
    """
    if not all(weight.isfinite().all() for weight in model.parameters() if weight.requires_grad):
        raise fault(f"model {training.model_id}", "its weights are not finite", "lower `settings.learning_rate`")
    with replace_folder(folder) as part:
        if training.adapter == "none":
            model.save_pretrained(part)
        else:
            # The id of the start, because a path would differ between machines. No code reads this value as a path.
            model.peft_config["default"].base_model_name_or_path = adapted
            # Not the copy of a continued adapter, which is TRL's reference.
            model.save_pretrained(part, save_embedding_layers=False, selected_adapters=["default"])
            config = read_json(part / "adapter_config.json")
            if initial:
                _subtract(part / "adapter_model.safetensors", config, initial)
            if isinstance(config["target_modules"], list):
                config["target_modules"].sort()  # PEFT has a set, whose order differs between processes
            write_json(part / "adapter_config.json", dict(sorted(config.items())))
        training.stored_tokenizer.save_pretrained(part)


def _subtract(file: Path, config: dict[str, Any], initial: dict[str, torch.Tensor]) -> None:
    """Replace an adapter by its difference from its initial weights, see :func:`_write_model`."""
    from safetensors.torch import load_file, save_file

    weights = load_file(file)
    for name, first in initial.items():
        key, last = name.replace(".default", ""), first.to("cpu", torch.float32)
        low = "lora_A" in name
        weights[key] = torch.cat([weights[key], last if low else -last], dim=0 if low else 1).contiguous()
    save_file(weights, file, metadata={"format": "pt"})
    # The scale alpha / r, or alpha / sqrt(r), stays what it was.
    config["lora_alpha"] *= math.sqrt(2) if config["use_rslora"] else 2
    config["r"] *= 2
    config["init_lora_weights"] = True


def _erased(folder: Path, under: Path, adapter: str) -> float:
    """Share of what was trained that a cast to bfloat16 erases, see :class:`molmix.models.precision.Erasure`."""
    start = weights_of(under)
    if adapter != "none":
        return FoldedWeights(folder, start).erased(torch.bfloat16)
    trained, erasure = Weights(folder), Erasure(torch.bfloat16)
    for name in trained.shapes:
        erasure.add(trained.tensor(name).float(), start.tensor(name).float())
    return erasure.share


def _log(history: list[dict[str, float]]) -> pa.Table:
    """A row per step, with columns ``step``, ``epoch`` and every logged number; null if it was not logged."""
    rows: dict[int, dict[str, float]] = {}
    for entry in history:
        numbers = {name: value for name, value in entry.items() if not any(word in name for word in VOLATILE)}
        rows.setdefault(int(entry["step"]), {}).update(numbers)
    # In alphabetical order, because numbers that are restored from a checkpoint have another order.
    names = sorted({name for row in rows.values() for name in row} - {"step", "epoch"})
    columns = [("step", pa.int64()), ("epoch", pa.float64()), *((name, pa.float64()) for name in names)]
    return pa.Table.from_pylist(list(rows.values()), schema=pa.schema(columns))


def _last_value(log: pa.Table, column: str) -> float | None:
    """The last value of a column that is not null; None if there is none."""
    values = log[column].drop_null() if column in log.column_names else []
    return values[-1].as_py() if len(values) else None
