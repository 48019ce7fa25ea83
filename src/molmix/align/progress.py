"""How far a training is, written while it runs for people who ask: the trainer itself never reads it.

The file lies with the run's checkpoints and goes with them. It is only ever appended to: a run that was killed and goes
on from a checkpoint says its steps since then a second time, so the last word holds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "progress.jsonl"


def append(place: Path, entry: dict[str, Any]) -> None:
    """Add one line.

    Args:
        place: the run's folder of checkpoints.
        entry: ``step``, ``of`` (the last step), and losses that were logged at it.
    """
    with (place / FILE).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")


def last(work: Path) -> dict[str, Any] | None:
    """The newest value of each key; None where nothing is written (yet). Torn lines are passed over.

    Args:
        work: folder of one model's runs (see :mod:`molmix.align.checkpoints`); the one written to last counts.
    """
    files = sorted(work.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime)
    latest: dict[str, Any] = {}
    for line in files[-1].read_text(encoding="utf-8", errors="replace").splitlines() if files else ():
        try:
            latest |= json.loads(line)
        except (ValueError, TypeError):
            continue
    return latest or None
