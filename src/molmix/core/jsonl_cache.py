"""Answers kept as they come, so that work outlives a kill: lines of JSON that are only ever appended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from molmix.core.files import digest


def read(path: Path) -> dict[str, Any]:
    """Answers by what was asked; lines that a killed job tore, or that a file system garbled, are passed over.

    Of two answers to one question the first holds, so that an answer never changes once it can have been read.
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


def append(path: Path, answers: dict[str, Any]) -> None:
    """One line an answer, in one write; the empty line before them ends what a kill may have left torn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps([question, answer, digest(question, answer)]) for question, answer in answers.items()]
    with path.open("a", encoding="utf-8") as stream:
        stream.write("\n" + "\n".join(lines) + "\n")
