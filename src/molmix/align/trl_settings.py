"""The settings of TRL's config classes as types of the config, without importing TRL (10 s).

``trl_settings.json`` describes the config classes of molmix's methods, for the versions of TRL and transformers that it
names. Other classes or versions (such as a new method) are read once from TRL in another process, and stored in the
user's cache. After a change of TRL, write the file again: ``python -m molmix.align.trl_settings``. A test fails if the
file is outdated.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import operator
import os
import re
import subprocess
import sys
import types
import typing
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import TypedDict

from molmix.align.methods._shared import load_class
from molmix.core.errors import fault
from molmix.core.files import digest, file_digest, write_json

SHIPPED = Path(__file__).with_name("trl_settings.json")

# Settings that a study cannot change, by reason.
_RESERVED = {
    "molmix decides where files go and which checkpoints are kept": """
        output_dir save_strategy save_total_limit save_only_model save_on_each_node enable_jit_checkpoint
        load_best_model_at_end metric_for_best_model greater_is_better""",
    "a killed job resumes from its last checkpoint by itself": """
        resume_from_checkpoint ignore_data_skip restore_callback_states_from_checkpoint""",
    "nothing is uploaded": """
        push_to_hub hub_token hub_private_repo hub_model_id hub_strategy hub_always_push hub_revision""",
    "the log is a table, log.parquet, with every number of every step": """
        project trackio_space_id trackio_bucket_id trackio_static_space_id logging_strategy
        logging_steps logging_first_step logging_nan_inf_filter disable_tqdm log_level log_level_replica
        log_on_each_node include_num_input_tokens_seen skip_memory_metrics debug""",
    "`tracking.to` says where losses are shown, and a run has the name of its model": "report_to run_name",
    "validation loss is computed at the end of every epoch, or every `eval_steps` steps": """
        eval_strategy eval_delay eval_on_start do_train do_eval do_predict prediction_loss_only
        include_for_metrics batch_eval_metrics eval_do_concat_batches eval_use_gather_object""",
    "seeds are the study's `seeds`, and the order of rows follows from them": """
        seed data_seed length_column_name shuffle_dataset""",
    "device and model decide: bfloat16 on CUDA, and for large models on a CPU that has instructions for it": """
        bf16 fp16 bf16_full_eval fp16_full_eval use_cpu""",
    "each process of an alignment trains on one device, and `hardware.gpus.align` is their number": """
        accelerator_config parallelism_config deepspeed fsdp fsdp_config local_rank ddp_find_unused_parameters
        ddp_bucket_cap_mb ddp_broadcast_buffers ddp_static_graph ddp_backend ddp_timeout
        average_tokens_across_devices""",
    "molmix passes the model and its tokenizer to TRL": """
        model_init_kwargs trust_remote_code chat_template_path eos_token pad_token use_cache""",
    "molmix passes the rows to TRL one by one, and counts every row that is dropped or cut": """
        remove_unused_columns label_names dataset_text_field dataset_kwargs truncation_mode packing
        packing_strategy eval_packing padding_free dataloader_drop_last
        assistant_only_loss completion_only_loss""",
    "it would change the batch without a message": "auto_find_batch_size",
    "the reference does not change while an adapter is trained": """
        sync_ref_model ref_model_mixup_alpha ref_model_sync_steps""",
}
RESERVED = {name: reason for reason, names in _RESERVED.items() for name in names.split()}

# Allowed values, if molmix allows fewer than TRL. A resumed training needs an order of rows that depends only on seed
# and epoch, as these two do.
_CHOICES = {"train_sampling_strategy": ("random", "group_by_length")}
_LARGEST = 10**9  # largest whole number; more is a mistake, and can exceed a 64-bit counter
_POSITIVE = (
    "learning_rate",
    "num_train_epochs",
    "max_length",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
    "eval_steps",
    "save_steps",
)

# Types of values from a YAML file, and their names in messages.
_PLAIN = {bool: "bool", int: "int", float: "float", str: "str", list: "list", dict: "dict", type(None): "null"}
_WORDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text", "list": "a list"}
_WORDS |= {"dict": "keys with values"}
_TYPES: dict[str, Any] = {"bool": bool, "int": int, "float": float, "str": str, "list": list, "dict": dict[str, Any]}

Description = dict[str, dict[str, Any]]


# ---- types ----------------------------------------------------------------------------------------------------


def settings_type(name: str, described: Description | None, smallest_batch: int, reserved: dict[str, str]) -> Any:
    """The type of an alignment's `settings`: a dictionary of the given settings, each with its own type.

    Args:
        name: name of the type in the JSON schema and the documentation.
        described: settings of the TRL config class. None if TRL is not installed: then every key is accepted here, and
            the training job, which has TRL, refuses unknown keys.
        smallest_batch: smallest batch of the method.
        reserved: settings that this method reserves in addition to :data:`RESERVED`, with the reason.
    """
    if described is None:
        return dict[str, Any]
    fields = {
        key: Annotated[_field_type(key, entry, smallest_batch), Field(description=_describe_setting(entry))]
        for key, entry in described.items()
        if key not in reserved
    }
    made = cast("Any", TypedDict(name, fields, total=False))  # type: ignore[operator]  # fields from a table
    made.__pydantic_config__ = ConfigDict(extra="forbid")
    made.__doc__ = (
        "Settings of TRL's config class. A setting that is left out keeps the preset's value, or TRL's default."
    )
    return Annotated[made, WrapValidator(_refuse_reserved(RESERVED | reserved))]


def _refuse_reserved(reserved: dict[str, str]) -> Callable[[Any, Callable[[Any], Any]], Any]:
    def check(given: Any, validate: Callable[[Any], Any]) -> Any:
        wrong: list[InitErrorDetails] = [
            {
                "type": PydanticCustomError("reserved", "is set by molmix: {reason}", {"reason": reserved[key]}),
                "loc": (key,),
                "input": value,
            }
            for key, value in (given.items() if isinstance(given, dict) else ())
            if key in reserved
        ]
        if wrong:
            raise ValidationError.from_exception_data("settings", wrong)
        checked = validate(given)
        return {key: checked[key] for key in given}  # in the order of the config file

    return check


def _field_type(key: str, entry: dict[str, Any], smallest_batch: int) -> Any:
    kinds = [kind for kind in entry["type"] if kind != "null"]
    choices = _CHOICES.get(key, tuple(entry.get("choices", ())))
    positive = key in _POSITIVE
    if len(kinds) > 1:
        made = _one_of(kinds)
    elif choices and kinds == ["list"]:
        one = Literal[choices]  # type: ignore[valid-type]
        as_list = BeforeValidator(
            lambda value: [value] if isinstance(value, str) else value,
            json_schema_input_type=one | list[one],  # type: ignore[valid-type]
        )
        made = Annotated[list[one], as_list]  # type: ignore[valid-type]
    elif choices:
        made = Literal[choices]
    elif kinds == ["int"]:
        least = smallest_batch if key == "per_device_train_batch_size" else 1 if positive else -1
        made = Annotated[int, Field(strict=True, ge=least, le=_LARGEST)]
    elif kinds == ["float"]:
        bounds: dict[str, Any] = {"gt": 0} if positive else {}
        made = Annotated[
            float,
            Field(strict=True, allow_inf_nan=False, **bounds),
            BeforeValidator(_number, json_schema_input_type=float),
        ]
    else:
        made = Annotated[bool, Field(strict=True)] if kinds == ["bool"] else _TYPES[kinds[0]]
    return made | None if "null" in entry["type"] and not positive else made


def _number(value: Any) -> Any:
    """A number from text, because YAML reads 5e-5, without a dot, as text. Other values are returned unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _one_of(kinds: Sequence[str]) -> Any:
    said = " or ".join(_WORDS[kind] for kind in kinds)

    def check(value: Any, _: object) -> Any:
        if type(value).__name__ not in kinds or (isinstance(value, float) and not math.isfinite(value)):
            raise PydanticCustomError("kind", "give {said}", {"said": said})  # type: ignore[misc]
        return value

    union = functools.reduce(operator.or_, (_TYPES[kind] for kind in kinds))
    return Annotated[union, WrapValidator(check)]  # one message for all types


def _describe_setting(entry: dict[str, Any]) -> str:
    parts = [entry["help"]] if entry.get("help") else []
    if "default" in entry:
        parts.append(f"TRL's default: {json.dumps(entry['default'])}.")
    return " ".join(parts)


# ---- descriptions of TRL's classes ----------------------------------------------------------------------------


def descriptions(classes: dict[str, Path]) -> dict[str, Description] | None:
    """Settings of TRL config classes, without those that molmix reserves.

    Args:
        classes: file of the method that uses a class, by the name of the class, ``<module>.<class>``.

    Returns:
        By class, then by setting: ``type`` (plain types of its values), and if TRL states them ``choices``,
        ``default`` and ``help``. None if TRL is not installed and the shipped file does not contain all classes.

    Raises:
        MolmixError: TRL has no such class.
    """
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    installed = _versions()
    known = shipped["classes"] if installed in (None, shipped["versions"]) else {}
    missing = {name: file for name, file in classes.items() if name not in known}
    if missing and installed is None:
        return None
    return {name: known.get(name) or _cached(name, file) for name, file in classes.items()}


@functools.cache
def _versions() -> dict[str, str] | None:
    """Versions of the packages that define the settings; None if one is not installed."""
    try:
        return {name: version(name) for name in ("trl", "transformers")}
    except PackageNotFoundError:
        return None


def _cached(name: str, method_file: Path) -> Description:
    """A description from the user's cache, or else from TRL."""
    key = digest(name, _versions(), file_digest(method_file), file_digest(Path(__file__)))
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "molmix" / "trl-settings"
    kept = folder / f"{key}.json"
    try:
        return json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        pass
    command = [sys.executable, "-m", __name__, name]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 (molmix)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise fault(method_file, f"`config_class` {name!r} cannot be read ({last})", "name a config class of TRL")
    found: Description = json.loads(done.stdout.splitlines()[-1])
    with suppress(OSError):  # the folder cannot be written, so TRL is read again next time
        write_json(kept, found)
    return found


def describe_settings(config: Any) -> Description:
    """Settings of a TRL config class by name; see :func:`descriptions`."""
    hints = typing.get_type_hints(config)
    return {
        field.name: {"type": sorted(_types(hints[field.name]))}
        | _choices(hints[field.name], field)
        | _default(field)
        | _help(field)
        for field in sorted(dataclasses.fields(config), key=lambda field: field.name)
        if field.init and field.name not in RESERVED
    }


def _types(hint: Any) -> set[str]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return set().union(*(_types(part) for part in typing.get_args(hint)))
    kind = typing.get_origin(hint) or hint
    if kind is Literal:
        return {_PLAIN[type(value)] for value in typing.get_args(hint)}
    # An enumeration is written as text.
    return {"str"} if issubclass(kind, Enum) else {_PLAIN[kind]}


def _choices(hint: Any, field: dataclasses.Field) -> dict[str, list[str]]:
    """The allowed texts: from an enumeration, from the field, or from a list in the field's help."""
    for kind in typing.get_args(hint) or (hint,):
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"choices": [member.value for member in kind]}
    if "choices" in field.metadata:
        return {"choices": list(field.metadata["choices"])}
    listed = re.search(r"Possible values are: (.*?)(\. |$)", field.metadata.get("help", ""))
    return {"choices": re.findall(r"`'?(\w+)'?`", listed[1])} if listed else {}


def _default(field: dataclasses.Field) -> dict[str, Any]:
    """The default of a field, if it is a plain value."""
    value = field.default_factory() if callable(field.default_factory) else field.default
    value = value.value if isinstance(value, Enum) else value
    return {"default": value} if type(value) in _PLAIN else {}


def _help(field: dataclasses.Field) -> dict[str, str]:
    """The first sentence of a field's help."""
    text = " ".join(field.metadata.get("help", "").replace("%%", "%").split())
    sentence = re.match(r".*?[.?](?= [A-Z`]|$)", text)
    return {"help": sentence[0] if sentence else text} if text else {}


def write() -> None:
    """Write the shipped file again, with one line for each setting."""
    from molmix.align.settings import METHODS

    classes = (
        f'"{name}": {{\n'
        + ",\n".join(f'  "{key}": {json.dumps(entry)}' for key, entry in describe_settings(load_class(name)).items())
        + "\n}"
        for name in sorted({method.config_class for method in METHODS.values()})
    )
    text = f'{{\n"versions": {json.dumps(_versions())},\n"classes": {{\n' + ",\n".join(classes) + "\n}\n}\n"
    SHIPPED.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(describe_settings(load_class(sys.argv[1]))))
    else:
        write()
