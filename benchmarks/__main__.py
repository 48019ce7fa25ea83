"""`make bench`: what people would use instead, and molmix, side by side in one run; prints a table of ratios.

Each measurement runs both sides in turn on the same inputs, so that a machine that slows down slows both; figures are
medians. Absolute figures are this machine's, ratios are what to look at. Give names to run some of them only:
``python -m benchmarks merging metrics``.
"""

import sys
from contextlib import redirect_stdout
from importlib import import_module

SECTIONS = ("metrics", "nli", "generation", "training", "merging", "merge_matrix", "explorer")
SECTIONS += ("workflow", "scale", "cluster")
BY_NAME = ("merge_memory",)  # long, or for a large machine


def main() -> None:
    chosen = sys.argv[1:] or SECTIONS
    unknown = sorted(set(chosen) - {*SECTIONS, *BY_NAME})
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(SECTIONS + BY_NAME)}")
    print("| what | molmix | instead | ratio | asked for |\n| --- | --- | --- | --- | --- |", flush=True)
    for section in chosen:
        with redirect_stdout(sys.stderr):  # trainers' chatter: standard output is for the table
            rows = import_module(f"benchmarks.{section}").measure()
        for row in rows:
            print("| " + " | ".join(row) + " |", flush=True)


main()
