"""Snakemake's report of a run, made by a job of the run."""

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
from molmix.pipeline.setup import find_snakefile

log = logging.getLogger(__name__)

ABOUT = "MOLMIX_ABOUT"  # environment variable: file with the first page of the report, which the Snakefile reads


def write_report(
    *, config: Mapping[str, Any], targets: Sequence[str], about: Sequence[str], warnings: Sequence[str], page: Path
) -> None:
    """Let Snakemake write its report of finished results: one HTML file that opens from disk.

    A second Snakemake starts inside the running one. It only reads jobs from ``.snakemake/metadata``, and results that
    the workflow marks with `report()`.

    Args:
        config: the whole config of the run.
        targets: files of the results.
        about: provenance of the results, as items of a Markdown list (:func:`molmix.analysis.provenance.provenance`).
        warnings: what the first page warns of, in words.
        page: the file to write.

    Raises:
        MolmixError: Snakemake fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        study, first_page, made = (Path(folder) / name for name in ("study.yaml", "about.rst", "report.html"))
        study.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
        snakefile = find_snakefile()
        opening = (snakefile.parent / "workflow/report/workflow.rst").read_text(encoding="utf-8")
        first_page.write_text(
            opening + _as_rst_list("Warnings", warnings) + _as_rst_list("Provenance", about), encoding="utf-8"
        )
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), *targets]
        command += ["--configfile", str(study), "--report", str(made), "--nolock"]
        # No job runs here, so the profile of the run is not needed.
        command += ["--profile", "none", "--workflow-profile", "none"]
        done = subprocess.run(  # noqa: S603 # no shell; molmix sets every word
            command, env=os.environ | {ABOUT: str(first_page)}, text=True, capture_output=True, check=False
        )
        log.info("%s%s", done.stdout, done.stderr)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise fault(page, f"Snakemake failed to make the report: {' '.join(last)}", "see the log of this rule")
        with write_atomically(page) as temporary:
            shutil.copyfile(made, temporary)


def _as_rst_list(title: str, items: Sequence[str]) -> str:
    """Items of a Markdown list as reStructuredText; nothing if there are none.

    They are also escaped for Jinja, which Snakemake applies first.
    """
    if not items:
        return ""
    special = str.maketrans({character: f"\\{character}" for character in "\\*`|_"})
    lines = [f"- {item.removeprefix('- ').translate(special)}" for item in items]
    return "\n".join(["", f"**{title}**", "", "{% raw %}", "", *lines, "", "{% endraw %}", ""])
