"""Model cards in the format of the hub: lineage, data, settings, results and licence of a model."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from molmix.core.errors import fault
from molmix.core.files import make_again, read_json, write_atomically
from molmix.data.corpus import count_keys
from molmix.models.manifests import is_adapter

CARD = """\
---
{head}
---

# {id}

{what}, made in the molmix run `{run}`. Names are ids of the run's model table.

## Lineage

| model | kind | method | from | digest of weights | licence |
| --- | --- | --- | --- | --- | --- |
{lineage}

## Data

{data}

## Settings

```yaml
{settings}```
{recipe}
## Results

Each figure with its {level:.0%} interval (bootstrap over molecules).

{results}

## Licence

{licence}
"""


MERGE_CARD = """\
---
{head}---

# {id}

A merge of two language models by the method `{method}`, made with
[mergekit](https://github.com/arcee-ai/mergekit) in a molmix run. Names are ids of the run's model table.

## Lineage

| part | model | kind | method | digest of weights |
| --- | --- | --- | --- | --- |
{lineage}

Adapters were folded onto their starts, and the merge computed, in float32; it is stored in {dtype}.

## Recipe

```yaml
{recipe}```

## Measured

| | |
| --- | --- |
{measured}

## Licence

{licences}
"""


def write_card(
    *,
    model: str,
    run: str,
    manifests: Path,
    data: Path,
    pairs: Sequence[Path],
    leaderboard: Path,
    level: float,
    out: Path,
) -> None:
    """Write README.md of a model that was aligned or merged.

    Args:
        model: id in the model table.
        run: the study's name.
        manifests: folder with ``<id>/manifest.json`` of the model and of all models that it was made from.
        data: manifest of the corpus.
        pairs: manifests of the preference pairs that the model and its ancestors were aligned with.
        leaderboard: the CSV of the leaderboard.
        level: confidence level of its intervals.
        out: the file to write.

    Raises:
        MolmixError: a manifest is missing or damaged, or the leaderboard has no such model.
    """
    lineage = _lineage(manifests, model)
    facts = lineage[model]
    recipe = manifests / model / "mergekit.yaml"
    rows = _figures(leaderboard, model)
    text = CARD.format(
        head=_head(facts, lineage, rows),
        id=model,
        what=_what(facts, lineage),
        run=run,
        lineage="\n".join(_line(made) for made in lineage.values()),
        data=_data(read_json(data), _corpora(lineage), [read_json(path) for path in pairs]),
        settings=yaml.safe_dump(facts["settings"] | {"seed": facts["seed"]}, sort_keys=False, allow_unicode=True),
        recipe=f"\n## Merge\n\n```yaml\n{recipe.read_text(encoding='utf-8')}```\n" if recipe.is_file() else "",
        level=level,
        results="\n\n".join(_table(test, figures) for test, figures in rows.items()),
        licence="\n".join(f"- {name}: {made.get('license', 'unknown')}" for name, made in _roots(lineage).items()),
    )
    with write_atomically(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _lineage(manifests: Path, model: str) -> dict[str, dict[str, Any]]:
    """Manifests of a model and of all models that it was made from, its own first."""
    facts = read_json(manifests / model / "manifest.json")
    found = {model: facts}
    for parent in dict.fromkeys([*facts["parents"], *([facts["base"]] if facts.get("base") else [])]):
        found |= _lineage(manifests, parent)
    return found


def _roots(lineage: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The models that were made from no other model. The licences come from them."""
    return {name: made for name, made in lineage.items() if not made["parents"]}


def _head(facts: dict[str, Any], lineage: dict[str, dict[str, Any]], rows: dict[str, list[tuple[str, ...]]]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    roots = _roots(lineage).values()
    licences = {str(made.get("license", "unknown")) for made in roots}
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=test,
            dataset_name=test,
            metric_type=metric,
            metric_value=float(value),
        )
        for test, figures in rows.items()
        for metric, value, _, _ in figures
    ]
    head = ModelCardData(
        license=licences.pop() if len(licences) == 1 else "other",
        library_name="peft" if is_adapter(facts) else "transformers",
        base_model=[made["source"] for made in roots if made.get("commit")] or None,
        tags=["molmix", str(facts["method"]), *_tags(facts)],
        model_name=facts["id"],
        eval_results=results,
    )
    return head.to_yaml()


def _tags(facts: dict[str, Any]) -> list[str]:
    return ["merge", "mergekit"] if facts["kind"] == "merged" else ["lora"] if is_adapter(facts) else []


def _what(facts: dict[str, Any], lineage: dict[str, dict[str, Any]]) -> str:
    """What a model is; for an adapter whose start is no model of full weights, also how to load it."""
    if facts["kind"] == "merged":
        return "A merge of two language models"
    if not is_adapter(facts):
        return "A language model of which all weights were trained"
    under = facts.get("adapts", facts["parents"][0])
    folded = f" for `{under}` with its own adapter folded into its weights" if is_adapter(lineage[under]) else ""
    return f"A LoRA adapter{folded}"


def _line(made: dict[str, Any]) -> str:
    origin = f"{made['source']}@{made.get('commit') or 'local'}" if "source" in made else ", ".join(made["parents"])
    cells = (made["id"], made["kind"], made["method"], origin or "random weights", made["weights"]["digest"])
    return "| " + " | ".join((*cells, str(made.get("license", "-")))) + " |"


def _corpora(lineage: dict[str, dict[str, Any]]) -> list[str]:
    """Names of the corpora that a model and its ancestors were trained on; the study's own is ""."""
    trained = [made for made in lineage.values() if made["method"] == "made" or made["kind"] == "aligned"]
    return sorted({made["settings"].get("corpus", "") for made in trained})


def _data(data: dict[str, Any], corpora: list[str], pairs: list[dict[str, Any]]) -> str:
    counts = data["counts"]
    lines = [
        f"- {name}: {counts[name]['rows']} captions of {counts[name]['molecules']} molecules, "
        f"digest `{counts[name]['digest']}`"
        for corpus in corpora
        for name in count_keys(corpus)
        if "digest" in counts.get(name, {})
    ]
    lines += [f"- preference pairs: {made['pairs']}, digest `{made['digest']}`" for made in pairs]
    return "\n".join(lines) or "None was trained on."


def _figures(leaderboard: Path, model: str) -> dict[str, list[tuple[str, ...]]]:
    """Metric, value and both ends of its interval, by test set; metrics without an interval are left out."""
    with leaderboard.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["model"] == model]
    if not rows:
        raise fault(leaderboard, f"has no row of {model!r}", make_again(leaderboard))
    names = [name.removesuffix("_low") for name in rows[0] if name.endswith("_low")]
    return {
        row["test"]: [(name, row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in names if row[name]]
        for row in rows
    }


def _table(test: str, figures: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {metric} | {value} | {low} | {high} |" for metric, value, low, high in figures]
    return f"On `{test}`:\n\n| metric | value | low | high |\n| --- | ---: | ---: | ---: |\n" + "\n".join(lines)


def merge_card(facts: dict[str, Any], lineage: dict[str, dict[str, Any]], recipe: str) -> str:
    """Text of the model card that is written together with a merge, before it is scored.

    Args:
        facts: content of its manifest.
        lineage: manifests of the parents, the base and the starts of adapters, by id.
        recipe: the mergekit recipe as YAML.
    """
    roles = dict.fromkeys(lineage, "start")
    roles |= {facts["base"]: "base"}
    roles |= dict.fromkeys(facts["parents"], "parent")
    validation = facts["validation"]
    measured = {f"relative distance to {name}": far for name, far in validation["distance"].items()}
    measured["cosine of the parents' task vectors"] = validation["task_vector_cosine"]
    measured["share of tensors nearly parallel in the parents"] = validation["lerp_share"]
    measured["parameters"] = facts["parameters"]
    licences = {name: manifest.get("license", "unknown") for name, manifest in lineage.items()}
    stated = set(licences.values())
    licence = stated.pop() if len(stated) == 1 else "other"
    head = {"license": licence, "library_name": "transformers", "tags": ["merge", "mergekit", "molmix"]}
    return MERGE_CARD.format(
        head=yaml.safe_dump(head, sort_keys=False),
        id=facts["id"],
        method=facts["method"],
        dtype=facts["dtype"],
        lineage="\n".join(
            f"| {roles[name]} | {name} | {made['kind']} | {made['method']} | {made['weights']['digest']} |"
            for name, made in lineage.items()
        ),
        recipe=recipe,
        measured="\n".join(f"| {name} | {value} |" for name, value in measured.items()),
        licences="\n".join(f"- {name}: {licence}" for name, licence in licences.items()),
    )
