"""Writes the figures and the tables of README and docs from finished runs: `make figures`.

A table stands between two comments of a page:

    <!-- table: demo/leaderboard; section: id; rows: agnostic, mol2cap; columns: hallucination, coverage -->
    <!-- end -->

It comes from ``results/demo/tables/leaderboard.md``: the section whose title begins with `section`, and of it the rows
whose first cell is listed and the columns whose title begins with a listed text (all, if none are listed). Its last
line names the run, the digest of its config and the commit.

Two kinds of tables are made here and not by a run. ``demo/jobs`` holds what the jobs of the run took, by rule.
``small-local/captions`` holds what the listed `models` wrote about the molecules with the listed `ids` of a test set:

    <!-- table: small-local/captions; test: chebi20; models: smollm2, smollm2.sft; ids: 702 -->
    <!-- end -->
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIGURES = ROOT / "docs/figures"
# Figures of pages, and where they come from.
COPIED = {
    "results.md": {"tradeoff.svg": "demo/plots/tradeoff.svg"},
    "judges.md": {"judges-id.png": "judge/plots/judges-id.png"},
    "grpo.md": {"rewards.svg": "grpo/plots/rewards.svg"},
    "small.md": {"small-effects.svg": "small-local/plots/effects-chebi20.svg"},
}
# What the explorer's picture shows: see docs/explorer.md.
VIEW = {"test": "id", "a": "agnostic.sft", "b": "mol2cap", "metric": "atomic_f1", "id": "w00558"}
# The overview: name of a box, its position (column, row), and what stands in it, title first.
BOXES = {
    "corpus": (0, 0, "Molecules\nwith captions"),
    "share": (1, 0, "A tenth of them\nand preference pairs"),
    "align": (2, 0, "Align\nSFT, DPO, GRPO, …"),
    "merge": (3, 0, "Merge\nSLERP, TIES, linear, …"),
    "captions": (3, 1, "Caption\nmolecules not seen before"),
    "judge": (2, 1, "Judge\natoms, by NLI"),
    "compare": (1, 1, "Compare\nintervals, paired tests"),
    "pages": (0, 1, "Read\ntables, report, explorer"),
    "own": (2, 2, "Your own captions\nand references"),
}
ARROWS = [*pairwise(["corpus", "share", "align", "merge", "captions", "judge", "compare", "pages"]), ("own", "judge")]
# Runs on real captions, which are not part of the project, and the target of `make` that makes them.
REAL = {"judge-chebi20": "judge-figures", "judge-pubchem324k": "judge-figures", "small-local": "small-figures"}

BLOCK = re.compile(r"<!-- table: (?P<source>[\w/-]+)(?P<options>[^>]*) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)
SOURCE = re.compile(
    r"^<sub>Run `(?P<run>[\w-]+)`, config (?P<config>\w+), commit (?P<commit>\w+)\.</sub>$", re.MULTILINE
)
_PROVENANCE = re.compile(r"^- Config (\w+)[^;]*; molmix [^,\n]+, commit (\w+)", re.MULTILINE)


def update(page: str, results: Path, runs: Collection[str] | None = None) -> str:
    """A page with its tables written anew.

    Args:
        page: the Markdown.
        results: folder of the runs.
        runs: only tables of these runs are written; None for all.

    Raises:
        ValueError: a run has no such table, section, row or column, or its table names no commit.
    """

    def written(block: re.Match[str]) -> str:
        run = block["source"].partition("/")[0]
        if (runs is not None and run not in runs) or (run in REAL and not (results / run).is_dir()):
            return block[0]
        return f"{block[0].partition(' -->')[0]} -->\n{_table(block, results)}<!-- end -->"

    return BLOCK.sub(written, page)


def _table(block: re.Match[str], results: Path) -> str:
    run, _, name = block["source"].partition("/")
    options = dict(part.strip().split(": ", 1) for part in block["options"].split(";") if part.strip())
    table = "leaderboard" if name in ("captions", "jobs") else name
    text = (results / run / f"tables/{table}.md").read_text(encoding="utf-8")
    made = _PROVENANCE.search(text)
    if made is None:
        raise ValueError(f"{run}/{name}: the table names no config and commit")
    source = f"<sub>Run `{run}`, config {made[1]}, commit {made[2][:12]}.</sub>"
    if name == "captions":
        return _captions(results / run / "predictions", options) + source + "\n"
    if name == "jobs":
        return _jobs(results / run / "benchmarks") + source + "\n"
    header, *rows = _rows(text, options.get("section", ""), block["source"])
    columns = _chosen(header, options.get("columns"), block["source"])
    by_name = {row[0]: row for row in rows}
    names = _listed(options["rows"]) if "rows" in options else None
    if names and not set(names) <= by_name.keys():
        raise ValueError(f"{block['source']} has no row {', '.join(set(names) - by_name.keys())}")
    shown = [by_name[name] for name in names] if names else rows
    lines = [header, ["---", *["---:"] * (len(columns) - 1)], *shown]
    lines = [[line[column] for column in columns] if len(line) == len(header) else line for line in lines]
    return "\n".join(["", *(f"| {' | '.join(line)} |" for line in lines), "", source, ""])


def _jobs(benchmarks: Path) -> str:
    """What the jobs of a run took, a row for each rule, the most expensive first."""
    from molmix.report.plots.cost import read_benchmarks

    jobs = read_benchmarks(benchmarks)
    rules = jobs.groupby("rule").agg(
        n=("cpu", "size"), cpu=("cpu", "sum"), wall=("seconds", "sum"), mb=("megabytes", "max")
    )
    rules = rules.sort_values("cpu", ascending=False, kind="stable")
    lines = ["| rule | jobs | CPU, s | share | wall, s | memory, MB |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    total = rules["cpu"].sum()
    for rule, row in rules.iterrows():
        lines.append(
            f"| {rule} | {row.n:.0f} | {row.cpu:.1f} | {row.cpu / total:.0%} | {row.wall:.0f} | {row.mb:.0f} |"
        )
    lines.append(f"| all | {rules.n.sum()} | {total:.0f} | 100% | {rules.wall.sum():.0f} | {rules.mb.max():.0f} |")
    return "\n".join(["", *lines, "", ""])


def _captions(predictions: Path, options: dict[str, str]) -> str:
    """What models wrote about some molecules of a test set, a table for each molecule."""
    import pyarrow.parquet as pq

    parts, written = [], {}
    for model in _listed(options["models"]):
        rows = pq.read_table(predictions / model / f"{options['test']}.parquet", columns=["id", "text"]).to_pylist()
        written[model] = {row["id"]: re.sub(r"([\\|*_<`\[])", r"\\\1", " ".join(row["text"].split())) for row in rows}
    for number in _listed(options["ids"]):
        parts += [
            "",
            f"| [CID {number}](https://pubchem.ncbi.nlm.nih.gov/compound/{number}) | caption |",
            "| --- | --- |",
        ]
        parts += [f"| {model} | {texts[number]} |" for model, texts in written.items()]
    return "\n".join([*parts, "", ""])


def _rows(text: str, section: str, source: str) -> list[list[str]]:
    """Cells of a section's table, the header first."""
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        if part.startswith(section):
            lines = [line for line in part.splitlines() if line.startswith("|")]
            cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
            return [[cell.strip() for cell in line] for index, line in enumerate(cells) if index != 1]
    raise ValueError(f"{source} has no section that begins with {section!r}")


def _chosen(header: list[str], wanted: str | None, source: str) -> list[int]:
    if wanted is None:
        return [*range(len(header))]
    found = [0]
    for name in _listed(wanted):
        columns = [index for index, title in enumerate(header) if title.startswith(name)]
        if not columns:
            raise ValueError(f"{source} has no column {name!r}: {header}")
        found.append(columns[0])
    return found


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def parse_rulegraph(dot: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Rules by number, and pairs of numbers (rule, rule that needs it), of what ``snakemake --rulegraph`` prints."""
    rules = dict(re.findall(r'^\s*(\d+)\[label = "([^"]+)"', dot, re.MULTILINE))
    arrows = [pair for pair in re.findall(r"^\s*(\d+) -> (\d+)", dot, re.MULTILINE) if pair[0] in rules]
    return rules, [pair for pair in arrows if pair[1] in rules]


def layers_of(rules: dict[str, str], arrows: list[tuple[str, str]]) -> list[list[str]]:
    """Rules in layers: each stands below what it needs, and near the middle of that.

    Rules can need each other (aligned models are merged, merges are aligned): a circle starts where fewest are missing.
    """
    needs: dict[str, list[str]] = {rule: [] for rule in rules}
    for first, second in arrows:
        needs[second].append(first)
    depth: dict[str, int] = {}
    while left := [rule for rule in rules if rule not in depth]:
        rule = min(left, key=lambda rule: len(set(needs[rule]) - depth.keys() - {rule}))
        depth[rule] = 1 + max((depth[need] for need in needs[rule] if need in depth), default=-1)
    for rule in reversed(depth):  # as far down as possible
        depth[rule] = min((depth[b] - 1 for a, b in arrows if a == rule and depth[b] > depth[a]), default=depth[rule])
    layers: list[list[str]] = [[] for _ in range(1 + max(depth.values()))]
    for rule, level in depth.items():
        layers[level].append(rule)
    where: dict[str, float] = {}
    for layer in layers:
        layer.sort(key=lambda rule: sum(where.get(need, 0.5) for need in needs[rule]) / max(1, len(needs[rule])))
        where |= {rule: (index + 0.5) / len(layer) for index, rule in enumerate(layer)}
    return layers


def without_shortcuts(arrows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The arrows without those that follow from others (transitive reduction)."""
    after: dict[str, set[str]] = {}
    for first, second in arrows:
        after.setdefault(first, set()).add(second)

    def reach(rule: str, seen: set[str]) -> set[str]:
        for other in after.get(rule, set()) - seen:
            seen.add(other)
            reach(other, seen)
        return seen

    return [(a, b) for a, b in arrows if not any(b in reach(other, {a}) for other in after[a] - {a, b})]


def draw_rulegraph(dot: str, svg: Path) -> None:
    """Draw the rules from top to bottom, with an arrow from each to the rules that need its results.

    Arrows that follow from others are left out, and so are those that point upwards (aligned models that start from a
    merge).
    """
    from matplotlib.figure import Figure

    from molmix.report.plots.style import INK, PALE, save_svg, style

    rules, arrows = parse_rulegraph(dot)
    layers = layers_of(rules, arrows)
    level = {rule: depth for depth, layer in enumerate(layers) for rule in layer}
    arrows = without_shortcuts([pair for pair in arrows if level[pair[0]] < level[pair[1]]])
    with style():
        figure = Figure(figsize=(6.8, 0.5 * len(layers)), layout="constrained")
        axes = figure.subplots()
        positions = {
            rule: ((index + 0.5) / len(layer), -depth)
            for depth, layer in enumerate(layers)
            for index, rule in enumerate(layer)
        }
        for first, second in arrows:
            axes.annotate(
                "",
                positions[second],
                positions[first],
                arrowprops={"arrowstyle": "-|>", "color": PALE, "linewidth": 0.7, "shrinkA": 7, "shrinkB": 10},
            )
        for rule, (x, y) in positions.items():
            box = {"boxstyle": "round,pad=.3", "facecolor": "white", "edgecolor": INK, "linewidth": 0.7}
            axes.text(x, y, rules[rule], ha="center", va="center", bbox=box)
        axes.set_xlim(0, 1)
        axes.set_ylim(0.5 - len(layers), 0.5)
        axes.set_axis_off()
        save_svg(figure, svg)


def draw_overview(svg: Path) -> None:
    """Draw what a study does, from molecules with captions to tables (:data:`BOXES`, :data:`ARROWS`)."""
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

    from molmix.report.plots.style import INK, PALE, save_svg, style

    with style():
        figure = Figure(figsize=(6.8, 2.1), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        for column, row, text in BOXES.values():
            title, line = text.split("\n")
            shade = PALE if (column, row) == (2, 2) else "white"
            axes.add_patch(
                FancyBboxPatch(
                    (column - 0.41, -row - 0.27), 0.82, 0.54, "round,pad=0,rounding_size=.06", fc=shade, ec=INK, lw=0.8
                )
            )
            axes.text(column, -row + 0.09, title, ha="center", va="center", weight="bold")
            axes.text(column, -row - 0.12, line, ha="center", va="center", size=6.5)
        for first, second in ARROWS:
            (x, y), (u, v) = BOXES[first][:2], BOXES[second][:2]
            start = (x + 0.41 * (u - x), -y - 0.27 * (v - y))
            end = (u - 0.41 * (u - x), -v + 0.27 * (v - y))
            axes.annotate(
                "", end, start, arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
            )
        axes.set_xlim(-0.5, 3.5)
        axes.set_ylim(-2.35, 0.35)
        axes.set_axis_off()
        save_svg(figure, svg)


def photograph_explorer(results: Path, png: Path) -> None:
    """Take a picture of the explorer of the embedded study, at :data:`VIEW`, with an installed chromium."""
    from playwright.sync_api import sync_playwright

    from molmix.config import loading
    from molmix.report.explorer import build_explorer

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(results.parent), sync_playwright() as playwright:
        build_explorer(loading.load(ROOT / "config/config.yaml"), Path(folder, "explorer"))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(Path(folder, "explorer/index.html").as_uri() + "#" + urlencode(VIEW))
        page.wait_for_selector("#detail .answer")
        page.screenshot(path=png)
        browser.close()


def main(results: Path, *names: str) -> None:
    """Write all tables and figures from the runs in a folder; or only those of the named pages and of the named runs.

    The tables of real captions (:data:`REAL`) stay as they are if their runs are not there: their data are not part of
    the project.
    """
    for page in PAGES:
        text, whole = page.read_text(encoding="utf-8"), not names or page.name in names
        page.write_text(update(text, results, None if whole else names), encoding="utf-8")
        for figure, source in COPIED.get(page.name, {}).items():
            run = source.partition("/")[0]
            if (whole or run in names) and (run not in REAL or (results / run).is_dir()):
                shutil.copyfile(results / source, FIGURES / figure)
    if not names or "README.md" in names:
        draw_overview(FIGURES / "overview.svg")
        photograph_explorer(results, FIGURES / "explorer.png")
    if names:
        return
    command = ["snakemake", "all", "judge", "report", "--rulegraph", "--configfile", "config/config.yaml"]
    dot = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    draw_rulegraph(dot, FIGURES / "rules.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "results", *sys.argv[2:])
