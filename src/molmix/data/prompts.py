"""Prompts and answers: how the two are joined.

The answer follows the prompt after one space, ``prompt + " " + answer``. A byte-level BPE tokenizer puts that space
into the first token of the answer, so that prompt and answer have the same tokens together and apart.
"""


def prompt(template: str, direction: str, text: str) -> str:
    """Fill the slot of a template by plain replacement: braces in a molecule or a caption stay as they are."""
    return template.replace("{molecule}" if direction == "mol2cap" else "{caption}", text)


def answer(text: str) -> str:
    """The completion for an answer: one space, and the text on one line with single spaces."""
    return " " + " ".join(text.split())
