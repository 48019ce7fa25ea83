"""The audit of the decomposers: is each atom correct, and are the atoms of a caption complete?

A decomposer can make two errors. It can add an atom that the caption does not entail: then the caption's system gets a
worse score. It can lose content: then this content is never judged. So an atom is *correct* if it follows from the
caption, and a sentence is *complete* if it follows from the atoms about it, joined (correctness and completeness as in
DecMetrics, arXiv 2509.04483). The judge's own NLI model decides, so the figures include its errors.

NLI models are weak where a premise is long or begins with a pronoun. So an atom is held against its own sentence first
(the one that shares most words with it), then against this sentence with "The molecule" for "It", then against the
whole caption.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from molmix.analysis.provenance import provenance
from molmix.analysis.tables import Cell, Grid, figure, write_csv, write_pages
from molmix.core.files import digest, read_rows_of, read_table
from molmix.judges.decompose.backends.rules import SUBJECT
from molmix.judges.decompose.text import without_sources
from molmix.judges.decompose.units import sentences
from molmix.judges.kinds.atomic import THRESHOLD
from molmix.judges.nli.inference import predict_pairs

SHOWN = {
    "captions": "captions",
    "atoms": "atoms a caption",
    "correct": "correct atoms",
    "complete": "complete sentences",
    "words_kept": "words kept",
    "fallback": "left to rules",
}
_NEAR = 0.85  # share of an atom's words that are in a sentence which it is about
_IT = re.compile(r"^Its?(?= )")
_WORD = re.compile(r"\w+")

# Whether each pair of (premise, hypothesis) is entailed: bool [pairs].
Entails = Callable[[Sequence[tuple[str, str]]], np.ndarray]


def audit(
    *,
    judges: Mapping[str, dict[str, str]],
    captions: Mapping[tuple[str, str], Path],
    atoms: Mapping[tuple[str, str, str], Path],
    models: Mapping[str, Path],
    nli: Mapping[str, dict[str, Any]],
    store: Path,
    sample: int,
    seeds: Sequence[int],
    table: Path,
    config: str,
    corpus: Path,
) -> None:
    """Audit the decomposer of every atomic judge by its NLI model.

    Args:
        judges: by name, its ``decomposer`` and ``nli`` by their names.
        captions: by author and test set, a table with `text`, or `references` (audited only if a row has a single
            reference: atoms of several captions do not belong to one of them).
        atoms: by decomposer, author and test set, their atoms (columns of `molmix.judges.decompose.tables.ATOMS`).
        models: manifests of the NLI models by name.
        nli: settings of each model for :func:`molmix.judges.nli.inference.predict_pairs`.
        store: folder of the NLI caches.
        sample: number of audited captions of an author and test set, drawn with the seed.
        seeds: of the study; the first is that of the draw.
        table: to write as ``.csv``, ``.md`` and ``.tex``, one row per judge, author and test set: captions, mean number
            of atoms, shares of ``correct`` atoms, of ``complete`` sentences and of words that are in some atom
            (``words_kept``), the share of captions split by ``rules``, and ``unsplit`` (captions that are one atom).
        config: digest of the whole config.
        corpus: ``data/manifest.json``, which counts the rows of every source.
    """
    rows = []
    for judge, spec in judges.items():
        for (author, test), path in captions.items():
            drawn = _drawn(path, atoms[spec["decomposer"], author, test], sample, seeds[0])

            def entails(pairs: Sequence[tuple[str, str]], name: str = spec["nli"], of: str = author) -> np.ndarray:
                said = predict_pairs(pairs, model=models[name], cache=store, name=f"audit of {of}", **nli[name])
                return said["entailment"] >= THRESHOLD

            texts, atoms_of = [text for text, *_ in drawn], [cut for _, cut, _ in drawn]
            rows.append(
                {
                    "judge": judge,
                    **spec,
                    "author": author,
                    "test": test,
                    "captions": len(drawn),
                    "atoms": _mean([len(cut) for cut in atoms_of]),
                    "correct": _mean(correct_atoms(texts, atoms_of, entails)),
                    "complete": _mean(complete_sentences(texts, atoms_of, entails)),
                    "words_kept": _mean([_kept(text, cut) for text, cut in zip(texts, atoms_of, strict=True)]),
                    "fallback": _mean([fell for *_, fell in drawn]),
                    "unsplit": _mean([len(cut) == 1 for _, cut, _ in drawn]),
                }
            )
    board = pd.DataFrame(rows)
    write_csv(board, table.with_suffix(".csv"))
    words = [
        "Correct: the atom follows from its sentence or its caption. Complete: the sentence follows from the atoms "
        "about it. Both by the judge's own NLI model, with a probability of a half or more.",
        "",
    ]
    below = provenance(config=config, seeds=seeds, corpus=corpus)
    write_pages("Audit of the decomposers", [_grid(board)], [*words, *below], table)


def correct_atoms(texts: Sequence[str], atoms: Sequence[Sequence[str]], entails: Entails) -> np.ndarray:
    """Whether each atom follows from its caption: bool [atoms of all captions].

    Args:
        texts: captions.
        atoms: of each.
        entails: asks the NLI model. An atom is asked about again, with the next premise, only if it is not entailed.
    """
    premises = [
        (*_own_sentence(atom, sentences(text)), text, atom)
        for text, own in zip(texts, atoms, strict=True)
        for atom in own
    ]
    correct = np.zeros(len(premises), bool)
    for column in range(3):
        left = np.flatnonzero(~correct)
        if len(left):
            correct[left] = entails([(premises[index][column], premises[index][-1]) for index in left])
    return correct


def complete_sentences(texts: Sequence[str], atoms: Sequence[Sequence[str]], entails: Entails) -> np.ndarray:
    """Whether each sentence follows from the atoms about it: bool [sentences of all captions].

    Args:
        texts: captions.
        atoms: of each, at least one.
        entails: asks the NLI model.
    """
    pairs = []
    for text, own in zip(texts, atoms, strict=True):
        told = sentences(without_sources(text))
        closest = [_own_sentence(atom, told)[0] for atom in own]
        for sentence in told:
            about = [
                atom
                for atom, home in zip(own, closest, strict=True)
                if home == sentence or _share(atom, _named(sentence)) >= _NEAR
            ]
            pairs.append((" ".join(about or own), _named(sentence)))
    return entails(pairs)


def _own_sentence(atom: str, told: Sequence[str]) -> tuple[str, str]:
    """The sentence that shares most words with an atom, the shortest of equals: as it is, and with its subject."""
    own = max(told, key=lambda sentence: (_share(atom, _named(sentence)), -len(sentence)))
    return own, _named(own)


def _named(sentence: str) -> str:
    """A sentence with its subject in place of a pronoun."""
    return _IT.sub(lambda match: f"{SUBJECT}'s" if match[0] == "Its" else SUBJECT, sentence)


def _share(text: str, other: str) -> float:
    """Share of the words of a text that are in another."""
    words = _words(text)
    return len(words & _words(other)) / len(words) if words else 0.0


def _kept(text: str, atoms: Sequence[str]) -> float:
    """Share of the words of a caption that are in some atom, other than its pronouns."""
    words = _words(text) - {"it", "its", "also"}
    return len(words & _words(" ".join(atoms))) / len(words) if words else 1.0


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _drawn(captions: Path, atoms: Path, sample: int, seed: int) -> list[tuple[str, list[str], bool]]:
    """Text, atoms and whether `rules` made them, of drawn captions that are not empty and have one text."""
    rows = []
    written = read_table(captions)
    found = read_rows_of(atoms, written["id"].to_pylist(), captions)
    for row, cut in zip(written.to_pylist(), found.to_pylist(), strict=True):
        texts = row["references"] if "references" in row else [row["text"]]
        if len(texts) == 1 and cut["atoms"]:
            rows.append((digest("audit", seed, row["id"]), texts[0], cut["atoms"], cut["fallback"]))
    return [row[1:] for row in sorted(rows, key=lambda row: row[0])[:sample]]


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _grid(board: pd.DataFrame) -> Grid:
    keys = ["judge", "author", "test"]
    rows = []
    for _, row in board.iterrows():
        cells = [str(row[key]) for key in keys] + [str(row["captions"]), f"{row['atoms']:.1f}"]
        cells += [figure(row[name]) for name in list(SHOWN)[2:]]
        rows.append([Cell(text) for text in cells])
    return Grid("atoms against captions, by author and test set", [*keys, *SHOWN.values()], rows, names=len(keys))
