"""A language model as judge: a verdict on every atom, by any server with OpenAI's chat completions API."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from molmix.core.schema import Name
from molmix.judges.kinds._judge import CaptionVerdicts, JudgedCaption, Score, VerdictJudge
from molmix.models.endpoint import ServerSettings

if TYPE_CHECKING:
    from molmix.models.asking import Answer

PROMPT = """\
A description of a molecule is the only source of truth. Compare each numbered statement with it.

Answer with a JSON list of one word for each statement, in their order, and nothing else:
- "supported": the description states it, in the same or other words, or it follows from the description.
- "contradicted": it cannot be true if the description is.
- "unsupported": the description does not say whether it is true.

Description: {description}

Statements:
{statements}

Answer:"""
WORDS = ("supported", "contradicted", "unsupported")
UNANSWERED = "unanswered"

log = logging.getLogger(__name__)


class Llm(ServerSettings, VerdictJudge):
    """A language model that compares each atom with the whole other text.

    * ``supported``, ``contradicted``, ``unsupported``: shares of the atoms of the caption, against the references.
    * ``coverage``: share of the reference atoms that the caption supports.

    An answer that is no list of these words, one for each atom, cannot be used: the verdicts are `unanswered`, and the
    scores from them are not defined (NaN). A caption without atoms covers nothing, and its shares are not defined.
    """

    kind: Literal["llm"]
    decomposer: Name = Field("rules", description="how both texts are split into atoms, by its name")

    asks_server: ClassVar[bool] = True
    scores: ClassVar[tuple[Score, ...]] = (
        Score("supported", "higher"),
        Score("contradicted", "lower"),
        Score("unsupported", "lower", headline=False),
        Score("coverage", "higher"),
    )

    @property
    def decomposed_by(self) -> str:
        """The decomposer of both texts."""
        return self.decomposer

    def describe(self) -> str:
        """Description of the judge."""
        return f"verdicts on atoms by `{self.decomposer}`, of the language model `{self.model}`"

    def judge(self, captions: Sequence[JudgedCaption], cache: Path) -> list[CaptionVerdicts]:
        """Ask about every caption against its references, and the other way round. Answers are cached."""
        from molmix.core.errors import fault
        from molmix.core.files import digest
        from molmix.models.asking import ask_cached, bill
        from molmix.models.endpoint import ServerAsker

        settings = self.model_dump()
        asker = ServerAsker(settings, str)
        forward = [_question(" ".join(one.references), one.generated) for one in captions]
        backward = [_question(one.text, one.reference) for one in captions]
        questions = [*dict.fromkeys(filter(None, [*forward, *backward]))]
        answers, counts = ask_cached(asker, questions, cache / f"{digest(asker.fingerprint)}.jsonl", "llm judge")
        counts |= {"questions": len(questions), "unusable": 0}

        def verdicts(question: str, atoms: Sequence[str]) -> list[str]:
            found = read_verdicts(answers[question], len(atoms)) if question else ["unsupported"] * len(atoms)
            counts["unusable"] += found is None
            return found or [UNANSWERED] * len(atoms)

        judged = []
        for one, ahead, back in zip(captions, forward, backward, strict=True):
            covered = ["covered" if word == "supported" else word for word in verdicts(back, one.reference)]
            missed = ["missed" if word in WORDS else word for word in covered]
            judged.append(CaptionVerdicts(verdicts(ahead, one.generated), [""] * len(one.generated), missed))
        if counts["unusable"] and counts["unusable"] >= len(questions):
            hint = "look at the answers in the cache, raise `max_new_tokens`, or name another model"
            raise fault(f"judge {self.kind}", f"none of {len(questions)} answers of {self.model!r} can be used", hint)
        log.info("%s", counts | bill([answers[question] for question in questions], settings))
        return judged

    def score(self, generated: Counter[str], covered: Counter[str]) -> dict[str, float]:
        """See the class."""
        shares = {word: _share(generated, word) for word in WORDS}
        return shares | {"coverage": _share(covered, "covered")}


def read_verdicts(answer: Answer, count: int) -> list[str] | None:
    """The verdicts of an answer; None if it is not a list of `count` of the words."""
    match = re.search(r"\[[^\[\]]*\]", answer["text"]) if answer["finish"] == "stop" else None
    try:
        words = json.loads(match[0]) if match else None
    except ValueError:
        return None
    right = isinstance(words, list) and len(words) == count and all(word in WORDS for word in words)
    return words if right else None


def _question(description: str, atoms: Sequence[str]) -> str:
    """The prompt; empty if there is nothing to ask, because one side says nothing."""
    if not description.strip() or not atoms:
        return ""
    statements = "\n".join(f"{number}. {atom}" for number, atom in enumerate(atoms, 1))
    return PROMPT.replace("{description}", description).replace("{statements}", statements)


def _share(verdicts: Counter[str], word: str) -> float:
    if not verdicts or verdicts[UNANSWERED]:
        return float("nan")
    return verdicts[word] / verdicts.total()
