"""Provenance of a table, in lines below it. They are the same for two equal runs."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import molmix
from molmix.core.files import read_json
from molmix.generation.external import COPIES_LIMIT, UNUSED
from molmix.metrics.families.judges import count_fallback
from molmix.models.precision import ERASED_LIMIT

if TYPE_CHECKING:
    import pandas as pd

_KEPT = ("rows", "molecules")  # counts of a source's remaining rows
# Packages that compute the figures of a table. The packages that made models are in their manifests.
PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "nltk", "rdkit")


def provenance(
    *,
    config: str,
    seeds: Sequence[int],
    corpus: Path | None,
    models: Sequence[Mapping[str, Any]] = (),
    resamples: int | None = None,
    permutations: int | None = None,
    counted: Sequence[str] = (),
) -> list[str]:
    """Items of a Markdown list: rows, config, code, seeds, resamples, packages, hardware.

    Args:
        config: digest of the whole config.
        seeds: of the study; the first is that of resamples and permutations.
        corpus: ``data/manifest.json``, which counts the rows of every source; None if it does not exist (yet).
        models: contents of the manifests of the table's models, which name the hardware of training.
        resamples: of the intervals; None for a table without intervals.
        permutations: maximum number of permutations of a test; None for a table without tests.
        counted: lines of :func:`counts` for each test set.
    """
    commit = commit_of(Path(molmix.__file__).resolve().parents[2])
    code = f"molmix {molmix.__version__}" + (f", commit {commit}" if commit else "")
    tested = f", at most {permutations} permutations a test" if permutations else ""
    facts = read_json(corpus) if corpus else None
    said = [
        *(sources(facts["counts"]) + leakage(facts) if facts else []),
        *counted,
        f"Config {config}; {code}; seeds {', '.join(map(str, seeds))}.",
        f"{resamples} bootstrap resamples{tested}, drawn with seed {seeds[0]}." if resamples else "",
        f"Python {platform.python_version()}, {', '.join(_versions())}.",
        f"Table made on {hardware()}.{_made_on(models)}",
    ]
    return [f"- {line}" for line in said if line]


def sources(counted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Counts of the rows of every source of the corpus: read, dropped by reason, kept.

    Args:
        counted: ``counts`` of ``data/manifest.json``.
    """
    said = []
    for name, own in counted.items():
        numbers = {key: number for key, number in own.items() if isinstance(number, int)}
        words = [f"{key.replace('_', ' ')} {number}" for key, number in numbers.items() if key not in _KEPT]
        kept = [f"{numbers[key]} {key} kept" for key in _KEPT if key in numbers]
        said.append(f"{name} ({', '.join([*words, *kept])})")
    return [f"Rows of the corpus: {'; '.join(said)}."] if said else []


def leakage(facts: Mapping[str, Any]) -> list[str]:
    """Number of rows with a molecule of a test set or validation, by level, and the removed levels.

    Args:
        facts: of ``data/manifest.json``; the levels are those of :data:`molmix.data.smiles.LEVELS`.
    """
    said = [
        f"{name} shares with {other} " + ", ".join(f"{number} {level}" for level, number in levels.items())
        for name, own in facts["counts"].items()
        for other, levels in own.get("leakage", {}).items()
    ]
    return [f"Leakage, in rows (removed up to `{facts['leakage']}`): {'; '.join(said)}."] if said else []


def hardware() -> str:
    """This machine: processor, cores, memory, and the names of its NVIDIA GPUs."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    said = [cpu or platform.machine(), f"{os.cpu_count()} cores", f"{memory:.0f} GiB of memory"]
    models = (
        line.partition(":")[2].strip()
        for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        for line in _lines(card)
        if line.startswith("Model:")
    )
    return ", ".join([*said, *(f"{number} × {name}" for name, number in Counter(models).items())])


def _made_on(models: Sequence[Mapping[str, Any]]) -> str:
    """Devices on which models were made, from their manifests. Models from outside the study have none."""
    devices = Counter(str(facts["device"]) for facts in models if "device" in facts)
    return f" Models made on {', '.join(f'{name} ({number})' for name, number in devices.items())}." if devices else ""


def _lines(path: Path | str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def precision(dtypes: Iterable[str], models: Sequence[Mapping[str, Any]]) -> list[str]:
    """The number type that the models ran in, and the models that the cast to it took a part of their training from.

    Args:
        dtypes: types that answers were written in (`attrs["dtype"]` of :func:`molmix.metrics.aggregate.read_scores`).
        models: contents of the models' manifests.
    """
    said = []
    for dtype in dict.fromkeys(dtypes):
        said.append(f"All models wrote with weights in {dtype}; adapters were folded in, and merges made, in float32.")
        shares = {facts["id"]: facts.get("erased", {}).get(dtype, 0.0) for facts in models}
        lost = [f"{model} {share:.0%}" for model, share in shares.items() if share > ERASED_LIMIT]
        if lost:
            said.append(f"Share of the difference from its start that the cast to {dtype} erased: {', '.join(lost)}.")
    return said


def joins(models: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """The captions of external systems that are not used, or are copies of their references: the counts, and warnings.

    Args:
        models: contents of the models' manifests.
    """
    counted, unused, warnings = [], [], []
    for facts in models:
        for test, joined in facts.get("joined", {}).items():
            if why := [f"{reason} {joined[reason]}" for reason in UNUSED if joined.get(reason)]:
                unused.append(f"{facts['id']} on {test} ({', '.join(why)})")
            if number := joined.get("copies", 0):
                counted.append(f"{facts['id']} on {test} {number} of {joined['joined']}")
                if number > COPIES_LIMIT * joined["joined"]:
                    what = "nearly all of its captions are copies of their references, and such scores say nothing"
                    warnings.append(f"`{facts['id']}` on {test}: {what}.")
    said = [f"Captions of files that are not used: {', '.join(unused)}."] if unused else []
    said += [f"Captions that equal a reference letter by letter: {', '.join(counted)}."] if counted else []
    return said, warnings


_FLAWS = {
    "missing": "molecules without a caption, counted as empty ones",
    "empty": "empty captions",
    "cut": "captions cut at the limit of tokens",
    "repeated": "captions that end in a repetition",
}


def counts(test: str, frames: Mapping[str, pd.DataFrame], held: Mapping[tuple[str, str], int]) -> list[str]:
    """Counts of a test set: molecules, missing or flawed captions, undefined scores.

    Args:
        test: its name.
        frames: scores by model (:func:`molmix.metrics.aggregate.read_scores`).
        held: by model and metric, the number of rows with a score.
    """
    undefined: dict[str, int] = {}
    for (model, metric), number in held.items():
        undefined[metric] = undefined.get(metric, 0) + len(frames[model]) - number
    said = [f"{test}: {max(map(len, frames.values()), default=0)} molecules, {len(frames)} models"]
    for flaw, words in _FLAWS.items():
        rows = {m: f["finish"] == "missing" if flaw == "missing" else f[flaw] for m, f in frames.items()}
        numbers = [f"{model} {number}" for model, flawed in rows.items() if (number := int(flawed.sum()))]
        said += [f"{words}: {', '.join(numbers)}"] if numbers else []
    fallen: dict[str, list[str]] = {}
    for model, frame in frames.items():
        for judge, number in count_fallback(frame).items():
            if number:
                fallen.setdefault(judge, []).append(f"{model} {number}")
    for judge, numbers in fallen.items():
        of = f"judge `{judge}`: " if judge else ""
        said.append(
            f"{of}captions that, or whose reference, `rules` split because the decomposer's answer could not be "
            f"used: {', '.join(numbers)}"
        )
    left_out = [f"{metric} {number}" for metric, number in undefined.items() if number]
    if left_out:
        said.append(f"undefined scores (over all models), left out of means: {', '.join(left_out)}")
    return ["; ".join(said) + "."]


def commit_of(checkout: Path) -> str | None:
    """The current commit of a checkout, from its files, without git. Uncommitted changes are not noticed.

    Returns:
        None if the folder is not a checkout.
    """
    try:
        folder = checkout / ".git"
        if folder.is_file():  # a linked work tree
            folder = checkout / folder.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        head = (folder / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref:"):
            return head
        name = head.removeprefix("ref:").strip()
        shared = folder / "commondir"
        common = folder / shared.read_text(encoding="utf-8").strip() if shared.is_file() else folder
        for parent in (folder, common):
            if (parent / name).is_file():
                return (parent / name).read_text(encoding="utf-8").strip()
        packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except OSError:
        return None


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # a small environment that does not need it
            continue
    return found
