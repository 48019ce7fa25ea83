"""Make captions with planted errors, which have known differences from their references."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from molmix.analysis.judge_validation.document import read_document, to_text
from molmix.analysis.judge_validation.known import KnownFacts
from molmix.analysis.judge_validation.perturbations import CONTROL, EDITS, Ground
from molmix.analysis.judge_validation.prose import Prose
from molmix.core.errors import fault
from molmix.core.files import digest

Row = Mapping[str, Any]


def plant(
    rows: Sequence[Row], *, edits: Iterable[str], doses: Iterable[int], molecules: int | None, seed: int
) -> list[dict[str, Any]]:
    """Variants of the (first) references of a test set, each with errors, or harmless changes, of one sort.

    If the facts of a molecule are known (the embedded world), an error contradicts the truth. In any other caption, it
    differs from the reference: statements that :mod:`molmix.analysis.judge_validation.prose` swaps or adds are "not
    stated", but may still be true.

    A variant depends on the seed, its molecule and the *set* of rows, because foreign statements come from the other
    captions. The order of the rows does not matter. A dose includes the edits of the smaller doses.

    Args:
        rows: columns id, references (list of str), facts (of the first reference) and truth (all true facts),
            both None if unknown.
        edits: keys of :data:`molmix.analysis.judge_validation.perturbations.EDITS`. The control ``none`` is always
            made.
        doses: numbers of edits, each at least 1.
        molecules: number of molecules, drawn with the seed; None for all.
        seed: of all draws.

    Returns:
        Columns id (``<of>~<edit>~<k>``), of, edit, k, references and text: for each molecule, in the order of the
        rows, its control (k = 0: the unchanged reference) and each edit and dose that is possible for its caption.
        :func:`not_made` counts the others.

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
        reference = row["references"][0]
        texts = {("none", 0): reference}
        document, ground = read_document(reference), _ground(row, facts, captions)
        for edit in edits:
            if EDITS[edit].kind == CONTROL:
                continue
            for k in doses:
                made = EDITS[edit].make(document, k, ground, Random(f"trial {seed} {row['id']} {edit}"))
                if made:
                    texts[edit, k] = to_text(made)
        variants += [
            {"id": f"{row['id']}~{edit}~{k}", "of": row["id"], "edit": edit, "k": k}
            | {"references": row["references"], "text": text}
            for (edit, k), text in texts.items()
        ]
    return variants


def not_made(variants: Sequence[Row], *, edits: Iterable[str], doses: Iterable[int]) -> dict[tuple[str, int], int]:
    """For each edit and dose, the number of molecules without a variant, because their caption does not allow it."""
    made = Counter((row["edit"], row["k"]) for row in variants)
    molecules = made["none", 0]
    harms = [edit for edit in dict.fromkeys(edits) if EDITS[edit].kind != CONTROL]
    return {(edit, k): molecules - made[edit, k] for edit in harms for k in sorted(set(doses))}


def _ground(row: Row, facts: Sequence[Sequence[str]], captions: Sequence[str]) -> Ground:
    """The ground of a row's edits. The other captions include its own, whose statements are never foreign."""
    if _is_known(row):
        return KnownFacts(row["facts"], row["truth"], facts)
    return Prose(row["references"], captions)


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
