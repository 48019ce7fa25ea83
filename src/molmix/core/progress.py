"""Progress bars."""

from __future__ import annotations

import sys
from typing import Any


def progress(items: Any = None, **settings: Any) -> Any:
    """A tqdm bar on the terminal; disabled if standard error is no terminal, such as in logs and on clusters."""
    from tqdm import tqdm

    terminal = sys.__stderr__
    quiet = terminal is None or not terminal.isatty()
    return tqdm(items, file=terminal, disable=quiet, dynamic_ncols=True, **settings)
