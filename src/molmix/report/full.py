"""Snakemake's own report, made from within a run."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from molmix.core.errors import fault
from molmix.core.files import write_atomically

log = logging.getLogger(__name__)

CHECKOUT = Path(__file__).resolve().parents[3]
ABOUT = "MOLMIX_ABOUT"  # the Snakefile takes the first page of the report from here, if it is set


def report(*, config: Mapping[str, Any], targets: Sequence[str], about: Sequence[str], page: Path) -> None:
    """Have Snakemake write its report of finished results: one HTML file that opens from disk.

    Snakemake runs a second time beside the run that this is a job of. It only reads: what jobs were, from
    ``.snakemake/metadata``, and the results that the workflow marks for its report.

    Args:
        config: the whole config of the run.
        targets: the results.
        about: where they come from, as items of a Markdown list (:func:`molmix.analysis.provenance.provenance`).
        page: the file to write.

    Raises:
        MolmixError: Snakemake refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        study, words, made = (Path(folder) / name for name in ("study.yaml", "about.rst", "report.html"))
        study.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
        opening = (CHECKOUT / "workflow/report/workflow.rst").read_text(encoding="utf-8")
        words.write_text(opening + _listed("Where it comes from", about), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(CHECKOUT / "Snakefile"), *targets]
        command += ["--configfile", str(study), "--report", str(made), "--nolock"]
        # The run's profile tells how to run jobs, and none is run here.
        command += ["--profile", "none", "--workflow-profile", "none"]
        done = subprocess.run(  # noqa: S603 # no shell, and every word is ours
            command, env=os.environ | {ABOUT: str(words)}, text=True, capture_output=True, check=False
        )
        log.info("%s%s", done.stdout, done.stderr)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise fault(page, f"Snakemake makes no report: {' '.join(last)}", "see this rule's log")
        with write_atomically(page) as temporary:
            shutil.copyfile(made, temporary)


def _listed(title: str, items: Sequence[str]) -> str:
    """A Markdown list's items in reStructuredText. They mean themselves, also to Jinja, which Snakemake reads it by."""
    special = str.maketrans({character: f"\\{character}" for character in "\\*`|_"})
    lines = [f"- {item.removeprefix('- ').translate(special)}" for item in items]
    return "\n".join(["", f"**{title}**", "", "{% raw %}", "", *lines, "", "{% endraw %}", ""])
