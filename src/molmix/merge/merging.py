"""Make a merged model: run mergekit on models with folded adapters, and validate the result."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    import torch

    from molmix.merge.inputs import Input
    from molmix.models.weights import Weights

# Files that a usable model folder needs besides weights and config.
OTHER_FILES = ["tokenizer*", "*.model", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt"]
OTHER_FILES += ["chat_template.*", "generation_config.json"]

logger = logging.getLogger(__name__)

NOT_OF_METHODS = ("dtype", "search", "scorer")  # settings of a merge that are none of its method
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
            weights are kept in, if it is not float32; and `search`, how they were found, if they were searched.
        seed: for methods that draw random numbers.

    Raises:
        MolmixError: weights are missing or damaged, the models are not compatible, or the result is not valid.
    """
    switch_hub_off()  # otherwise mergekit contacts the hub
    import torch

    from molmix.merge.validation import validate_merge
    from molmix.models.weights import Weights, cast_weights

    dtype = settings.get("dtype", "float32")
    # Other jobs depend on the manifest: it is deleted first and written last.
    (out / "manifest.json").unlink(missing_ok=True)
    with replace_folder(out / "weights") as part, open_models(parents, base, work) as models:
        recipe = models.merge_into(part, settings, seed)
        merged = Weights(part)
        casts = {name: getattr(torch, name) for name in dict.fromkeys(("bfloat16", dtype)) if name != "float32"}
        facts = {
            "id": model_id,
            "kind": "merged",
            "method": settings["method"],
            "parents": models.parents,
            "base": models.base,
            "settings": settings,
            "seed": seed,
            "inputs": models.digests,
            "parameters": merged.parameters,
            "dtype": dtype,
        } | validate_merge(merged, models.weights, models.parents, models.base, casts.values())
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
    _write(out / "README.md", merge_card(facts, models.lineage, text))
    write_manifest(out / "manifest.json", facts, out / "weights")


def found_settings(settings: dict[str, Any], found: Path | None = None) -> dict[str, Any]:
    """The settings of a merge with the parameters that a search found.

    Args:
        settings: of the model table.
        found: result of :func:`molmix.merge.search.search_weights`; None for a merge that is not searched.
    """
    if found is None:
        return settings
    facts = read_json(found)
    summary = {name: facts[name] for name in ("metric", "value", "molecules", "tried")}
    kept = {name: value for name, value in settings.items() if name != "scorer"}
    return kept | facts["settings"] | {"search": settings["search"] | summary}


@dataclass(frozen=True)
class Models:
    """Models that are merged, once or several times.

    Attributes:
        inputs: the parents and, last, the base.
        folders: folders that mergekit reads them from, by id.
    """

    inputs: list[Input]
    folders: dict[str, Path]

    @property
    def parents(self) -> list[str]:
        """Ids of the parents."""
        return [model.id for model in self.inputs[:-1]]

    @property
    def base(self) -> str:
        """Id of the base."""
        return self.inputs[-1].id

    @property
    def weights(self) -> dict[str, Weights]:
        """Full weights by id."""
        return {model.id: model.weights for model in self.inputs}

    @property
    def lineage(self) -> dict[str, dict[str, Any]]:
        """Manifests of the models, and of the starts that adapters lie on, by id."""
        return {name: facts for model in self.inputs for name, facts in model.manifests.items()}

    @property
    def digests(self) -> dict[str, str]:
        """Digests of all weights that are read, by id."""
        return {name: manifest["weights"]["digest"] for name, manifest in self.lineage.items()}

    def merge_into(self, folder: Path, settings: dict[str, Any], seed: int) -> dict[str, Any]:
        """Write a merge with its config and tokenizer into a folder, in float32, and return mergekit's recipe.

        Args:
            folder: where its files are written.
            settings, seed: see :func:`merge`; weights are not cast to `dtype`.
        """
        own = {key: settings[key] for key in settings if key not in NOT_OF_METHODS}
        method = TypeAdapter(MergeMethod).validate_python(own)
        recipe = method.recipe(self.parents, self.base) | {"dtype": "float32", "out_dtype": "float32"}
        _run(recipe, self.folders, folder, seed)
        _copy_other_files(self.inputs[0].weights.folder, folder, settings.get("dtype", "float32"))
        return recipe


@contextmanager
def open_models(parents: list[Path], base: Path, work: Path) -> Iterator[Models]:
    """Models that can be merged, while the block runs.

    Args:
        parents, base: manifests.
        work: folder for temporary links.

    Raises:
        MolmixError: weights are missing or damaged, or the models are not compatible.
    """
    switch_hub_off()
    from molmix.merge.compatibility import check_compatible
    from molmix.merge.inputs import mergekit_folders, read_inputs

    inputs = read_inputs([*parents, base])
    for other in inputs[1:]:
        check_compatible(inputs[0].weights, other.weights)
    weights = {model.id: model.weights for model in inputs}
    with temporary_folder(work, "inputs") as links, mergekit_folders(weights, links) as folders:
        yield Models(inputs, folders)


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
        with _trimming_without_a_sort():
            run_merge(MergeConfiguration.model_validate(located), str(out), options)
    except (RuntimeError, ValueError) as error:  # its definition of an architecture does not fit, or a parameter
        hint = "change the parameters; if it does not know the architecture, remove it from `merge` and `universal`"
        raise fault(", ".join(folders), f"mergekit cannot merge these models ({error})", hint) from error


@contextmanager
def _trimming_without_a_sort() -> Iterator[None]:
    """Let mergekit trim a tensor with :func:`keep_largest`. Its sort takes most of the time of a TIES merge."""
    from mergekit import sparsify

    by_sort = sparsify.magnitude

    def trim(tensor: torch.Tensor, density: float, rescale_norm: Any = None) -> torch.Tensor:
        if 0 < density < 1 and tensor.numel() and tensor.device.type == "cpu":
            kept = keep_largest(tensor.abs(), max(1, int(density * tensor.numel())))
            if kept is not None:
                return sparsify.rescaled_masked_tensor(tensor, kept.to(tensor.dtype), rescale_norm)
        return by_sort(tensor, density, rescale_norm)

    sparsify.magnitude = trim
    try:
        yield
    finally:
        sparsify.magnitude = by_sort


def keep_largest(values: torch.Tensor, number: int) -> torch.Tensor | None:
    """Which values of a tensor are the largest, found by a selection, which takes a fifth of the time of a sort.

    Args:
        values: any shape, not empty.
        number: of values, at least one.

    Returns:
        Truth values of the same shape, ``number`` of them true. None if equal values leave a choice.
    """
    flat = values.float().reshape(-1)
    kept = flat >= flat.kthvalue(flat.numel() - number + 1).values
    return kept.reshape(values.shape) if int(kept.sum()) == number else None


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
