"""Markdown tables as HTML pages that open from disk, without scripts and without a network."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from molmix.core.errors import fault
from molmix.core.files import make_again, write_atomically

# The page runs no scripts and loads nothing, for any text in a table.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { color-scheme: light dark; --line: #8886; --head: light-dark(#f2f2f2, #2a2a2a); }
body { font: 14px/1.45 system-ui, sans-serif; margin: 1rem; background: light-dark(#fff, #1b1b1b); }
h1 { font-size: 1.3rem; } h2, h3 { font-size: 1.05rem; margin-top: 1.6rem; }
p, ul, blockquote { max-width: 75ch; overflow-wrap: anywhere; }
a { color: light-dark(#0b5cad, #7db8f5); }
blockquote { margin: 1rem 0; padding: .1rem .8rem; background: light-dark(#fff4d6, #3a3113); }
figure { margin: 1.6rem 0; } figcaption { font-weight: 600; }
img { max-width: 100%; height: auto; background: #fff; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); }
th { background: var(--head); text-align: left; }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--head); }
tr:hover td { background: var(--head); }
@media print {
  :root { color-scheme: light; }
  @page { margin: 12mm; }
  body { font-size: 9pt; margin: 0; }
  .wide { overflow: visible; }
  table { font-size: 6.5pt; white-space: normal; }
  th, td { padding: .1rem .25rem; position: static; }
  h1, h2, h3 { break-after: avoid; }
  h1:not(:first-child) { break-before: page; }
  tr, figure { break-inside: avoid; }
}
"""


def html_page(title: str, text: str, images: Mapping[str, str] | None = None) -> str:
    """A complete HTML page of Markdown with tables; HTML in the text is shown as text.

    Args:
        title: of the page.
        text: Markdown.
        images: images below the text by name, as ``data:`` addresses.
    """
    body = html_body(text)
    for name, address in (images or {}).items():
        said = escape(name)
        body += f'<figure><figcaption>{said}</figcaption><img alt="{said}" src="{escape(address)}"></figure>\n'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def html_body(text: str) -> str:
    """Markdown with tables as HTML elements; HTML in the text is shown as text."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    # Wide tables get their own scroll bar and can be scrolled with the keyboard.
    opening = '<div class="wide" tabindex="0" role="region" aria-label="table"><table>'
    return body.replace("<table>", opening).replace("</table>", "</table></div>")


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
