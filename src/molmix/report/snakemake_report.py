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
from molmix.report.pages import html_body

log = logging.getLogger(__name__)

# Snakemake's page has no style for tables, puts backticks around code, and centres its text vertically, so that the
# top of a long one cannot be reached. On a narrow screen, its menu and its graph leave no room for the text: there they
# stand above and below it.
_STYLE = """<style>
.h-screen.items-center { align-items: flex-start; justify-content: flex-start; }
.prose.max-w-lg { max-width: 42rem; min-width: 0; }
.prose code::before, .prose code::after { content: none !important; }
.wide { overflow-x: auto; }
.wide table { border-collapse: collapse; white-space: nowrap; font-size: .8rem; margin: .5rem 0; }
.wide th, .wide td { padding: .1rem .5rem; border-bottom: 1px solid #8886; }
@media (max-width: 1000px) {
.flex-row.h-screen { flex-direction: column; overflow: auto; }
.flex-row.h-screen > nav, .flex-row.h-screen > .grow { width: 100%; height: auto; flex: none; overflow: visible; }
.grow.items-start { flex-direction: column; min-width: 0; }
.prose.max-w-lg { max-width: calc(100vw - 1.5rem); overflow-wrap: anywhere; }
}
</style>""".replace("\n", " ")

ABOUT = "MOLMIX_ABOUT"  # environment variable: file with the first page of the report, which the Snakefile reads


def write_report(*, config: Mapping[str, Any], targets: Sequence[str], front: str, page: Path) -> None:
    """Let Snakemake write its report of finished results: one HTML file that opens from disk.

    A second Snakemake starts inside the running one. It only reads jobs from ``.snakemake/metadata``, and results that
    the workflow marks with `report()`.

    Args:
        config: the whole config of the run.
        targets: files of the results.
        front: the first page in Markdown (:func:`molmix.report.front_page.front_page`).
        page: the file to write.

    Raises:
        MolmixError: Snakemake fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        study, first_page, made = (Path(folder) / name for name in ("study.yaml", "about.rst", "report.html"))
        study.write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
        first_page.write_text(_as_rst(front), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(find_snakefile()), *targets]
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


def _as_rst(text: str) -> str:
    """Markdown as reStructuredText that holds the HTML of it. Jinja, which Snakemake applies first, changes nothing."""
    lines = [_STYLE, *html_body(text).replace("{%", "&#123;%").splitlines()]
    return "\n".join(["{% raw %}", ".. raw:: html", "", *(f"   {line}" for line in lines), "", "{% endraw %}", ""])
