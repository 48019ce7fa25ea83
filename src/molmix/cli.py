"""The `molmix` command: looks at a study, never runs it (that is Snakemake's)."""

from __future__ import annotations

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
