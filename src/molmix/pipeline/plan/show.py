"""The plan as text and tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from molmix.core.errors import counted
from molmix.pipeline.plan.counts import Corpus, Counts
from molmix.pipeline.plan.disk import Held
from molmix.pipeline.plan.times import Stage

WHERE = {"hub": "the hub's cache", "kept": "results/", "running": "results/, while it runs"}


def plan_report(
    run: str,
    stages: dict[str, Stage],
    disk: Sequence[Held],
    fetch: tuple[int, list[str]],
    rows: Counts | None,
    stated: str | None,
) -> Iterator[Table | Text]:
    """The parts of the plan to print.

    Args:
        run: the study's name.
        stages: costs by rule.
        disk: disk use.
        fetch: bytes still to download, and repositories of unknown size.
        rows: rows of the study; None if not known.
        stated: values that hours are computed from, as text; None if the user states none.
    """
    jobs = sum(stage.jobs for stage in stages.values())
    yield Text(f"{run}: {counted(jobs, 'job')} to run", style="bold")
    yield Text()
    yield _stages(stages)
    yield Text()
    yield _disk(disk)
    yield Text()
    size, unknown = fetch
    more = f", and {', '.join(unknown)}, of a size not known here" if unknown else ""
    yield Text(f"To download: {size / 1e9:,.1f} GB{more}. `molmix prefetch` fetches it.")
    yield Text(_assumed(rows, stated))


def _stages(stages: dict[str, Stage]) -> Table:
    table = Table("stage", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("jobs", "GPU-hours", "CPU-hours", "LLM captions", "hours are"):
        table.add_column(title, justify="right", no_wrap=True)
    total = Stage()
    for rule, stage in stages.items():
        table.add_row(rule, *_cells(stage))
        for name in ("jobs", "gpu", "cpu", "measured", "unknown", "captions"):
            setattr(total, name, getattr(total, name) + getattr(stage, name))
    table.add_row("all", *_cells(total), style="bold")
    return table


def _cells(stage: Stage) -> tuple[str, ...]:
    known = stage.jobs - stage.unknown
    parts = {"measured": stage.measured, "computed": known - stage.measured, "not known": stage.unknown}
    there = {word: number for word, number in parts.items() if number}
    said = ", ".join(word if len(there) == 1 else f"{number} {word}" for word, number in there.items())
    hours = ("?" if stage.unknown and not known else f"{seconds / 3600:,.2f}" for seconds in (stage.gpu, stage.cpu))
    return (str(stage.jobs), *hours, f"{stage.captions:,}" if stage.captions else "-", said)


def _disk(disk: Sequence[Held]) -> Table:
    table = Table("on disk", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("GB", justify="right", no_wrap=True)
    table.add_column("where")
    for held in disk:
        if held.size != 0:
            table.add_row(held.what, _gb(held.size), WHERE[held.when])
    results = [held.size for held in disk if held.when != "hub"]
    known = _gb(sum(size or 0 for size in results)) + ("" if None not in results else " and more")
    table.add_row("peak below results/", known, "", style="bold")
    return table


def _gb(size: int | None) -> str:
    return "?" if size is None else f"{size / 1e9:,.3f}" if size < 1e9 else f"{size / 1e9:,.1f}"


def _seen(name: str, corpus: Corpus) -> str:
    """Minimum and maximum number of captions of a corpus that alignments use, as text."""
    least, most = min(corpus.shares.values()), max(corpus.shares.values())
    number = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    return f"{number} {f'of {name}' if name else 'captions'} to align on"


def _assumed(rows: Counts | None, stated: str | None) -> str:
    said = "not known before the corpus is made"
    if rows is not None:
        source = "counted" if rows.known else "estimated"
        seen = [_seen(name, corpus) for name, corpus in rows.corpora.items()]
        said = f"{', '.join(filter(None, [*seen, f'{rows.captions:,} answers a model']))} ({source})"
    computed = f"Computed: what models need for {stated}, without the time to start a job."
    if stated is None:
        computed = "Other hours are not known; `molmix plan --help` says what to state to have them computed."
    return f"Rows: {said}. Measured: means of the benchmarks of earlier jobs. {computed}"
