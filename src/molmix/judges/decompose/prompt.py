"""What a language model is asked: the default prompt, and the settings that every such backend has."""

from typing import Annotated

from pydantic import AfterValidator


def _one_slot(prompt: str) -> str:
    if prompt.count("{caption}") != 1:
        raise ValueError("a decomposition prompt must hold {caption} exactly once")
    return prompt


Prompt = Annotated[str, AfterValidator(_one_slot)]

# The examples show what goes wrong without them: items of a list that lose their verb, structures that are torn apart,
# and a "not" that is lost.
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


def fill(prompt: str, caption: str) -> str:
    """The prompt for one caption. Plain replacement: braces inside a caption stay as they are."""
    return prompt.replace("{caption}", caption)
