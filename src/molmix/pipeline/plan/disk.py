"""Disk use in bytes: downloads, kept results, and temporary files of running jobs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from molmix.config.schema import Config
from molmix.core.errors import counted
from molmix.generation.engines import ENGINES
from molmix.judges.nli.settings import MadeNli
from molmix.models import sizes as shapes
from molmix.pipeline.model_table import ModelTable
from molmix.pipeline.plan.shapes import BYTES, Sizes
from molmix.pipeline.prefetch import Download, downloads

TOKENIZER = 45_000  # bytes of a made model's tokenizer, stored with its weights and with every adapter
MADE_NLI = 1_200_000  # bytes of an NLI model that the study trains


@dataclass(frozen=True)
class Held:
    """Files on disk.

    Attributes:
        what: description for the user.
        size: bytes; None if not known.
        when: `hub` for the hub's cache, `kept` for results/, `running` for files that exist while their job runs.
    """

    what: str
    size: int | None
    when: str


def held(study: Config, table: ModelTable, sizes: Sizes, at_once: int) -> list[Held]:
    """The files that a study writes, with `at_once` merges or trainings at the same time.

    Sizes of models are computed from their shapes. Sizes of the tables of captions, atoms and probabilities are not
    known before they are made.
    """
    found = [Held(f"{one.repository}", _of(one)[0], "hub") for one in downloads(study)]
    found.append(Held("initial models made here", _initial(study, table, sizes), "kept"))
    adapters = [sizes.adapter(table[model]) for model in table.of_kind("aligned")]
    tokenizers = TOKENIZER * len(adapters)
    found.append(Held(counted(len(adapters), "aligned model"), _sum([*adapters, tokenizers]), "kept"))
    kept = table.kept(study.merge.keep_weights)
    found.append(Held(f"{counted(len(kept), 'merge')} to keep", _sum([_full(sizes, model) for model in kept]), "kept"))
    if any(isinstance(spec, MadeNli) for spec in study.nli.values()):
        found.append(Held("NLI models made here", MADE_NLI, "kept"))
    if study.adapted_nli():
        found.append(Held("NLI models adapted here", None, "kept"))
    found.append(Held("corpus, captions, atoms, probabilities, scores", None, "kept"))
    merges = [_full(sizes, model) for model in table.of_kind("merged")]
    found.append(Held(f"{counted(at_once, 'merge')} under way", _most(merges, at_once), "running"))
    if ENGINES[study.generation.engine].folds_on_disk:
        wide = BYTES[study.generation.dtype if study.generation.dtype != "auto" else "bfloat16"]
        shapes_of = [sizes.shapes[model] for model in table.of_kind("aligned") if table[model].is_adapter]
        folded = [wide * shape.parameters if shape else None for shape in shapes_of]
        found.append(
            Held(f"full weights of {counted(at_once, 'aligned model')} under way", _most(folded, at_once), "running")
        )
    trainings = [
        None if size is None else 2 * 3 * size for size in adapters
    ]  # weights and two moments of Adam, in two checkpoints
    found.append(Held(f"{counted(at_once, 'training')} under way, checkpoints", _most(trainings, at_once), "running"))
    return found


def left_to_fetch(study: Config) -> tuple[int, list[str]]:
    """Bytes that are not in the hub's cache, and the repositories of unknown size."""
    sizes = {one.repository: _of(one) for one in downloads(study)}
    unknown = [name for name, (size, cached) in sizes.items() if size is None and not cached]
    return sum(size or 0 for size, cached in sizes.values() if not cached), unknown


def _of(one: Download) -> tuple[int | None, bool]:
    """Bytes of a repository (None if not known), and whether it is in the hub's cache."""
    from huggingface_hub import constants

    if one.kind != "dataset":
        shape = shapes.pretrained(one.repository, one.revision)
        return (shape.stored, shape.cached) if shape else (None, False)
    folder = Path(constants.HF_HUB_CACHE) / f"datasets--{one.repository.replace('/', '--')}"
    if folder.is_dir():
        return sum(path.stat().st_size for path in (folder / "blobs").glob("*")), True
    return None, False


def _initial(study: Config, table: ModelTable, sizes: Sizes) -> int | None:
    made = [sizes.shapes[name] for name in study.initial if table[name].method == "made"]
    return _sum([None if shape is None else shape.stored + TOKENIZER for shape in made])


def _full(sizes: Sizes, model: str) -> int | None:
    shape = sizes.shapes[model]
    return shape.stored + TOKENIZER if shape else None


def _sum(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _most(numbers: list[int | None], at_once: int) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(sorted(known)[-at_once:]) if len(known) == len(numbers) else None
