"""The `molmix` command: looks at a study, never runs it (that is Snakemake's)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from molmix import config, table
from molmix.errors import MolmixError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
ConfigFile = Annotated[Path, typer.Option("--configfile", help="the study to look at")]


@app.callback()
def main() -> None:
    """Look at a molmix study. Results are made by `snakemake`; see README.md."""


@app.command()
def models(configfile: ConfigFile = Path("config/config.yaml")) -> None:
    """Print the model table: every model the study makes, and from what."""
    rows = [("id", "kind", "method", "parents", "seed")]
    for row in table.build(config.load(configfile)).values():
        rows.append((row.id, row.kind, row.method, " + ".join(row.parents) or "-", str(row.seed)))
    _print(rows)


@app.command()
def store(
    folder: Annotated[Path, typer.Argument(help="the stores to look at")] = Path("results/store/nli"),
    compact: Annotated[bool, typer.Option("--compact", help="put each store's files into one first")] = False,
) -> None:
    """Print the pair stores: what every NLI model said of pairs so far. They are caches: losing one costs time only."""
    from molmix.nli.report import report

    _print(report(folder, compact=compact))


def _print(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def run() -> None:
    """Entry point: a mistake of the user's ends in one message, not in a traceback."""
    try:
        app()
    except MolmixError as error:
        typer.echo(f"molmix: {error}", err=True)
        raise SystemExit(1) from None
