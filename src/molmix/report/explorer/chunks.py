"""The explorer's data on disk: scripts that hand one piece of JSON to the page.

A page opened from disk may load scripts, but not fetch data. Names from configs and models are values in a chunk, never
its keys or its file's name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from molmix.core.files import write_atomically

BLOCK = 50  # molecules whose drawings, units or probabilities share a file


def write_chunk(folder: Path, name: str, content: Any) -> None:
    """Write ``<folder>/data/<name>.js``.

    Args:
        folder: of the pages.
        name: by which a page asks for it, such as ``t0/s3/scores``.
        content: plain lists, dicts, text and finite numbers.
    """
    with write_atomically(folder / "data" / f"{name}.js") as temporary:
        temporary.write_text(script(name, content), encoding="ascii")


def script(name: str, content: Any) -> str:
    """A script that hands over `content`: plain ASCII without ``<``, so that no text in it can end it or be markup."""
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'molmix.chunk("{name}",{text});\n'


def rounded(values: Iterable[float | None], digits: int) -> list[float | None]:
    """Values for a page; None where a score is not defined."""
    return [None if value is None or not math.isfinite(value) else round(float(value), digits) for value in values]


def blocks(rows: int) -> Iterable[tuple[int, slice]]:
    """The number of every block, and its rows."""
    return ((start // BLOCK, slice(start, start + BLOCK)) for start in range(0, rows, BLOCK))
