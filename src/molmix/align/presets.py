"""A method's settings: preset and overrides merged, and every key checked while the Snakefile is parsed.

Which settings TRL takes stands in ``trl_settings.json``, made from TRL's own dataclasses
(:mod:`molmix.align.trl_settings`); importing TRL for it would take ten seconds on every parse.
"""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from molmix.align.lora import Lora
from molmix.align.methods import METHODS
from molmix.core.errors import MolmixError, fault, show_value
from molmix.core.validation import did_you_mean, hint_for, show_key

TABLE = Path(__file__).with_name("trl_settings.json")

# What no one else may set, by the reason.
_OURS = {
    "molmix decides where files go and which checkpoints are kept": """
        output_dir save_strategy save_total_limit save_only_model save_on_each_node enable_jit_checkpoint
        load_best_model_at_end metric_for_best_model greater_is_better""",
    "a killed job goes on from its last checkpoint by itself": """
        resume_from_checkpoint ignore_data_skip restore_callback_states_from_checkpoint""",
    "nothing is uploaded": """
        push_to_hub hub_token hub_private_repo hub_model_id hub_strategy hub_always_push hub_revision""",
    "the log is a table, log.parquet, with every number of every step": """
        project trackio_space_id trackio_bucket_id trackio_static_space_id logging_strategy
        logging_steps logging_first_step logging_nan_inf_filter disable_tqdm log_level log_level_replica
        log_on_each_node include_num_input_tokens_seen skip_memory_metrics debug""",
    "`tracking.to` says where losses are shown, and a run is called as its model": "report_to run_name",
    "validation loss is taken at every epoch's end, or every `eval_steps` steps": """
        eval_strategy eval_delay eval_on_start do_train do_eval do_predict prediction_loss_only
        include_for_metrics batch_eval_metrics eval_do_concat_batches eval_use_gather_object
        generate_during_eval""",
    "seeds are the study's `seeds`, and the order of rows follows from them": """
        seed data_seed length_column_name shuffle_dataset""",
    "the device decides: bfloat16 on CUDA, float32 on a CPU": """
        bf16 fp16 bf16_full_eval fp16_full_eval use_cpu""",
    "each process of an alignment trains on one device, and `hardware.gpus.align` says how many there are": """
        accelerator_config parallelism_config deepspeed fsdp fsdp_config local_rank ddp_find_unused_parameters
        ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend ddp_timeout
        average_tokens_across_devices""",
    "molmix hands the model and its tokenizer over": """
        model_init_kwargs trust_remote_code chat_template_path eos_token pad_token is_encoder_decoder
        use_cache""",
    "molmix hands the rows over, each on its own, and counts every one that is dropped or cut": """
        remove_unused_columns label_names dataset_text_field dataset_kwargs truncation_mode packing
        packing_strategy eval_packing padding_free dataloader_drop_last max_completion_length
        assistant_only_loss completion_only_loss""",
    "it would change the batch in silence": "auto_find_batch_size",
    "the reference stays as it is while an adapter is trained": """
        sync_ref_model ref_model_mixup_alpha ref_model_sync_steps""",
}
REFUSED = {name: reason for reason, names in _OURS.items() for name in names.split()}

ORDERS = ("random", "group_by_length")  # those that follow from seed and epoch alone
LARGEST = 10**9  # whole number; more is a slip, and beyond what a 64-bit counter holds
POSITIVE = (
    "learning_rate",
    "num_train_epochs",
    "max_length",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
    "eval_steps",
    "save_steps",
)


def settings(
    method: str,
    preset: str,
    overrides: dict[str, Any],
    lora_overrides: dict[str, Any],
    reference: str = "start",
) -> dict[str, Any]:
    """Settings of one alignment, resolved and checked.

    Args:
        method: key of :data:`molmix.align.methods.METHODS`.
        preset: ``paper`` or ``modern``.
        overrides: TRL settings over the preset's.
        lora_overrides: adapter settings over the preset's.
        reference: ``start``, ``random`` or ``uniform``, the reference model.

    Returns:
        ``{"trl": {…}, "lora": {…}}``, plain values: what the method's TRL config and
        :class:`molmix.align.lora.Lora` take.

    Raises:
        MolmixError: an unknown key, a wrong value, a setting that molmix decides itself, or a reference for a
            method that has none. Its message begins with the key, ``settings.<name>`` or ``lora.<name>``.
    """
    check_reference(method, reference)
    module = METHODS[method]
    checked = {key: _checked(method, key, value) for key, value in overrides.items()}
    trl = module.PRESETS[preset]["trl"] | checked
    smallest = module.SMALLEST_BATCH
    if trl["per_device_train_batch_size"] < smallest:
        raise fault(
            "settings.per_device_train_batch_size",
            f"{method} cannot learn from batches of {trl['per_device_train_batch_size']}",
            f"set it to {smallest} or more, and `gradient_accumulation_steps` lower",
        )
    _check_order(method, trl.get("train_sampling_strategy"))
    return {"trl": trl, "lora": _lora(module.PRESETS[preset]["lora"] | lora_overrides)}


def check_reference(method: str, reference: str) -> None:
    """Refuse a reference model for a method that has none.

    Raises:
        MolmixError: `reference` is not ``start``, and the method's loss looks at no reference.
    """
    if reference != "start" and not METHODS[method].REFERENCE:
        having = ", ".join(name for name, module in METHODS.items() if module.REFERENCE)
        raise fault("reference", f"{method} has no reference model", f"leave it out, or use one of: {having}")


def _check_order(method: str, order: str | None) -> None:
    """Refuse an order of rows that a resumed training would not find again, or that the method's loss forbids."""
    where = "settings.train_sampling_strategy"
    if order is not None and METHODS[method].SHAPE == "unpaired":
        raise fault(
            where, f"{method} estimates its divergence from rows that stay side by side, in one order", "remove it"
        )
    if order not in (None, *ORDERS):
        raise fault(where, f"{show_value(order)} is refused", f"give {' or '.join(ORDERS)}")


@functools.cache
def known() -> dict[str, dict[str, dict[str, Any]]]:
    """Settings of TRL by method and name: see :mod:`molmix.align.trl_settings`."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def _checked(method: str, key: str, value: Any) -> Any:
    """The value as TRL takes it."""
    where = f"settings.{show_key(key)}"
    if key in REFUSED:
        raise fault(where, f"is not yours to set: {REFUSED[key]}", "remove it")
    if key not in known()[method]:
        raise _unknown(where, key, known()[method], f"{method} has no such setting in TRL")
    entry = known()[method][key]
    if entry["type"] == ["list"] and isinstance(value, str):
        value = [value]
    # YAML reads 5e-5, without a dot, as text, and 1 as an integer.
    if "float" in entry["type"] and "str" not in entry["type"] and type(value) in (str, int):
        value = _number(value)
    if _type(value) not in entry["type"]:
        raise fault(where, f"{show_value(value)} is refused", f"give a value of the type {' or '.join(entry['type'])}")
    if isinstance(value, float) and not math.isfinite(value):
        raise fault(where, f"{value} is refused", "give a finite number")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise fault(where, f"{show_value(value)} is refused", f"give at most {LARGEST}")
    if key in POSITIVE and (value is None or value <= 0):
        raise fault(where, f"{value} is refused", "give a number above 0")
    choices = entry.get("choices")
    for text in value if isinstance(value, list) else [value]:
        if choices and isinstance(text, str) and text not in choices:
            raise _unknown(where, text, choices, f"there is no {show_value(text)}")
    return value


def _type(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _number(value: str | int) -> Any:
    try:
        return float(value)
    except (ValueError, OverflowError):
        return value


def _unknown(where: str, name: str, names: Any, what: str) -> MolmixError:
    return fault(where, what, did_you_mean(name, names, f"choose from: {', '.join(sorted(names))}"))


def _lora(values: dict[str, Any]) -> dict[str, Any]:
    try:
        return Lora.model_validate(values).model_dump()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise _unknown(f"lora.{show_key(key)}", key, Lora.model_fields, "there is no such setting") from None
        raise fault(f"lora.{key}", f"{show_value(first['input'])} is refused", hint_for(first)) from None
