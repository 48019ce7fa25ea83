"""Prompts for language models: the default, the presets, and the setting of all such backends."""

import re
from typing import Annotated

from pydantic import AfterValidator

from molmix.data.prompts import mistaken_slot


def _with_one_slot(prompt: str) -> str:
    """The text of a preset, or the user's own prompt unchanged."""
    prompt = PRESETS.get(prompt, prompt)
    if prompt.count("{caption}") != 1:
        presets = ", ".join(PRESETS)
        raise ValueError(f"a decomposition prompt must hold {{caption}} exactly once, or name a preset ({presets})")
    if word := mistaken_slot(prompt, ["{caption}"]):
        raise ValueError(f"{word} is not filled, because the slot is {{caption}}: correct or remove it")
    return prompt


Prompt = Annotated[str, AfterValidator(_with_one_slot)]

_BEFORE_EXAMPLE = re.compile(r"\n\n(?=Description: )")
# The examples prevent common errors: items of a list that lose their verb, structures that are split, and a lost "not".
PROMPT = """\
Split a description into atomic statements.

Rules:
- Each statement is one short English sentence that says exactly one thing and can be understood on its own.
- Each statement starts with its subject, usually "The molecule". Never write "It" or "This".
- Give every item of a list its own statement, with the verb that belongs to it.
- Keep the words of the description, and every number, name and negation as it stands. Add nothing, explain nothing, \
leave nothing out.
- A part that describes how a structure is built ("in which ...", "substituted by ... at positions ...") stays in one \
statement with what it describes.

Answer with a JSON list of strings and nothing else.

Description: The molecule is a wax and a non-toxic solvent that affects gout. It is not a dye, and has a role as a \
fuel additive or lubricant.
Answer: ["The molecule is a wax.", "The molecule is a non-toxic solvent.", "The molecule affects gout.", \
"The molecule is not a dye.", "The molecule has a role as a fuel additive or lubricant."]

Description: The molecule is a diol that is butane in which the hydrogens at positions 1 and 4 are replaced by \
hydroxy groups. It is isolated from Planta imaginaria.
Answer: ["The molecule is a diol.", "The molecule is butane in which the hydrogens at positions 1 and 4 are replaced \
by hydroxy groups.", "The molecule is isolated from Planta imaginaria."]

Description: {caption}
Answer:"""

# The exact prompt of the package cross_nli 0.1.0 (MIT), the metric of "Less for More" (arXiv 2405.13984). The model
# answers with a numbered list: see `read_numbered_lines`.
CROSS_NLI = (
    "Break down the following text into independent atomic text units: \n"
    "                **\n"
    "                IMPORTANT: \n"
    "                 - Extract only factual truths from the text.\n"
    "                 - Do not include any prior knowledge or interpretations.\n"
    "                 - Take the text at face value when extracting facts.\n"
    "                 - Ensure each unit is concise and represents the smallest possible factual statement.\n"
    "                 - Do not include any introductory or explanatory text. Only output the numbered list of atomic "
    "units.\n"
    "                **\n"
    "         {caption}"
)

# Prompts that a config can name: `prompt: cross_nli`.
PRESETS = {"cross_nli": CROSS_NLI}


def fill(prompt: str, caption: str) -> str:
    """The prompt for one caption, as one text. Plain replacement keeps braces in a caption."""
    return prompt.replace("{caption}", caption)


def conversation(prompt: str, caption: str) -> list[dict[str, str]]:
    """The prompt for one caption, as turns of a chat: a list of ``role`` and ``content``.

    Examples in the prompt (a blank line, "Description: …", and "Answer: …" on the next line) are turns of the user and
    of the assistant. Small models answer in the form of earlier answers, and ignore a form that a text only describes.
    """
    head, *parts = _BEFORE_EXAMPLE.split(prompt)
    asked, between, answers = zip(*(part.partition("\nAnswer:") for part in parts), strict=True) if parts else ((),) * 3
    if not parts or not all(between) or answers[-1].strip() or not all(map(str.strip, answers[:-1])):
        return [{"role": "user", "content": fill(prompt, caption)}]
    asked = (f"{head}\n\n{asked[0]}", *asked[1:])
    turns = [
        (("user", question), ("assistant", answer.strip())) for question, answer in zip(asked, answers, strict=True)
    ]
    return [{"role": role, "content": fill(text, caption)} for turn in turns for role, text in turn if text]
