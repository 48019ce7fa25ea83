"""The model card of a merge."""

from __future__ import annotations

from typing import Any

import yaml

CARD = """\
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


def card(facts: dict[str, Any], lineage: dict[str, dict[str, Any]], recipe: str) -> str:
    """README.md of a merge.

    Args:
        facts: what goes into its manifest.
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
    return CARD.format(
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
