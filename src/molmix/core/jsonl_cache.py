"""A cache in JSON lines: answers are appended as they come, so that a killed job loses none of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from molmix.core.files import digest


def read_cache(path: Path) -> dict[str, Any]:
    """The answers by their question; none where the file is missing.

    A line that a killed job cut, or whose checksum is wrong, is skipped. Of two answers to one question the first
    counts, so that an answer never changes once a job can have read it.
    """
    answers: dict[str, Any] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        try:
            question, answer, check = json.loads(line)
            if check == digest(question, answer):
                answers.setdefault(question, answer)
        except (ValueError, TypeError):
            continue
    return answers


def append_to_cache(path: Path, answers: dict[str, Any]) -> None:
    """Append answers by their question, one a line, in one write.

    The empty line before them ends a line that a killed job may have cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps([question, answer, digest(question, answer)]) for question, answer in answers.items()]
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n" + "\n".join(lines) + "\n")
