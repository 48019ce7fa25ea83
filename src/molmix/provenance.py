"""Where a table comes from, in the lines below it: nothing that differs between two equal runs."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import molmix

if TYPE_CHECKING:
    import pandas as pd

# What the figures of a table are computed with. What models were made with is in their manifests.
PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "nltk", "rouge-score", "rdkit")


def provenance(
    *, config: str, seeds: Sequence[int], resamples: int, tosses: int | None = None, counted: Sequence[str] = ()
) -> list[str]:
    """Items of a Markdown list: rows, config, code, seeds, resamples, packages.

    Args:
        config: digest of the whole config.
        seeds: of the study; the first is that of resamples and tosses.
        resamples: of the intervals.
        tosses: of the tests, at most; None for a table that makes none.
        counted: what :func:`counts` says of each test set.
    """
    commit = commit_of(Path(molmix.__file__).resolve().parents[2])
    code = f"molmix {molmix.__version__}" + (f", commit {commit}" if commit else "")
    tested = f", at most {tosses} tosses a test" if tosses else ""
    said = [
        *counted,
        f"Config {config}; {code}; seeds {', '.join(map(str, seeds))}.",
        f"{resamples} bootstrap resamples{tested}, drawn with seed {seeds[0]}.",
        f"Python {platform.python_version()}, {', '.join(_versions())}.",
    ]
    return [f"- {line}" for line in said]


def counts(test: str, frames: Mapping[str, pd.DataFrame], held: Mapping[tuple[str, str], int]) -> list[str]:
    """What became of the rows of a test set: molecules, missing captions, undefined scores.

    Args:
        test: its name.
        frames: scores by model.
        held: by model and metric, how many rows have a score.
    """
    missing = {model: int((frame["finish"] == "missing").sum()) for model, frame in frames.items()}
    undefined: dict[str, int] = {}
    for (model, metric), number in held.items():
        undefined[metric] = undefined.get(metric, 0) + len(frames[model]) - number
    said = [f"{test}: {max(map(len, frames.values()), default=0)} molecules, {len(frames)} models"]
    absent = [f"{model} {number}" for model, number in missing.items() if number]
    if absent:
        said.append(f"molecules without a caption, counted as empty ones: {', '.join(absent)}")
    left_out = [f"{metric} {number}" for metric, number in undefined.items() if number]
    if left_out:
        said.append(f"undefined scores (over all models), left out of means: {', '.join(left_out)}")
    return ["; ".join(said) + "."]


def commit_of(checkout: Path) -> str | None:
    """The commit that a checkout is at, by its files alone: git may not be there. Changes since then do not show.

    Returns:
        None where the folder is no checkout.
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
        for place in (folder, common):
            if (place / name).is_file():
                return (place / name).read_text(encoding="utf-8").strip()
        packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)
    except OSError:
        return None


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # a slim environment that does not need it
            continue
    return found
