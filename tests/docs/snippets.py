"""The fenced blocks of the project's Markdown."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "config").glob("*.md")])


@dataclass(frozen=True)
class Snippet:
    """A fenced block.

    Attributes:
        page: the file that it stands in.
        line: of its fence, from 1.
        language: what the fence names.
        file: the path that a line of its own before it names, as ```` `src/x.py`: ````; empty where none does.
    """

    page: Path
    line: int
    language: str
    text: str
    file: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def snippets(page: Path) -> tuple[Snippet, ...]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    lines, found = text.splitlines(), []
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "fence" and token.map:
            above = [line for line in lines[: token.map[0]] if line.strip()][-1:]
            named = re.fullmatch(r"`([\w./-]+)`:", above[0]) if above else None
            found.append(
                Snippet(page, token.map[0] + 1, token.info.strip(), token.content, named.group(1) if named else "")
            )
    return tuple(found)
