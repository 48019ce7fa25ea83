"""Markdown tables as HTML pages that open from disk, without scripts and without a network."""

from __future__ import annotations

from html import escape
from pathlib import Path

from molmix.core.errors import fault
from molmix.core.files import make_again, write_atomically

# The page runs no scripts and loads nothing, for any text in a table.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: #8886; --head: light-dark(#f2f2f2, #2a2a2a); }
body { font: 14px/1.45 system-ui, sans-serif; margin: 1rem; background: light-dark(#fff, #1b1b1b); }
h1 { font-size: 1.3rem; } h2, h3 { font-size: 1.05rem; margin-top: 1.6rem; }
p, ul { max-width: 75ch; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); }
th { background: var(--head); text-align: left; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--head); }
tr:hover td { background: var(--head); }
"""


def html_page(title: str, text: str) -> str:
    """A complete HTML page of Markdown with tables; HTML in the text is shown as text."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    body = reader.render(text)
    # Wide tables get their own scroll bar and can be scrolled with the keyboard.
    body = body.replace("<table>", '<div class="table" tabindex="0"><table>').replace("</table>", "</table></div>")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def write_page(source: Path, target: Path) -> None:
    """Write a Markdown file as an HTML page.

    Raises:
        MolmixError: the file cannot be read.
    """
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise fault(source, f"cannot be read ({error})", make_again(source)) from None
    with write_atomically(target) as temporary:
        temporary.write_text(html_page(source.stem, text), encoding="utf-8")
