"""`make bench`: what people would use instead, and molmix, side by side in one run; prints a table of ratios.

Each measurement runs both sides in turn on the same inputs, so that a machine that slows down slows both; figures are
medians. Absolute figures are this machine's, ratios are what to look at. Give names to run some of the sections only:
``python -m benchmarks merging metrics``. Each section is a process of its own, and what it prints goes to standard
error. A section that fails is named in the table, and at the end the status is 1. If all sections ran, their table is
also written into docs/speed.md.
"""

import os
import re
import subprocess
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.common import ROOT, measure_section

SECTIONS = ("metrics", "nli", "generation", "training", "merging", "merge_matrix", "explorer")
SECTIONS += ("workflow", "scale", "cluster")
BY_NAME = ("merge_memory",)  # long, or for a large machine
HEADER = "| what | molmix | instead | ratio | asked for |\n| --- | --- | --- | --- | --- |\n"
PAGE = ROOT / "docs/speed.md"


def main() -> None:
    chosen = sys.argv[1:] or SECTIONS
    unknown = sorted(set(chosen) - {*SECTIONS, *BY_NAME})
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(SECTIONS + BY_NAME)}")
    begin, table, failed = time.perf_counter(), HEADER, []
    print(table, end="", flush=True)
    for number, section in enumerate(chosen, 1):
        _say(f"{section} ({number} of {len(chosen)}) begins")
        start = time.perf_counter()
        try:
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                rows = process.submit(measure_section, section).result()
        except Exception as error:
            traceback.print_exc()
            failed.append(section)
            rows = [(f"{section}: failed ({type(error).__name__})", "-", "-", "-", "-")]
        lines = "".join(f"| {' | '.join(row)} |\n" for row in rows)
        table += lines
        print(lines, end="", flush=True)
        _say(f"{section} ended after {time.perf_counter() - start:.0f} s")
    took = f"{(time.perf_counter() - begin) / 60:.1f} minutes"
    _say(f"all of it took {took}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    if tuple(chosen) == SECTIONS:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_table(page, f"{table}\n{_origin(took)}\n"), encoding="utf-8")
        _say(f"wrote the table into {PAGE}")


def with_table(page: str, table: str) -> str:
    """The page with the table between its two comments."""
    return re.sub(
        r"(<!-- make bench -->\n).*?(<!-- end -->)", lambda found: found[1] + table + found[2], page, flags=re.S
    )


def _origin(took: str) -> str:
    """What the table was measured with."""
    names = re.findall(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    cores = f"{len(os.sched_getaffinity(0))} cores of {names[0] if names else 'an unknown CPU'}"
    return f"<sub>`make bench`: {took} on {cores}, commit {commit.strip()[:12] or 'unknown'}.</sub>"


def _say(what: str) -> None:
    print(f"[bench] {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
