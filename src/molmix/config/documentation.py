"""Generates files from the config schema: the documented default file, JSON schema, key reference and presets.

``python -m molmix.config.documentation`` writes them. A test fails if they differ from the classes.
"""

from __future__ import annotations

import json
import textwrap
import types
import typing
from pathlib import Path
from typing import Any

import typing_extensions
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from molmix.align.settings import METHODS
from molmix.config.loading import parse
from molmix.config.schema import Config


def _small(method: str, starts: list[str], learning_rate: float, epochs: int) -> dict[str, Any]:
    """An alignment of a tiny model. It needs larger and more steps than the presets, which are for 7B models."""
    batches = {"per_device_train_batch_size": 16, "gradient_accumulation_steps": 1}
    return {
        "method": method,
        "starts": starts,
        "lora": {"r": 16},
        "settings": {"learning_rate": learning_rate, "num_train_epochs": float(epochs), **batches},
    }


# The study of the default config file. It contains only values that differ from the defaults of the schema.
DEMO: dict[str, Any] = {
    "run": "demo",
    "data": {
        "train": {"kind": "demo", "split": "train"},
        "validation": {"kind": "demo", "split": "validation"},
        "tests": {
            "id": {"source": {"kind": "demo", "split": "id"}, "rows": 150},
            "ood": {"source": {"kind": "demo", "split": "ood"}, "rows": 150},
        },
    },
    "initial": {
        "agnostic": {"kind": "made", "task": "unpaired"},
        "mol2cap": {"kind": "made", "parent": "agnostic", "task": "mol2cap", "epochs": 2.0},
        "cap2mol": {"kind": "made", "parent": "agnostic", "task": "cap2mol"},
    },
    "universal": {"universal": {"parents": ["mol2cap", "cap2mol"], "base": "agnostic"}},
    "preferences": {"rejected": {"mol2cap": {"kind": "model", "model": "mol2cap"}}},
    "align": {
        "sft": _small("sft", ["agnostic", "mol2cap"], 3e-3, 4),
        "dpo": _small("dpo", ["agnostic.sft", "agnostic"], 3e-4, 1),  # after SFT, and without it as a control
        "cpo": _small("cpo", ["agnostic", "mol2cap", "universal.slerp"], 2e-3, 2),
        "kto": _small("kto", ["agnostic.sft"], 3e-4, 1),
        "grpo": {
            "method": "grpo",
            "starts": ["mol2cap.sft"],
            "reward": {"atomic_f1": 1.0},
            "lora": {"r": 16},
            # Few steps, as each samples captions and asks the judge. config/grpo.yaml trains longer.
            "settings": {
                "learning_rate": 2e-3,
                "max_steps": 12,
                "per_device_train_batch_size": 64,
                "gradient_accumulation_steps": 1,
                "max_completion_length": 80,
            },
        },
    },
    "merge": {
        "starts": ["agnostic", "agnostic.sft"],
        "of": ["pairs", ["sft", "dpo", "cpo"]],
        "methods": {"slerp": {"method": "slerp"}, "ties": {"method": "ties"}, "linear": {"method": "linear"}},
    },
    "generation": {"max_new_tokens": 80},
}

PRESETS = """\
What an alignment is trained with where `align.<name>.settings` and `align.<name>.lora` do not say otherwise. `paper` is
as close to the settings of "Less for More" as today's TRL allows; `modern` is what is known to work better. Sources and
differences from the paper stand beside the values in the method's file. `molmix models --settings` prints what each
model of a study is trained with. All keys: [config.md](config.md).

`method: ipo` and the other names of the tables of losses are variants of the method above them: its trainer and
presets, with another loss. Its settings (`loss_type` and those that the table gives) replace those of the preset; all
others can be changed as usual. In the formulas, p is the policy and q the reference model. c is log p − log q of the
chosen text, and r that of the rejected text, each summed over the tokens of the completion and its end token; without
a reference model, c is log p. c̄ and r̄ are the means over these tokens; m = c − r, and m̄ = c̄ − r̄. β is
`settings.beta`, σ the logistic function, and sort sorts over the pairs of a batch. SFT is the mean of −log p over the
tokens of the chosen texts."""

NEEDS = {
    "prompt-completion": "chosen texts",
    "preference": "pairs",
    "unpaired-preference": "texts with a label; molmix makes two of each pair",
    "prompt-only": "molecules, the reference captions that rewards compare with, and `reward`",
}

HEADER = """\
# yaml-language-server: $schema=schema.json
# The embedded default: a small study that runs without a network, a GPU or an account.
# Generated from src/molmix/*/settings.py by `make docs`. Copy it to make a study of your own, and run that with
#   snakemake --cores all --configfile my-study.yaml
# A config file stands alone: nothing of this one is mixed into it. Keys left out take the schema's defaults
# (docs/config.md lists them all).
"""


def default_yaml() -> str:
    """The documented default file: every key of the demo with its value and its description."""
    return HEADER + "\n" + "\n".join(_section(Config, parse(DEMO), 0, explained=set())) + "\n"


def _section(cls: type[BaseModel], value: BaseModel, depth: int, explained: set[tuple[str, str | None]]) -> list[str]:
    # The first occurrence of a key is shown with its description. Later sections show only the keys that they set.
    lines = []
    for name, info in cls.model_fields.items():
        first = (name, info.description) not in explained
        explained.add((name, info.description))
        if first or name in value.model_fields_set:
            lines += _key(info.alias or name, info, getattr(value, name), depth, first, explained)
    return lines


def _key(
    name: str, info: FieldInfo | None, value: Any, depth: int, explain: bool, explained: set[tuple[str, str | None]]
) -> list[str]:
    pad = "  " * depth
    lines = [""] if depth == 0 else []
    if explain and info and info.description:
        lines += [f"{pad}# {line}" for line in textwrap.wrap(info.description, 100 - len(pad))]
    if isinstance(value, BaseModel):
        return [*lines, f"{pad}{name}:", *_section(type(value), value, depth + 1, explained)]
    if isinstance(value, dict) and value and all(isinstance(child, BaseModel) for child in value.values()):
        lines.append(f"{pad}{name}:")
        for key, child in value.items():
            lines += _key(key, None, child, depth + 1, False, explained)
        return lines
    if isinstance(value, str) and "\n" in value:
        return [*lines, f"{pad}{name}: {json.dumps(value, ensure_ascii=False)}"]
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump(plain, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("...\n").strip()
    return [*lines, f"{pad}{name}: {text}"]


def json_schema() -> str:
    """JSON schema of a config file, for editors."""
    return json.dumps(Config.model_json_schema(by_alias=True), indent=1) + "\n"


def reference() -> str:
    """Key reference in Markdown: one table per section, in the order of the schema."""
    lines = ["# Configuration reference", "", "Generated from `src/molmix/*/settings.py` by `make docs`.", ""]
    done: set[type] = set()
    waiting: list[type] = [Config]
    while waiting:
        cls = waiting.pop(0)
        if cls in done:
            continue
        done.add(cls)
        lines += [f"## {cls.__name__}", "", (cls.__doc__ or "").split("\n\n")[0], ""]
        lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
        for name, info in _fields(cls).items():
            inner = _models(info.annotation)
            waiting += inner
            if typing_extensions.is_typeddict(cls):
                default = "not set"
            else:
                default = "required" if info.is_required() else f"`{_plain(info.get_default())}`"
            kind = " or ".join(f"[{model.__name__}](#{model.__name__.lower()})" for model in inner)
            kind = kind or f"`{_type(info)}`".replace("|", "\\|")
            kind = f"by name: {kind}" if inner and typing.get_origin(info.annotation) is dict else kind
            meaning = (info.description or "").replace("|", "\\|")
            lines.append(f"| `{info.alias or name}` | {kind} | {default} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _fields(cls: Any) -> dict[str, FieldInfo]:
    """The keys of a section or of a TypedDict."""
    if typing_extensions.is_typeddict(cls):
        hints = typing_extensions.get_type_hints(cls, include_extras=True)
        return {name: FieldInfo.from_annotation(hint) for name, hint in hints.items()}
    return cls.model_fields


def _models(annotation: Any) -> list[type]:
    """The sections and TypedDicts that a type contains."""
    if typing_extensions.is_typeddict(annotation):
        return [annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "…" if value.model_fields_set else "defaults"
    if isinstance(value, dict) and value and all(isinstance(child, BaseModel) for child in value.values()):
        return ", ".join(f"{key}: {getattr(child, 'kind', None) or child.backend}" for key, child in value.items())
    return "null" if value is None else json.dumps(value, ensure_ascii=False)


def _type(info: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(part, key)}"
        for part in info.metadata
        for key, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if hasattr(part, key)
    ]
    return ", ".join([_spell(info.annotation), *bounds])


def _spell(annotation: Any) -> str:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _spell(args[0])
    if origin is typing.Literal:
        return " | ".join(map(str, args))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(_spell, args))
    if origin in (list, tuple, dict):
        return f"{origin.__name__} of {', '.join(dict.fromkeys(map(_spell, args)))}"
    return "null" if annotation is type(None) else getattr(annotation, "__name__", "any")


def presets() -> str:
    """Every preset of every alignment method with its values, in Markdown."""
    lines = ["# Presets", "", "Generated from `src/molmix/align/methods/` by `make docs`.", "", PRESETS, ""]
    for name, method in METHODS.items():
        lines += [f"## {name}", "", (method.__doc__ or "").strip().split("\n")[0], ""]
        needs = NEEDS[method.dataset_type] + (", and a reference model" if method.has_reference else "")
        lines += [f"It needs {needs}.", "", "| `method` | loss of a pair | settings | name and source |"]
        lines += ["| --- | --- | --- | --- |", f"| `{name}` | {method.formula} | | {method.paper or 'the usual one'} |"]
        for variant, loss in method.VARIANTS.items():
            given = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in (loss.loss | loss.optimisation).items())
            lines.append(f"| `{variant}` | {loss.formula} | {given} | {loss.title}: {loss.paper} |")
        lines.append("")
        lines += [f"| key | {' | '.join(f'`{preset}`' for preset in method.PRESETS)} |"]
        lines += ["| --- |" + " --- |" * len(method.PRESETS)]
        for part, key in (("trl", "settings"), ("lora", "lora")):
            for setting in dict.fromkeys(s for preset in method.PRESETS.values() for s in preset[part]):
                cells = [_preset_value(preset[part], setting) for preset in method.PRESETS.values()]
                lines.append(f"| `{key}.{setting}` | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _preset_value(settings: dict[str, Any], name: str) -> str:
    return f"`{json.dumps(settings[name])}`" if name in settings else "TRL's default"


GENERATED = {
    "config/config.yaml": default_yaml,
    "config/schema.json": json_schema,
    "docs/config.md": reference,
    "docs/presets.md": presets,
}

if __name__ == "__main__":
    for path, make in GENERATED.items():
        Path(path).write_text(make(), encoding="utf-8")
