"""Make a merged model: run mergekit on models with folded adapters, and validate the result."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from molmix.core.errors import fault
from molmix.core.files import read_json, replace_folder, write_atomically, write_json
from molmix.core.hub import switch_hub_off
from molmix.core.temporary import temporary_folder
from molmix.merge.settings import MergeMethod
from molmix.models.cards import merge_card
from molmix.models.loading import default_device
from molmix.models.manifests import write_manifest
from molmix.models.precision import erasure_warning

# Files that a usable model folder needs besides weights and config.
OTHER_FILES = ["tokenizer*", "*.model", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt"]
OTHER_FILES += ["chat_template.*", "generation_config.json"]

logger = logging.getLogger(__name__)

SHARD = 2_000_000_000  # bytes of a file; a shard is held in memory until it is full


def merge(
    *,
    model_id: str,
    parents: list[Path],
    base: Path,
    out: Path,
    work: Path,
    settings: dict[str, Any],
    seed: int,
) -> None:
    """Merge models into ``weights/``, ``mergekit.yaml``, ``README.md`` and, last, ``manifest.json``.

    Everything is computed in float32. The same inputs give the same bytes. After an error no files remain.

    Args:
        model_id: id in the model table.
        parents: manifests of the parents: initial, merged or aligned models.
        base: manifest of their common parent; task vectors are differences from it.
        out: the model's folder.
        work: folder for temporary links, through which mergekit reads the models.
        settings: a class of :data:`molmix.merge.settings.MergeMethod`, dumped by alias; and `dtype`, the type that the
            weights are kept in, if it is not float32.
        seed: for methods that draw random numbers.

    Raises:
        MolmixError: weights are missing or damaged, the models are not compatible, or the result is not valid.
    """
    switch_hub_off()  # otherwise mergekit contacts the hub
    import torch

    from molmix.merge.compatibility import check_compatible
    from molmix.merge.inputs import mergekit_folders, read_inputs
    from molmix.merge.validation import validate_merge
    from molmix.models.weights import Weights, cast_weights

    method = TypeAdapter(MergeMethod).validate_python({key: settings[key] for key in settings if key != "dtype"})
    dtype = settings.get("dtype", "float32")
    # Other jobs depend on the manifest: it is deleted first and written last.
    (out / "manifest.json").unlink(missing_ok=True)
    with replace_folder(out / "weights") as part, temporary_folder(work, "inputs") as links:
        *models, origin = inputs = read_inputs([*parents, base])
        for other in inputs[1:]:
            check_compatible(models[0].weights, other.weights)
        ids = [model.id for model in models]
        recipe = method.recipe(ids, origin.id) | {"dtype": "float32", "out_dtype": "float32"}
        weights = {model.id: model.weights for model in inputs}
        with mergekit_folders(weights, links) as folders:
            _run(recipe, folders, part, seed)
        _copy_other_files(models[0].weights.folder, part, dtype)
        merged = Weights(part)
        lineage = {name: facts for model in inputs for name, facts in model.manifests.items()}
        casts = {name: getattr(torch, name) for name in dict.fromkeys(("bfloat16", dtype)) if name != "float32"}
        facts = {
            "id": model_id,
            "kind": "merged",
            "method": method.method,
            "parents": ids,
            "base": origin.id,
            "settings": settings,
            "seed": seed,
            "inputs": {name: manifest["weights"]["digest"] for name, manifest in lineage.items()},
            "parameters": merged.parameters,
            "dtype": dtype,
        } | validate_merge(merged, weights, ids, origin.id, casts.values())
        if dtype != "float32":
            cast_weights(part, casts[dtype])
            recipe["out_dtype"] = dtype
            if warning := erasure_warning(model_id, dtype, facts["erased"][dtype]):
                logger.warning("%s; keep `merge.dtype: float32`", warning)
    text = yaml.safe_dump(recipe, sort_keys=False)
    _write(
        out / "mergekit.yaml",
        "# Models are ids of the run's model table, as folders of full weights.\n" + text,
    )
    _write(out / "README.md", merge_card(facts, lineage, text))
    write_manifest(out / "manifest.json", facts, out / "weights")


def _run(recipe: dict[str, Any], folders: dict[str, Path], out: Path, seed: int) -> None:
    """Run mergekit on a recipe with ids, which are replaced by folders."""
    import torch
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    def with_folder(entry: dict[str, Any], key: str) -> dict[str, Any]:
        # A mapping, because mergekit splits a string at '+' and '@', which a path may contain.
        return entry | ({key: {"model": {"path": str(folders[entry[key]])}}} if key in entry else {})

    models = [with_folder(model, "model") for model in recipe["models"]]
    located = with_folder(recipe, "base_model") | {"models": models}
    options = MergeOptions(
        device=default_device(),
        out_shard_size=SHARD,
        copy_tokenizer=False,  # without a base, it would be of an arbitrary parent
        write_model_card=False,  # it contacts the hub
        quiet=True,
    )
    torch.manual_seed(seed)
    try:
        run_merge(MergeConfiguration.model_validate(located), str(out), options)
    except (RuntimeError, ValueError) as error:  # its definition of an architecture does not fit, or a parameter
        hint = "change the parameters; if it does not know the architecture, remove it from `merge` and `universal`"
        raise fault(", ".join(folders), f"mergekit cannot merge these models ({error})", hint) from error


def _copy_other_files(folder: Path, out: Path, dtype: str) -> None:
    """Copy tokenizer, generation settings and config of another model into the folder of mergekit's weights."""
    for path in (path for pattern in OTHER_FILES for path in folder.glob(pattern)):
        shutil.copyfile(path, out / path.name)
    # Overwrites mergekit's config: if the recipe has no base, that is of an arbitrary parent.
    config = read_json(folder / "config.json")
    config.pop("torch_dtype", None)
    write_json(out / "config.json", config | {"dtype": dtype})


def _write(path: Path, text: str) -> None:
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
