"""Prompts and answers, and how they are joined.

The answer follows the prompt after one space, ``prompt + " " + answer``. A byte-level BPE tokenizer puts that space
into the first token of the answer. So the tokens of the joined text are those of the prompt and those of the answer.

With `template: chat`, the prompt is what the user says, and :mod:`molmix.models.chat` puts both into the model's chat
template.
"""

from typing import Any


def prompt(template: str, direction: str, text: str) -> str:
    """Fill the slot of a template by plain replacement, which keeps braces in a molecule or a caption."""
    return template.replace("{molecule}" if direction == "mol2cap" else "{caption}", text)


def answer(text: str) -> str:
    """The completion for an answer: one space, and the text on one line with single spaces."""
    return " " + " ".join(text.split())


def chat_settings(prompts: dict[str, Any]) -> dict[str, Any]:
    """What a model must know to put prompts into its chat template: the key ``chat``; empty for plain prompts.

    Args:
        prompts: :class:`molmix.data.settings.Prompts`, dumped.
    """
    return {"chat": {"system": prompts.get("system")}} if prompts.get("template") == "chat" else {}
