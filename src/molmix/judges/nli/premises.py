"""Longer premises: is an atom entailed by several atoms of the other text together?

What one atom of the other text does not entail, two together may. So the whole other text can be the premise, as in
RadFact (arXiv 2406.04449); or, as models are weak at long premises, only its atoms that are most about the hypothesis,
as in InFusE (arXiv 2402.17630).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from molmix.judges.matrices import SUPPORTS, PairMatrices
from molmix.judges.nli.literal import normalise
from molmix.judges.nli.pairs import Pairs

# Probabilities (:data:`molmix.judges.nli.cache.VALUE`) for pairs of premise and hypothesis.
Ask = Callable[[Sequence[tuple[str, str]]], np.ndarray]


@dataclass
class _Hypothesis:
    """An atom, and what the other text says of it.

    Attributes:
        text: the atom.
        others: atoms of the other text in the order of the text, at least one.
        whole: the other text itself; may be empty where only its atoms are asked.
        ranked: their indices, the one that is most about the atom first.
        entailment, neutral: probabilities with the first of them as premise, later with more of them.
        truncated: whether the longer premise was cut to what the model can read.
    """

    text: str
    others: list[str]
    whole: str
    ranked: list[int]
    entailment: float
    neutral: float
    truncated: bool = False

    def pair(self, size: int) -> tuple[str, str]:
        """The premise of so many atoms, and the atom."""
        return " ".join(self.others[index] for index in sorted(self.ranked[:size])), self.text

    def take(self, value: np.void) -> None:
        """Take the probabilities by a longer premise."""
        self.entailment, self.neutral = float(value["entailment"]), _neutral(value)
        self.truncated = bool(value["truncated"])


def _neutral(value: np.void) -> float:
    return 1 - float(value["entailment"]) - float(value["contradiction"])


def _by_text(atoms: list[_Hypothesis], ask: Ask) -> None:
    """The premise is the whole other text, as it is written. An atom that is one of its atoms too stays entailed."""
    atoms = [atom for atom in atoms if normalise(atom.text) not in map(normalise, atom.others)]
    for atom, value in zip(atoms, ask([(atom.whole, atom.text) for atom in atoms]), strict=True):
        atom.take(value)


def _by_infuse(atoms: list[_Hypothesis], ask: Ask) -> None:
    """The premise grows by one atom at a time, until neutral becomes more probable."""
    size = 2
    while atoms := [atom for atom in atoms if len(atom.others) >= size]:
        grown = []
        for atom, value in zip(atoms, ask([atom.pair(size) for atom in atoms]), strict=True):
            if _neutral(value) <= atom.neutral:
                atom.take(value)
                grown.append(atom)
        atoms, size = grown, size + 1


# name -> the rule by which the atoms get their final probabilities
LONGER: dict[str, Callable[[list[_Hypothesis], Ask], None]] = {"text": _by_text, "infuse": _by_infuse}


def add_supports(
    table: pa.Table, pairs: Pairs, premises: str, ask: Ask, texts: tuple[Sequence[str], Sequence[str]] | None = None
) -> pa.Table:
    """Add to a table of pairs how far each atom is entailed by a longer premise from the other text.

    Args:
        table: of :meth:`molmix.judges.nli.pairs.Pairs.table`, with both directions.
        pairs: the pairs that it was made of.
        premises: a key of :data:`LONGER`.
        ask: the NLI model.
        texts: for ``text``, the captions and their references, in the order of the table.

    Returns:
        The table with two more lists of float32: ``generated_support`` (entailment of each generated atom by the
        reference) and ``reference_support`` (the other way round). If the other text has no atoms, they are 0.
        ``n_truncated`` also counts the longer premises.
    """
    asked: list[_Hypothesis] = []
    sizes = pairs.generated_sizes, pairs.reference_sizes
    supports = [np.zeros(side.sum(), np.float32) for side in sizes]
    # Of each atom that is asked: its side and its index there, and its caption.
    where: list[tuple[int, int, int]] = []
    cells = {name: table[name].combine_chunks().flatten().to_numpy() for name in PairMatrices.__dataclass_fields__}
    start, firsts = 0, [np.cumsum(side) - side for side in sizes]
    for caption, shape in enumerate(zip(*sizes, strict=True)):
        own = slice(start, start := start + shape[0] * shape[1])
        if own.start == own.stop:
            continue
        said = [pairs.texts[index] for index in pairs.generated[own][:: shape[1]]]
        given = [pairs.texts[index] for index in pairs.reference[own][: shape[1]]]
        forward, forward_against, backward, backward_against = (cell[own].reshape(shape) for cell in cells.values())
        caption_text, reference_text = (side[caption] for side in texts) if texts else ("", "")
        asked += _hypotheses(said, given, reference_text, forward, forward_against, backward)
        asked += _hypotheses(given, said, caption_text, backward.T, backward_against.T, forward.T)
        where += [(side, firsts[side][caption] + index, caption) for side in (0, 1) for index in range(shape[side])]
    LONGER[premises](asked, ask)
    truncated = table["n_truncated"].to_numpy().copy()
    for atom, (side, index, caption) in zip(asked, where, strict=True):
        supports[side][index] = atom.entailment
        truncated[caption] += atom.truncated
    table = table.set_column(table.column_names.index("n_truncated"), "n_truncated", pa.array(truncated))
    for name, lengths, values in zip(SUPPORTS, sizes, supports, strict=True):
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        table = table.append_column(name, pa.ListArray.from_arrays(offsets, pa.array(values)))
    return table


def _hypotheses(
    texts: list[str],
    others: list[str],
    whole: str,
    entailment: np.ndarray,
    contradiction: np.ndarray,
    back: np.ndarray,
) -> list[_Hypothesis]:
    """The n atoms of one text, each with the m atoms of the other text as premises.

    Args:
        texts, others: the atoms of both.
        whole: the other text.
        entailment, contradiction: of each of the n atoms by each of the m atoms, [n, m].
        back: entailment of each of the m atoms by each of the n atoms, [n, m].
    """
    ranked = np.argsort(-(entailment + back), axis=-1, kind="stable")
    neutral = 1 - entailment - contradiction
    return [
        _Hypothesis(text, others, whole, order.tolist(), float(known[order[0]]), float(rest[order[0]]))
        for text, order, known, rest in zip(texts, ranked, entailment, neutral, strict=True)
    ]
