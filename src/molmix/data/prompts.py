"""Prompt and answer texts: the one place where the seam between the two is decided.

The answer follows the prompt after one space, ``prompt + " " + answer``: a byte-level BPE keeps that space with
the answer's first piece, so that prompt and answer tokenize the same apart and together.
"""


def prompt(template: str, direction: str, text: str) -> str:
    """Fill a template's slot. Plain replacement: braces inside a molecule or a caption stay as they are."""
    return template.replace("{molecule}" if direction == "mol2cap" else "{caption}", text)


def answer(text: str) -> str:
    """The completion for an answer text: one leading space, no line breaks or tabs, no space around it."""
    return " " + " ".join(text.split())
