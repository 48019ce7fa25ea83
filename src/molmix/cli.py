"""The `molmix` command inspects and repairs runs; `snakemake` runs them."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from molmix.config import loading
from molmix.core.errors import MolmixError, escape_control, fault
from molmix.pipeline import model_table

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
ConfigFile = Annotated[Path, typer.Option("--configfile", help="config file of the study")]


@app.callback()
def main() -> None:
    """Inspect and repair runs of molmix. `snakemake` runs a study; see README.md."""


@app.command()
def models(
    configfile: ConfigFile = Path("config/config.yaml"),
    settings: Annotated[bool, typer.Option("--settings", help="print what each model is made with, as YAML")] = False,
) -> None:
    """Print the model table: every model of the study, and what it is made from."""
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
    typer.echo(f"\n{table.expansion()}")


@app.command()
def store(
    folder: Annotated[Path, typer.Argument(help="folder of the caches")] = Path("results/store/nli"),
    compact: Annotated[bool, typer.Option("--compact", help="first merge the files of each cache into one")] = False,
) -> None:
    """Print the NLI caches: the pairs that each NLI model has judged. If you delete one, they are computed again."""
    from molmix.judges.nli.cache import describe_caches

    _print(describe_caches(folder, compact=compact))


@app.command("nli-check")
def nli_check(
    model: Annotated[str, typer.Argument(help="local folder of an NLI model, or its hub id")],
    pairs: Annotated[
        Path | None, typer.Option(help="labelled pairs: JSON lines with premise, hypothesis and label")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="results/<run>: null pairs are drawn from its reference atoms")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="commit hash or tag, for a hub id")] = None,
    labels: Annotated[
        str | None, typer.Option(help="the model's classes in its order, with commas, where its config lacks them")
    ] = None,
) -> None:
    """Check an NLI model before it judges: accuracy, false contradictions, calibration.

    Labels are entailment, neutral and contradiction; pairs that people
    found ambiguous count as no contradiction, and not for the accuracy.
    Null pairs are atoms of different molecules: hardly one of them should
    be called an entailment or a contradiction.
    """
    from molmix.judges.nli.check import check_nli

    named = [label.strip() for label in labels.split(",")] if labels else None
    _print(list(check_nli(model, revision=revision, labels=named, pairs=pairs, run=run)))


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


@app.command()
def explain(
    metric: Annotated[str, typer.Argument(help="a column of the scores: atomic_f1, hallucination, bleu4, recall, …")],
    model: Annotated[str, typer.Argument(help="id in the model table")],
    test: Annotated[str, typer.Argument(help="name of the test set")],
    caption: Annotated[
        str | None, typer.Argument(metavar="ID", help="id of the caption; default: list the worst")
    ] = None,
    configfile: ConfigFile = Path("config/config.yaml"),
) -> None:
    """Show everything behind one score: texts, atoms, probabilities, and how they add up."""
    from molmix.report.explain import explain, worst

    study = loading.load(configfile)
    lines = worst(study, metric, model, test) if caption is None else explain(study, metric, model, test, caption)
    for line in lines:
        typer.echo(escape_control(line))


@app.command()
def explorer(
    configfile: ConfigFile = Path("config/config.yaml"),
    out: Annotated[Path | None, typer.Option(help="folder to write; default results/<run>/work/explorer")] = None,
) -> None:
    """Make the explorer of an unfinished run: pages of everything that is scored so far.

    For a finished run use `snakemake --cores all explorer`. A folder is
    replaced only if molmix made it.
    """

    from molmix.report.explorer import build_explorer

    study = loading.load(configfile)
    folder = out or Path(f"results/{study.run}/work/explorer")
    missing = build_explorer(study, folder, str(configfile))
    _print([(f"Open {folder}/index.html. Tables that are not there: {len(missing)}",), *((f"  {m}",) for m in missing)])


@app.command()
def status(
    targets: Annotated[list[str] | None, typer.Argument(help="as for snakemake; default: the tables")] = None,
    configfile: ConfigFile = Path("config/config.yaml"),
    watch: Annotated[bool, typer.Option("--watch", help="show it again every 5 s, until the run has ended")] = False,
) -> None:
    """Show how far a run is: jobs done, running, failed and left by stage, training losses, estimated time left.

    It only reads files, so you can use it while a run is under way, here or
    on a cluster, and with read access only.

    Done: Snakemake would not run the job again.
    Running: recorded so in .snakemake/. If Snakemake itself was killed, the
    records stay until `molmix recover`.
    Failed: the last try gave no result; interrupted jobs count too.
    A running job tells its progress after 5 seconds, and then every 30.
    Time left: from the mean time of finished jobs of the same stage, for as
    many jobs at a time as run now. Queues and other machines are not seen.
    """
    from rich.console import Console, Group
    from rich.live import Live

    from molmix.pipeline.status.graph import jobs
    from molmix.pipeline.status.show import status_report
    from molmix.pipeline.status.state import job_statuses
    from molmix.pipeline.status.watch import watch as statuses

    study = loading.load(configfile)
    work = Path(f"results/{study.run}/work/align")
    console = Console(highlight=False, soft_wrap=not watch)  # lines that wrap can be drawn over
    if watch:
        with Live(console=console, auto_refresh=False) as live, suppress(KeyboardInterrupt):
            for found, since in statuses(lambda: jobs(configfile, targets or [])):
                live.update(Group(*status_report(study.run, found, since, work)), refresh=True)
        return
    for part in status_report(study.run, *job_statuses(jobs(configfile, targets or [])), work):
        console.print(part)


@app.command()
def recover(
    command: Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND]", help="run it afterwards")] = None,
    configfile: ConfigFile = Path("config/config.yaml"),
    ended_on: Annotated[
        str | None, typer.Option(metavar="HOST", help="Snakemake ran on this other machine, and has ended there")
    ] = None,
) -> None:
    """After Snakemake was killed, here or on a cluster: cancel leftover jobs, unlock the folder, and resume.

    Run it in the folder and on the machine that Snakemake ran on. A
    Snakemake that runs, another user's, and one that may run on another
    machine are left alone. Jobs in SLURM are cancelled and waited for, and
    so are processes here: a new Snakemake cannot take them over.
    Trainings resume from their last checkpoint.

    molmix recover -- snakemake --workflow-profile profiles/slurm
    """
    from molmix.pipeline.recover import recover

    done = False
    for line in recover(loading.load(configfile).run, Path.cwd(), ended_on):
        typer.echo(escape_control(line))
        done = True
    if command:
        os.execvp(command[0], command)  # noqa: S606 # the user's own command, unchanged
    typer.echo("Now give your snakemake command again." if done else "Nothing to recover.")


@app.command()
def plan(
    targets: Annotated[list[str] | None, typer.Argument(help="as for snakemake; default: the tables")] = None,
    configfile: ConfigFile = Path("config/config.yaml"),
    at_once: Annotated[int, typer.Option(min=1, help="merges, and trainings, that run at the same time")] = 1,
    tflops: Annotated[float | None, typer.Option(min=0.001, help="TFLOP/s that jobs reach on a GPU")] = None,
    bandwidth: Annotated[float | None, typer.Option(min=0.001, help="TB/s of its memory that jobs reach")] = None,
    cpu_tflops: Annotated[float | None, typer.Option(min=0.0001, help="TFLOP/s that jobs reach without a GPU")] = None,
    cpu_bandwidth: Annotated[float | None, typer.Option(min=0.0001, help="TB/s of memory that they reach")] = None,
    prompt_tokens: Annotated[int | None, typer.Option(min=1, help="tokens of a prompt")] = None,
    answer_tokens: Annotated[int | None, typer.Option(min=1, help="tokens of an answer")] = None,
) -> None:
    """Show what a run will cost: jobs, hours, disk and downloads by stage.

    It starts nothing. Hours are those of earlier jobs. Where none ran, hours
    of training and generation are computed if you state how long your texts
    are (--prompt-tokens, --answer-tokens) and what your hardware reaches:
    --tflops and --bandwidth count for jobs that `hardware.gpus` gives a GPU,
    --cpu-tflops and --cpu-bandwidth for all others. Other hours are not known.
    """
    from rich.console import Console

    from molmix.pipeline.plan.counts import count
    from molmix.pipeline.plan.disk import held, left_to_fetch
    from molmix.pipeline.plan.shapes import sizes
    from molmix.pipeline.plan.show import plan_report
    from molmix.pipeline.plan.times import Estimator, Stated, stages
    from molmix.pipeline.status.graph import jobs

    study = loading.load(configfile)
    models, rows = model_table.build(study), count(study)
    shapes = sizes(study, models)

    rates: dict[str, Stated] = {}
    for name, flops, memory in (("GPU", tflops, bandwidth), ("CPU", cpu_tflops, cpu_bandwidth)):
        if flops and memory and prompt_tokens and answer_tokens:
            rates[name] = Stated(flops * 1e12, memory * 1e12, prompt_tokens, answer_tokens)
        elif flops or memory or (not (rates or cpu_tflops) and (prompt_tokens or answer_tokens)):
            pairs = "--tflops and --bandwidth (or --cpu-tflops and --cpu-bandwidth)"
            raise typer.BadParameter(f"{pairs}, --prompt-tokens and --answer-tokens are stated together")
    estimator = Estimator(study, models, shapes, rows, gpu=rates.get("GPU"), cpu=rates.get("CPU"))
    costs = stages(jobs(configfile, targets or []), study.run, estimator)
    named = "; ".join(f"on a {name} {rate.describe()}" for name, rate in rates.items())
    disk = held(study, models, shapes, at_once)
    console = Console(highlight=False, soft_wrap=True)
    console.print(models.expansion())
    for part in plan_report(study.run, costs, disk, left_to_fetch(study), rows, named or None):
        console.print(part)


@app.command()
def prefetch(configfile: ConfigFile = Path("config/config.yaml")) -> None:
    """Download every model and data set of a study into the hub's cache, for nodes without a network.

    Run it on a machine with a network, and give the jobs the same HF_HOME:
    then no job contacts the hub. If it was interrupted, run it again: it
    downloads only what is missing. Gated models need HF_TOKEN.
    """
    from molmix.pipeline.prefetch import prefetch as fetch

    study, floating = loading.load(configfile), []
    model_table.build(study)
    fetched = False
    for one in fetch(study):
        fetched = True
        typer.echo(f"{one.download.key}: {one.download.repository} at {one.commit}, {one.size / 1e9:.3f} GB")
        if not one.download.pinned:
            floating.append(f"  {one.download.key}: {one.download.revision!r} is {one.commit} now")
    if not fetched:
        typer.echo("Nothing to download: the study names no model and no data set of the hub.")
    if floating:
        typer.echo("These revisions can change; put the commit into the config instead:\n" + "\n".join(floating))


@app.command()
def score(
    references: Annotated[Path, typer.Argument(help="file of the references: TSV, CSV, JSONL, Parquet, or .txt")],
    captions: Annotated[list[Path], typer.Argument(help="file of each system's captions")],
    out: Annotated[Path, typer.Option(help="folder to write: new, empty, or of an earlier `molmix score`")],
    nli: Annotated[
        str | None, typer.Option(help="NLI model: a local folder, or a hub id as organisation/name@commit")
    ] = None,
    judge: Annotated[list[str] | None, typer.Option(help="kind of judge, may be repeated; default atomic")] = None,
    labels: Annotated[
        str | None, typer.Option(help="what the NLI model's classes mean, in order: entailment,neutral,contradiction")
    ] = None,
    id: Annotated[str | None, typer.Option(help="column of the ids")] = None,
    molecule: Annotated[str | None, typer.Option(help="column of the SMILES")] = None,
    reference: Annotated[str | None, typer.Option(help="column of the references")] = None,
    caption: Annotated[str | None, typer.Option(help="column of the captions")] = None,
    quoting: Annotated[
        Literal["minimal", "none"], typer.Option(help="`none` reads quotes of TSV and CSV as text")
    ] = "minimal",
    strict: Annotated[
        bool, typer.Option("--strict", help="stop if the NLI model cannot read the references; else the table warns")
    ] = False,
) -> None:
    """Judge the captions of one or more systems: a table with tests, and the explorer, without a config file.

    Captions are joined to references by id if both files have ids, else by
    SMILES if both have them, else by order. Columns are found by their usual
    names. The config is written to OUT, and Snakemake runs it there: give
    the same command again to go on after an interruption.
    """
    import subprocess

    from molmix.pipeline.caption_study import CONFIG, RUN, write_study

    command, notes = write_study(
        references,
        captions,
        out,
        nli=nli,
        labels=[label.strip() for label in labels.split(",")] if labels else None,
        kinds=judge or ["atomic"],
        columns={"id": id, "molecule": molecule, "reference": reference, "caption": caption},
        quoting=quoting,
        strict=strict,
    )
    for note in notes:
        typer.echo(note)
    out = out.absolute()  # as Snakemake prints paths
    typer.echo(f"Wrote {out / CONFIG}. Its first lines say how to run it again.")
    if code := subprocess.run(command, check=False).returncode:  # noqa: S603 (molmix's own command)
        typer.echo(f"Other paths in these messages are relative to {out}.", err=True)
        raise typer.Exit(code)
    results = out / "results" / RUN
    typer.echo(f"\n{(results / 'tables/leaderboard.md').read_text(encoding='utf-8')}")
    _print([("Tables:", f"{results / 'tables'}/"), ("Explorer:", f"{results / 'explorer/index.html'}")])
    typer.echo(f"What is behind a figure: cd {out} && molmix explain --configfile {CONFIG} METRIC SYSTEM TEST")


def run() -> None:
    """Entry point. Errors that the user can fix are printed as one message, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # captions are not all ASCII
    try:
        app()
    except MolmixError as error:
        typer.echo(f"molmix: {error}", err=True)
        raise SystemExit(1) from None
    except OSError as error:  # no permission, a file in place of a folder, or a full disk (whose error names no file)
        if not error.filename and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        said = fault(error.filename or "molmix", str(error.strerror), "run it where this file can be read and written")
        typer.echo(f"molmix: {said}", err=True)
        raise SystemExit(1) from None
