"""Prompts and answers, and how they are joined.

The answer follows the prompt after one space, ``prompt + " " + answer``. A byte-level BPE tokenizer puts that space
into the first token of the answer. So the tokens of the joined text are those of the prompt and those of the answer.

With `template: chat`, the prompt is what the user says, and :mod:`molmix.models.chat` puts both into the model's chat
template.
"""

import difflib
import re
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from molmix.core.errors import fault

SELFIES = "{selfies}"  # slot of a template
SLOTS = {"mol2cap": ("{molecule}", SELFIES), "cap2mol": ("{caption}",)}  # by direction; a template has one of them
_WORD = re.compile(r"(?<!\{)\{ *(\w+) *\}(?!\})")


def mistaken_slot(template: str, slots: Sequence[str]) -> str | None:
    """A word in braces that is probably meant as a slot, and is none of `slots`; None without one.

    It is the slot of another direction, or a misspelt slot. Other words in braces, such as those of JSON or LaTeX, are
    text.
    """
    names = ["smiles", *(slot.strip("{}") for known in SLOTS.values() for slot in known)]
    words = (match for match in _WORD.finditer(template) if match[0] not in slots)
    return next((found[0] for found in words if difflib.get_close_matches(found[1].lower(), names, cutoff=0.8)), None)


def prompt(template: str, direction: str, text: str) -> str:
    """Fill the slot of a template by plain replacement, which keeps braces in a molecule or a caption.

    The slot ``{selfies}`` shows a molecule as SELFIES (Krenn et al. 2020, arXiv 1905.13741).

    Raises:
        MolmixError: the molecule cannot be written as SELFIES, or the package selfies is not installed.
    """
    if direction == "mol2cap" and SELFIES in template:
        return template.replace(SELFIES, selfies_of(text))
    return template.replace("{molecule}" if direction == "mol2cap" else "{caption}", text)


def check_selfies(where: str) -> None:
    """Refuse to show molecules as SELFIES if the package selfies is not installed. `where` is a config key."""
    if find_spec("selfies") is None:
        hint = "pip install selfies, or show SMILES by the slot {molecule}"
        raise fault(where, "{selfies} needs the package selfies, which is not installed", hint)


def selfies_of(smiles: str) -> str:
    """A molecule as SELFIES.

    Raises:
        MolmixError: as :func:`prompt`.
    """
    check_selfies("prompts.mol2cap")
    selfies = import_module("selfies")
    try:
        return str(selfies.encoder(smiles))
    except selfies.EncoderError as error:
        said = " ".join(str(error).split())[:200]
        hint = "remove the molecule, or show SMILES by the slot {molecule}"
        raise fault("prompts.mol2cap", f"{smiles!r} cannot be written as SELFIES ({said})", hint) from error


def answer(text: str) -> str:
    """The completion for an answer: one space, and the text on one line with single spaces."""
    return " " + " ".join(text.split())


def chat_settings(prompts: dict[str, Any]) -> dict[str, Any]:
    """What a model must know to put prompts into its chat template: the key ``chat``; empty for plain prompts.

    Args:
        prompts: :class:`molmix.data.settings.Prompts`, dumped.
    """
    return {"chat": {"system": prompts.get("system")}} if prompts.get("template") == "chat" else {}
