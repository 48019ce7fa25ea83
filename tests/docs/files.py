"""docs/files.md, held against what a run made."""

import re
from pathlib import Path

from tests.docs.snippets import ROOT

PAGE = ROOT / "docs/files.md"


def documented(run: str) -> dict[str, re.Pattern[str]]:
    """The paths that the page's tables name, of one run; a path that ends in `/` stands for all below it."""
    found = {}
    for row in re.findall(r"^\| (`.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        for path in re.findall(r"`([^`]+)`", row):
            whole = path if path.startswith(("results/", "logs/")) else f"results/<run>/{path}"
            pattern = re.sub(r"<[^>]+>|…", ".+", re.escape(whole.replace("<run>", run)).replace(r"\-…", "-…"))
            found[path] = re.compile(pattern + (".+" if path.endswith("/") else ""))
    return found


def made(folder: Path) -> list[str]:
    """Every file below results/ and logs/."""
    files = [path for top in ("results", "logs") for path in (folder / top).rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(folder)) for path in files if path.name != ".snakemake_timestamp")


def undocumented(folder: Path, run: str) -> list[str]:
    """Files that the page does not name."""
    patterns = documented(run).values()
    return [path for path in made(folder) if not any(pattern.fullmatch(path) for pattern in patterns)]


def absent(folder: Path, run: str) -> set[str]:
    """Paths that the page names and the run did not make."""
    files = made(folder)
    return {path for path, pattern in documented(run).items() if not any(map(pattern.fullmatch, files))}
