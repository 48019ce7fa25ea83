"""The `molmix` command: looks at a study and mends it; running it is Snakemake's."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from molmix.config import loading
from molmix.core.errors import MolmixError, escape_control
from molmix.pipeline import model_table

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
ConfigFile = Annotated[Path, typer.Option("--configfile", help="the study to look at")]


@app.callback()
def main() -> None:
    """Look at a molmix study. Results are made by `snakemake`; see README.md."""


@app.command()
def models(
    configfile: ConfigFile = Path("config/config.yaml"),
    settings: Annotated[bool, typer.Option("--settings", help="and what each model is made with, as YAML")] = False,
) -> None:
    """Print the model table: every model the study makes, and from what."""
    table = model_table.build(loading.load(configfile))
    if settings:
        import yaml

        for row in table.values():
            made = {row.id: {"method": row.method, "seed": row.seed} | row.settings}
            typer.echo(yaml.safe_dump(made, sort_keys=False, allow_unicode=True), nl=False)
        return
    rows = [("id", "kind", "method", "parents", "seed")]
    for row in table.values():
        rows.append((row.id, row.kind, row.method, " + ".join(row.parents) or "-", str(row.seed)))
    _print(rows)


@app.command()
def store(
    folder: Annotated[Path, typer.Argument(help="the stores to look at")] = Path("results/store/nli"),
    compact: Annotated[bool, typer.Option("--compact", help="put each store's files into one first")] = False,
) -> None:
    """Print the pair stores: what every NLI model said of pairs so far. They are caches: losing one costs time only."""
    from molmix.judges.nli.report import report

    _print(report(folder, compact=compact))


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


@app.command()
def explain(
    metric: Annotated[str, typer.Argument(help="a column of the scores: hallucination, coverage, bleu4, recall, …")],
    model: Annotated[str, typer.Argument(help="id in the model table")],
    test: Annotated[str, typer.Argument(help="name of the test set")],
    caption: Annotated[str | None, typer.Argument(metavar="ID", help="id of the caption; none lists the worst")] = None,
    configfile: ConfigFile = Path("config/config.yaml"),
) -> None:
    """Show everything behind one number: texts, atoms, probabilities, and the sum that they make."""
    from molmix.report.explain import explain, worst

    study = loading.load(configfile)
    lines = worst(study, metric, model, test) if caption is None else explain(study, metric, model, test, caption)
    for line in lines:
        typer.echo(escape_control(line))


@app.command()
def explorer(
    configfile: ConfigFile = Path("config/config.yaml"),
    out: Annotated[Path | None, typer.Option(help="folder to write; none is results/<run>/work/explorer")] = None,
) -> None:
    """Make the explorer of a run that is not finished: pages of all that is scored by now.

    Of a finished one, `snakemake --cores all explorer` makes it.
    """
    from molmix.report.explorer import build

    study = loading.load(configfile)
    folder = out or Path(f"results/{study.run}/work/explorer")
    missing = build(study, folder)
    _print([(f"Open {folder}/index.html. Tables that are not there: {len(missing)}",), *((f"  {m}",) for m in missing)])


@app.command()
def status(
    targets: Annotated[list[str] | None, typer.Argument(help="as for snakemake; none for the tables")] = None,
    configfile: ConfigFile = Path("config/config.yaml"),
) -> None:
    """Show how far a run is: jobs done, running, failed and left by stage, losses of trainings, estimated time left.

    It reads files only, so it works beside a run, here or on a cluster.

    Done: Snakemake would not run it again.
    Running: marked so in .snakemake/. After a kill -9 or a power cut of
    Snakemake itself the marks stay until `snakemake --unlock`.
    Failed: tried last without a result; an interrupted job is one too.
    Time left: from the mean time of finished jobs of the same stage, with
    as many at once as run now. It knows no queues and no other machine.
    """
    from rich.console import Console

    from molmix.pipeline.status.graph import jobs
    from molmix.pipeline.status.show import report
    from molmix.pipeline.status.state import standings

    study = loading.load(configfile)
    found, since = standings(jobs(configfile, targets or []))
    console = Console(highlight=False, soft_wrap=True)
    for part in report(study.run, found, since, Path(f"results/{study.run}/work/align")):
        console.print(part)


@app.command()
def recover(
    command: Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND]", help="run it in the end")] = None,
    configfile: ConfigFile = Path("config/config.yaml"),
) -> None:
    """Mend a run whose Snakemake was killed, here or on a cluster: end what it left running, unlock, and go on.

    Run it in the folder and on the machine that Snakemake ran on; a
    Snakemake that lives is left alone. Jobs in SLURM cannot be taken over
    by a new Snakemake: they are cancelled and waited for, so are processes
    here. Trainings go on from their last checkpoint.

    molmix recover -- snakemake --workflow-profile profiles/slurm
    """
    from molmix.pipeline.recover import recover

    done = False
    for line in recover(loading.load(configfile).run, Path.cwd()):
        typer.echo(escape_control(line))
        done = True
    if command:
        os.execvp(command[0], command)  # noqa: S606 # the person's own command, as given
    typer.echo("Now give your snakemake command again." if done else "Nothing to recover.")


@app.command()
def plan(
    targets: Annotated[list[str] | None, typer.Argument(help="as for snakemake; none for the tables")] = None,
    configfile: ConfigFile = Path("config/config.yaml"),
    at_once: Annotated[int, typer.Option(min=1, help="merges, and trainings, that run at one time")] = 1,
    tflops: Annotated[float, typer.Option(min=1, help="peak of the GPU in bfloat16, without sparsity")] = 312.0,
    bandwidth: Annotated[float, typer.Option(min=0.1, help="of its memory, TB/s")] = 2.0,
) -> None:
    """Show what a run will cost: jobs, hours, disk, downloads and tokens by stage, each measured or estimated.

    It starts nothing. The defaults are those of an A100 of 80 GB.
    """
    from rich.console import Console

    from molmix.pipeline.plan.counts import count
    from molmix.pipeline.plan.disk import held, left_to_fetch
    from molmix.pipeline.plan.shapes import sizes
    from molmix.pipeline.plan.show import report
    from molmix.pipeline.plan.times import SHARE, Device, Estimator, stages
    from molmix.pipeline.status.graph import jobs

    study = loading.load(configfile)
    models, rows = model_table.build(study), count(study)
    shapes = sizes(study, models)
    gpu = Device(tflops * 1e12 * SHARE["flops"], bandwidth * 1e12 * SHARE["bandwidth"])
    costs = stages(jobs(configfile, targets or []), study.run, Estimator(study, models, shapes, rows, gpu))
    disk = held(study, models, shapes, rows, at_once)
    named = f"a GPU of {tflops:g} TFLOP/s and {bandwidth:g} TB/s"
    console = Console(highlight=False, soft_wrap=True)
    for part in report(study.run, costs, disk, left_to_fetch(study), rows, named):
        console.print(part)


@app.command()
def prefetch(configfile: ConfigFile = Path("config/config.yaml")) -> None:
    """Fetch every model and data set of a study into the hub's cache, for nodes without a network.

    Run it where there is one, and give the jobs the same HF_HOME: none of them
    asks the hub then. Given again, it goes on with what is missing.
    Gated models want HF_TOKEN.
    """
    from molmix.pipeline.prefetch import prefetch as fetch

    study, floating = loading.load(configfile), []
    model_table.build(study)
    for one in fetch(study):
        typer.echo(f"{one.wanted.key}: {one.wanted.repository} at {one.commit}, {one.size / 1e9:.3f} GB")
        if not one.wanted.pinned:
            floating.append(f"  {one.wanted.key}: {one.wanted.revision!r} is {one.commit} now")
    if floating:
        typer.echo("Revisions that can move; put the commit in their place:\n" + "\n".join(floating))


def run() -> None:
    """Entry point: a mistake of the user's ends in one message, not in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # captions are not all ASCII
    try:
        app()
    except MolmixError as error:
        typer.echo(f"molmix: {error}", err=True)
        raise SystemExit(1) from None
