"""One alignment: a start, preference pairs and a method's settings become an adapter."""

from __future__ import annotations

import math
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import torch
from datasets import Dataset

from molmix.align import checkpoints, distributed
from molmix.align.callbacks import Watch
from molmix.align.curves import CurvesCallback
from molmix.align.dataset import Example, prepare
from molmix.align.lengths import ByLength
from molmix.align.policy import load_start, lora_config, reference_model
from molmix.align.settings import METHODS
from molmix.core.errors import fault
from molmix.core.files import file_digest, read_json, replace_folder, write_json, write_table
from molmix.core.tracking import transformers_trackers
from molmix.models.loading import default_device
from molmix.models.manifests import PACKAGES, write_manifest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# A run's checkpoints, about, where its settings do not say otherwise.
CHECKPOINTS = 5

# Numbers that differ from rerun to rerun (times), or once a run was resumed (TRL counts tokens anew).
VOLATILE = ("runtime", "per_second", "num_tokens", "total_flos", "train_loss")


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
) -> None:
    """Train an adapter on a start and write ``adapter/``, ``log.parquet`` and, last, ``manifest.json``.

    A killed run goes on from its last whole checkpoint and ends in the same bytes as an undisturbed one. One that is
    asked to end (:mod:`molmix.align.stop`) writes a checkpoint first.

    Args:
        model_id: id in the model table.
        start: manifest of the model to align, one with full weights.
        pairs: preference pairs, see :mod:`molmix.align.dataset`.
        out: the model's folder.
        work: folder for this model's checkpoints, away from the outputs; it is removed in the end.
        settings: what :meth:`molmix.align.methods._shared.Alignment.resolved` gives.
        seed: of the adapter's first weights, of the order of rows, of dropout and of a random reference.
        threads: CPU cores to use.
        trackers: where losses are shown, see :mod:`molmix.core.tracking`.
        curves: folder for TensorBoard's file of this model, in the run's folder of them.

    Raises:
        MolmixError: a start, rows or settings that cannot be trained with, a loss that is no finite number,
            too little GPU memory, or an end that was asked for before the last step.
    """
    torch.set_num_threads(threads)
    method = METHODS[settings["method"]]
    model, tokenizer = load_start(start, settings["quantize"])
    # What the model was built to read, where its config says so.
    window = min(settings["trl"]["max_length"], getattr(model.config, "max_position_embeddings", None) or 2**31)
    rows = prepare(pairs, tokenizer, method.dataset_type, window, seed)

    inputs = {"start": read_json(start)["weights"]["digest"], "pairs": file_digest(pairs)}
    cuda = default_device() == "cuda"
    machine = {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    versions = {name: version(name) for name in PACKAGES}
    run = {"settings": settings, "seed": seed, "inputs": inputs, "versions": versions} | machine
    place = checkpoints.folder(work, run)
    arguments = _arguments(settings["trl"], len(rows.train), bool(rows.validation)) | {
        "output_dir": str(place),
        "max_length": window,
        "seed": seed,
        "report_to": transformers_trackers(trackers, curves.parents[1]) or "none",
        "run_name": model_id,
    }
    reference = reference_model(settings["reference"], start, seed)
    watch = Watch(model_id)
    try:
        trainer = method.trainer(
            arguments,
            model=model,
            processing_class=tokenizer,
            peft_config=lora_config(settings["lora"]),
            train_dataset=_dataset(rows.train, "train"),
            eval_dataset=_dataset(rows.validation, "validation") if rows.validation else None,
            callbacks=[watch, CurvesCallback(curves, trackers if distributed.writes() else [])],
            **({"ref_model": reference} if reference else {}),  # some methods' trainers know no reference
        )
    except (ValueError, NotImplementedError) as error:
        raise fault(f"model {model_id}", f"its settings are refused: {error}", "mend them") from error
    _same_texts(trainer.train_dataset, method.token_columns, rows.train, window)
    if settings["trl"].get("train_sampling_strategy") == "group_by_length":
        lengths = [min(window, max(map(len, texts))) for _, texts in rows.train]
        order = ByLength(lengths, settings["trl"]["per_device_train_batch_size"], seed)
        trainer._get_train_sampler = lambda *_: order
    # Model cards: nobody reads a checkpoint's, and they take most of its time.
    trainer.create_model_card = trainer.model.create_or_update_model_card = lambda *_, **__: None

    last = checkpoints.last_whole(place)
    try:
        with watch.stop.heard():
            trainer.train(resume_from_checkpoint=str(last) if last else None)
    except torch.OutOfMemoryError as error:
        raise fault(
            f"model {model_id}",
            "the GPU's memory is full",
            "halve `settings.per_device_train_batch_size` and double `settings.gradient_accumulation_steps`, or set"
            " `settings.gradient_checkpointing: true`",
        ) from error

    if not distributed.writes():
        return
    (out / "manifest.json").unlink(missing_ok=True)  # what others depend on goes first and comes last
    _write_adapter(trainer.model, tokenizer, start.parent.name, out)
    log = _log(trainer.state.log_history)
    write_table(out / "log.parquet", log)
    facts = {
        "id": model_id,
        "kind": "aligned",
        "method": settings["method"],
        "parents": [start.parent.name],
        "settings": settings,
        "seed": seed,
        "inputs": inputs,
        "rows": rows.counts,
        "window": window,
        "steps": trainer.state.global_step,
        "final_loss": {"train": _last(log, "loss"), "validation": _last(log, "eval_loss")},
        "parameters": sum(weight.numel() for weight in trainer.model.parameters() if weight.requires_grad),
    }
    write_manifest(out / "manifest.json", facts | machine, out / "adapter")
    checkpoints.clear(work)


def _arguments(trl: dict[str, Any], rows: int, validate: bool) -> dict[str, Any]:
    """Arguments of the TRL config: the settings, and what molmix decides itself."""
    # The order of rows is molmix's own; TRL would order validation rows too, by a column that its data does not have.
    trl = {name: value for name, value in trl.items() if name != "train_sampling_strategy"} | distributed.share(trl)
    batches = math.ceil(rows / (trl["per_device_train_batch_size"] * distributed.count()))
    an_epoch = math.ceil(batches / trl["gradient_accumulation_steps"])
    steps = trl.get("max_steps", -1)
    if steps < 1:
        steps = math.ceil(trl["num_train_epochs"] * an_epoch)
    rhythm = {
        "save_steps": math.ceil(steps / CHECKPOINTS),
        "eval_steps": an_epoch,
    }
    cpu = default_device() == "cpu"
    return (
        rhythm
        | trl
        | {
            "use_cpu": cpu,  # also where there is an Apple GPU
            "bf16": not cpu,
            "save_strategy": "steps",
            "save_total_limit": 2,
            # By steps, also at an epoch's end: then it stands before the checkpoint of its step.
            "eval_strategy": "steps" if validate else "no",
            # Sums since the last log are not part of a checkpoint: only so does a resumed run log the same.
            "logging_steps": 1,
            "logging_nan_inf_filter": False,  # it puts the mean of earlier losses for an exploding one
            "disable_tqdm": True,
        }
    )


def _dataset(examples: list[Example], name: str) -> Dataset:
    rows = Dataset.from_list([example for example, _ in examples])
    if distributed.count() == 1:
        return rows
    # In a file: beside it one process writes the reference's log-probabilities (`precompute_ref_log_probs`) for all.
    return rows.map(cache_file_name=str(distributed.own_file(f"{name}.arrow")))


def _same_texts(dataset: Dataset, columns: tuple[str, ...], examples: list[Example], window: int) -> None:
    """Make sure that TRL trains on the rows, and the very tokens, that were checked."""
    texts = zip(*(dataset[column] for column in columns), strict=True)
    if [list(chain(*parts))[:window] for parts in texts] != [ids[0][:window] for _, ids in examples]:
        raise RuntimeError(f"TRL holds other rows or tokens than molmix checked ({len(dataset)}, {len(examples)})")


def _write_adapter(model: Any, tokenizer: PreTrainedTokenizerBase, start: str, out: Path) -> None:
    """Write ``adapter/``: weights, config and tokenizer, the same bytes for the same weights."""
    if not all(weight.isfinite().all() for weight in model.parameters() if weight.requires_grad):
        raise fault(f"model {out.name}", "its weights are not finite", "lower `settings.learning_rate`")
    # The start by its id: a path would differ from machine to machine, and nothing looks it up.
    model.peft_config["default"].base_model_name_or_path = start
    with replace_folder(out / "adapter") as part:
        model.save_pretrained(part, save_embedding_layers=False)
        config = read_json(part / "adapter_config.json")
        if isinstance(config["target_modules"], list):
            config["target_modules"].sort()  # a set before, in an order of its own in every process
        write_json(part / "adapter_config.json", dict(sorted(config.items())))
        tokenizer.save_pretrained(part)


def _log(history: list[dict[str, float]]) -> pa.Table:
    """Columns ``step``, ``epoch`` and every number that was logged, null where it was not; a row a step."""
    rows: dict[int, dict[str, float]] = {}
    for entry in history:
        numbers = {name: value for name, value in entry.items() if not any(word in name for word in VOLATILE)}
        rows.setdefault(int(entry["step"]), {}).update(numbers)
    # In order of the alphabet: what was logged before a checkpoint comes back from it in another order.
    names = sorted({name for row in rows.values() for name in row} - {"step", "epoch"})
    columns = [("step", pa.int64()), ("epoch", pa.float64()), *((name, pa.float64()) for name in names)]
    return pa.Table.from_pylist(list(rows.values()), schema=pa.schema(columns))


def _last(log: pa.Table, column: str) -> float | None:
    """The last value of a column that is there."""
    values = log[column].drop_null() if column in log.column_names else []
    return values[-1].as_py() if len(values) else None
