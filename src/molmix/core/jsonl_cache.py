"""A cache in JSON lines. Each answer is appended at once, so a killed job does not lose the answers before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from molmix.core.files import digest


def read_cache(path: Path) -> dict[str, Any]:
    """The answers by question; empty if the file does not exist.

    Incomplete lines of a killed job and lines with a wrong checksum are skipped. If a question has two answers, the
    first is used, because a job may already have read it.
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
    """Append answers by question, one per line, in one write.

    The newline before them ends a line that a killed job may have left incomplete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps([question, answer, digest(question, answer)]) for question, answer in answers.items()]
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n" + "\n".join(lines) + "\n")
