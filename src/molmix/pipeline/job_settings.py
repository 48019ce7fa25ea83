"""The settings of every job under the current config, read from the rules of the workflow."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from snakemake.io import apply_wildcards
from snakemake.iocontainers import Wildcards

from molmix.core.errors import fault
from molmix.core.files import make_again, read_json
from molmix.core.origin import job_name
from molmix.models.manifests import weights_path
from molmix.pipeline.model_table import ModelTable
from molmix.pipeline.origins import RESULTS, check_origins, checksum_of, origin_of, settings_digest
from molmix.pipeline.paths import RESERVED, Paths
from molmix.pipeline.products import Products
from molmix.pipeline.snakemake_records import recorded_files

# Options with which Snakemake makes results again, or runs no jobs.
_FORCING = {"-F", "--forceall", "-R", "--forcerun", "-f", "--force", "-t", "--touch"}
_LOOKING = {
    "--summary",
    "-S",
    "--detailed-summary",
    "-D",
    "--report",
    "--lint",
    "--list-rules",
    "--list",
    "-l",
    "--dag",
}
_LOOKING |= {"--list-untracked", "--rulegraph", "--filegraph", "--d3dag"}
_CLEANING = {"--unlock", "--cleanup-metadata", "--cm", "--delete-all-output", "--delete-temp-output"}


def rules_with_wildcards(table: ModelTable, products: Products) -> Iterator[tuple[str, dict[str, str]]]:
    """Rule and wildcards of every job whose settings change figures."""
    yield "corpus", {}
    for model, row in table.items():
        if row.kind == "merged":
            rule = "merge" if model in products.kept_merges else "merge_and_generate"
        elif row.kind == "initial":
            rule = "train_initial" if model in products.trained else "fetch_initial"
        elif row.kind == "aligned":
            rule = "align" if row.is_adapter else "align_fully"
        else:
            rule = "ask_endpoint" if model in products.endpoints else "join_external"
        yield rule, {"model": model}
        if row.is_searched:
            yield "search_weights", {"model": model}
        if model in products.generating:
            yield "generate", {"model": model}
        yield "score", {"model": model}
    for judge in products.nli_judges:
        yield "judge_licence", {"judge": judge}
    for author in (*table, *RESERVED):
        for units in products.units:
            yield "decompose", {"units": units, "author": author}
        for judge in products.judges:
            yield products.judges[judge].stage, {"judge": judge, "author": author}


def settings_by_job(rules: Any, wanted: Iterable[tuple[str, dict[str, str]]]) -> dict[str, str]:
    """:func:`settings_digest` of jobs under the current config, by job name.

    Args:
        rules: Snakemake's rules, after all of them are read.
        wanted: rules with their wildcards.
    """
    found = {}
    for name, wildcards in wanted:
        rule = getattr(rules, name).rule  # a Snakemake module may rename the rule
        params = {
            key: _param(value, Wildcards(fromdict=wildcards))
            for key, value in rule.params.items()
            if not (callable(value) and "input" in signature(value).parameters)
        }
        found[job_name(rule.name, wildcards)] = settings_digest(params)
    return found


def _param(value: Any, wildcards: Wildcards) -> Any:
    if callable(value):
        return value(wildcards)
    return apply_wildcards(value, wildcards) if isinstance(value, str) else value


def wants_current_results(command: Sequence[str]) -> bool:
    """Whether a Snakemake command treats existing results as current.

    False if the command makes results again, or runs no jobs, such as unlocking the folder or listing files.
    """
    return not {word.partition("=")[0] for word in command} & (_FORCING | _LOOKING | _CLEANING)


def check_run(paths: Paths, config: str, settings: Callable[[], dict[str, str]]) -> None:
    """Refuse a run with outdated results that Snakemake would treat as current.

    Snakemake detects a changed setting by its own records, and a changed file by a newer date. So two kinds of results
    are checked: those without a record (the run was copied, or ``.snakemake`` was removed), and those that were made
    from a file of the user.

    Args:
        paths: paths of the run.
        config: digest of the config.
        settings: returns :func:`settings_by_job`; called only if results have no record.

    Raises:
        MolmixError: a result is outdated; the message names it, the reason, and the command that makes it again.
    """
    recorded = recorded_files(Path(".snakemake/metadata"))
    scores = [path for tests in paths.all_scores().values() for path in tests.values()]
    unrecorded = [Path(path) for path in scores if path not in recorded and Path(path).is_file()]
    if unrecorded:
        check_origins(unrecorded, settings())
    table = Path(paths.tables("leaderboard", kinds=("md",))[0])
    if table.is_file() and str(table) not in recorded:
        made_with = re.search(r"Config ([0-9a-f]{16});", table.read_text(encoding="utf-8"))
        if made_with and made_with[1] != config:
            what = f"was made with the config {made_with[1]}, this one is {config}, and Snakemake has no record of it"
            raise fault(table, what, make_again("comparisons", "leaderboard"))
    run = Path(paths.results)
    made = [run / "data/manifest.json", *run.glob("preferences/**/manifest.json"), *run.glob("models/*/manifest.json")]
    if paths.study.metrics.files() or paths.study.judge_files():
        made += [*map(Path, scores), *run.glob("text2mol/*/*.parquet")]
    for result in made:
        _check_sources(result)
    for manifest in (*run.glob("*models/*/manifest.json"), *run.glob("decomposers/*/manifest.json")):
        _check_folder(manifest)


def _check_sources(result: Path) -> None:
    """Refuse a user's file that was replaced by one with an older date, which Snakemake does not detect."""
    origin = origin_of(result) if result.is_file() else None
    for name, made_from in origin.inputs.items() if origin else ():
        source = Path(name)
        if source.parts[:1] == (RESULTS,) or not source.is_file():
            continue
        if source.stat().st_mtime <= result.stat().st_mtime and checksum_of(source) != made_from:
            what = f"is not the file that {result} was made from, and its date is older, so Snakemake would not read it"
            raise fault(source, what, f"give it today's date: touch {shlex.quote(name)}")


def _check_folder(manifest: Path) -> None:
    """Refuse a local model whose files were changed. They are no inputs of a job, so Snakemake does not check them.

    The digest is computed only if the ctime of a file (the last change of its inode) is newer than the manifest. Tools
    that set the date of a file do not set its ctime.
    """
    folder = Path(read_json(manifest).get("weights", {}).get("path", ""))
    if not folder.is_absolute() or not folder.is_dir():
        return
    written = manifest.stat().st_mtime
    if any(file.stat().st_ctime > written for file in folder.iterdir() if file.is_file()):
        weights_path(manifest)
