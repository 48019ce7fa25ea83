"""Ask a language model to split captions into atoms, cache its answers, and use `rules` if an answer is unusable.

Answers are cached unchanged, so that the parser can change without asking again. A file holds all captions for one set
of the other inputs. An unusable answer is cached too: at temperature 0, a new answer would be the same.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from molmix.core.errors import fault
from molmix.core.files import digest
from molmix.judges.decompose.answers import REASONS, Unusable, read_atoms, read_numbered_lines
from molmix.judges.decompose.backends import rules
from molmix.judges.decompose.backends._decomposer import Decomposed
from molmix.judges.decompose.prompt import CROSS_NLI
from molmix.judges.decompose.text import clean, says_something
from molmix.models.asking import Asker, ask_cached, bill

# Reasons that show a problem of the model: if they apply to every caption, the model made no atoms at all.
UNANSWERED = ("prompt_too_long", "refused", "empty")

logger = logging.getLogger(__name__)


def ask_model(captions: Sequence[str], settings: dict[str, Any], asker: Asker, cache: Path) -> Decomposed:
    """Atoms of captions by a language model; see :func:`molmix.judges.decompose.decompose`."""
    texts = [clean(caption) for caption in captions]
    distinct = sorted({text for text in texts if says_something(text)})
    path = cache / f"{digest(settings['backend'], asker.fingerprint)}.jsonl"
    answers, asked = ask_cached(asker, distinct, path, f"decompose with {settings['backend']}")
    read = read_numbered_lines if settings["prompt"] == CROSS_NLI else read_atoms
    taken, reasons = {}, {}
    for text in distinct:
        try:
            taken[text] = read(answers[text], text)
        except Unusable as error:
            reasons[text] = error.reason
            (taken[text],) = rules.decompose([text])
    unanswered = [reason for reason in reasons.values() if reason in UNANSWERED]
    if len(unanswered) == len(distinct) > 1:
        why = "; ".join(f"{number} × {REASONS[reason]}" for reason, number in Counter(unanswered).items())
        hint = "give the model a longer context or lower `max_new_tokens`; or choose another decomposer"
        raise fault(settings["backend"], f"answers to none of {len(distinct)} captions ({why})", hint)
    unusable = Counter(reasons[text] for text in texts if text in reasons)
    counts: dict[str, int | float] = {
        "captions": len(texts),
        "distinct": len(distinct),
        "cached": len(distinct) - asked["asked"],
        **asked,
        **bill([answers[text] for text in distinct], settings),
        "fallback": unusable.total(),
        **{f"fallback_{reason}": unusable[reason] for reason in REASONS},
    }
    logger.info("decomposed with %s: %s", settings["backend"], counts)
    if reasons:
        why = "; ".join(f"{number} × {REASONS[reason]}" for reason, number in unusable.items())
        logger.warning("%d of %d captions were split by `rules` instead: %s", unusable.total(), len(texts), why)
    # Captions without a letter or digit were not asked.
    return Decomposed([taken.get(text, []) for text in texts], [text in reasons for text in texts], counts)
