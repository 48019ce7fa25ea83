"""Make captions with planted errors: references, and captions of systems, with known edits."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from molmix.analysis.judge_validation.document import read_document, to_text
from molmix.analysis.judge_validation.known import KnownFacts
from molmix.analysis.judge_validation.perturbations import CONTROL, EDITS, Ground
from molmix.analysis.judge_validation.perturbations._edit import statements_of
from molmix.analysis.judge_validation.prose import Prose
from molmix.core.errors import fault
from molmix.core.files import digest

Row = Mapping[str, Any]
REFERENCE = "reference"  # author of captions that are references


def plant(
    rows: Sequence[Row],
    *,
    edits: Iterable[str],
    doses: Iterable[int],
    molecules: int | None,
    seed: int,
    systems: Mapping[str, Mapping[str, str]] | None = None,
) -> list[dict[str, Any]]:
    """Variants of the (first) references of a test set, each with errors, or harmless changes, of one sort.

    With systems, one system's caption of each molecule gets the same edits: the first of the drawn order that states
    something that the reference states, else the first with a text. In such a caption only what the reference states
    too is changed or left out, as it would not be an error to correct or to omit a false statement.

    If the facts of a molecule are known (the embedded world), an error contradicts the truth. In any other caption, it
    differs from the reference: statements that :mod:`molmix.analysis.judge_validation.prose` swaps or adds are "not
    stated", but may still be true.

    A variant depends on the seed, its molecule and the *set* of rows, because foreign statements come from the other
    captions. The order of the rows does not matter. A dose includes the edits of the smaller doses.

    Args:
        rows: columns id, references (list of str), molecule (SMILES), facts (of the first reference) and truth (all
            true facts); the last three None if unknown.
        edits: keys of :data:`molmix.analysis.judge_validation.perturbations.EDITS`. The control ``none`` is always
            made.
        doses: numbers of edits, each at least 1.
        molecules: number of molecules, drawn with the seed; None for all.
        seed: of all draws.
        systems: captions by system and id; empty texts are ignored.

    Returns:
        The columns of the rows, with a new id (``<of>~<edit>~<k>``, and ``~<author>`` for a system's caption), and of
        (the row's id), author (:data:`REFERENCE`, or the system), edit, k and text: for each molecule, in the order of
        the rows, and each of its captions, the control (k = 0: the unchanged caption) and each edit and dose that is
        possible for it. :func:`not_made` counts the others.

    Raises:
        MolmixError: an edit does not exist, a dose is below 1, or two rows share an id.
    """
    edits, doses = list(dict.fromkeys(edits)), sorted(set(doses))
    _check(rows, edits, doses)
    # The word "trial" is part of every draw: with another word, other molecules and statements are drawn.
    drawn = sorted((row["id"] for row in rows), key=lambda name: digest("trial", seed, name))[:molecules]
    chosen = set(drawn)
    lenders = sorted(rows, key=lambda row: row["id"])
    facts = [row["facts"] for row in lenders if row["facts"]]
    captions = [row["references"][0] for row in lenders if not _is_known(row)]
    variants = []
    for row in rows:
        if row["id"] not in chosen:
            continue
        written = {
            system: text for system, texts in (systems or {}).items() if (text := texts.get(row["id"], "")).strip()
        }
        drawn_first = sorted(written, key=lambda system: digest("system", seed, row["id"], system))
        own = _Caption(REFERENCE, row["references"][0], _ground(row, facts, captions))
        answers = [_Caption(name, written[name], _ground(row, facts, captions, written[name])) for name in drawn_first]
        chosen_one = next((one for one in answers if one.states_reference()), answers[0] if answers else None)
        for one in (own, chosen_one) if chosen_one else (own,):
            ending = "" if one.author == REFERENCE else f"~{one.author}"
            variants += [
                {**row, "id": f"{row['id']}~{edit}~{k}{ending}", "of": row["id"], "author": one.author}
                | {"edit": edit, "k": k, "text": text}
                for (edit, k), text in one.variants(edits, doses, f"trial {seed} {row['id']}").items()
            ]
    return variants


@dataclass(frozen=True)
class _Caption:
    """A caption to edit, and the ground of its edits."""

    author: str
    text: str
    ground: Ground

    def states_reference(self) -> bool:
        """Whether it has a statement that the reference has too."""
        return any(map(self.ground.is_stated, statements_of(read_document(self.text))))

    def variants(self, edits: Sequence[str], doses: Sequence[int], draw: str) -> dict[tuple[str, int], str]:
        """Its text by edit and dose: the control, and what is possible."""
        texts, document = {("none", 0): self.text}, read_document(self.text)
        for edit in edits:
            if EDITS[edit].kind == CONTROL:
                continue
            for k in doses:
                made = EDITS[edit].make(document, k, self.ground, Random(f"{draw} {edit}"))
                if made:
                    texts[edit, k] = to_text(made)
        return texts


def not_made(variants: Sequence[Row], *, edits: Iterable[str], doses: Iterable[int]) -> dict[tuple[str, int], int]:
    """For each edit and dose, the number of captions without a variant, because they do not allow it."""
    made = Counter((row["edit"], row["k"]) for row in variants)
    captions = made["none", 0]
    harms = [edit for edit in dict.fromkeys(edits) if EDITS[edit].kind != CONTROL]
    return {(edit, k): captions - made[edit, k] for edit in harms for k in sorted(set(doses))}


def _ground(row: Row, facts: Sequence[Sequence[str]], captions: Sequence[str], text: str | None = None) -> Ground:
    """The ground of a row's edits, of its reference or of a system's caption (`text`).

    The other captions include the row's own, whose statements are never foreign.
    """
    if _is_known(row):
        return KnownFacts(row["facts"], row["truth"], facts, text)
    return Prose(row["references"], captions, text, row.get("molecule"))


def _is_known(row: Row) -> bool:
    return row["facts"] is not None and row["truth"] is not None


def _check(rows: Sequence[Row], edits: Sequence[str], doses: Sequence[int]) -> None:
    for edit in edits:
        if edit not in EDITS:
            raise fault("edits", f"there is no edit {edit!r}.", f"Choose from {', '.join(EDITS)}.")
    for dose in doses:
        if dose < 1:
            raise fault("doses", f"{dose} is no number of edits.", "Give whole numbers from 1 on.")
    twice = [name for name, number in Counter(row["id"] for row in rows).items() if number > 1]
    if twice:
        raise fault("rows", f"the id {twice[0]!r} occurs more than once.", "Give each row of the test set its own id.")
