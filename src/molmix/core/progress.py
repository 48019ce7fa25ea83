"""Progress bars."""

from __future__ import annotations

import sys
from typing import Any


def progress(items: Any = None, **settings: Any) -> Any:
    """A tqdm bar on the terminal; silent where there is none, so that logs and clusters stay quiet."""
    from tqdm import tqdm

    terminal = sys.__stderr__
    quiet = terminal is None or not terminal.isatty()
    return tqdm(items, file=terminal, disable=quiet, dynamic_ncols=True, **settings)
