"""The NLI stage: what a model says of every ordered pair of a caption's atoms and its reference's.

All pairs are numbers here: a text is hashed once, a pair is two indices, and only distinct pairs that the store does
not hold become text again. The model, and torch with it, is loaded when the first such pair turns up.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from molmix.errors import MolmixError, fault
from molmix.files import read_json, read_table, write_table
from molmix.job import progress
from molmix.models import weights_path
from molmix.nli.store import as_values, pair_keys, store_for, text_digests

if TYPE_CHECKING:
    from molmix.nli.model import NliModel

CHUNK = 4096  # pairs computed and stored at a time: what a kill loses at most

log = logging.getLogger(__name__)


def cross(
    *,
    atoms: Mapping[str, tuple[Path, Path]],
    outs: Mapping[str, Path],
    model: Path,
    store: Path,
    neighbours: Mapping[str, Sequence[Path]] | None = None,
    batch_tokens: int = 16384,
    max_length: int = 256,
) -> None:
    """Ask an NLI model for all pairs of one system's captions, over any number of test sets.

    Writes one table a test set, a row a caption in the order of the generated atoms: ``id``, ``n_generated``,
    ``n_reference``, ``n_truncated`` (pairs that were cut to fit the model), and four lists of float32, row-major
    [generated, reference]: ``forward_entailment`` and ``forward_contradiction`` (premise: reference atom, hypothesis:
    generated atom), ``backward_entailment`` and ``backward_contradiction`` (the other way round).

    Args:
        atoms: for each test set, the tables (``id``, ``atoms``) of the references and of the system.
        outs: for each test set, the table to write.
        model: ``manifest.json`` of the NLI model.
        store: folder of the pair stores.
        neighbours: for each test set, other systems' atoms. Loading a model costs more than most of one system's pairs,
            so if it has to be loaded, those of neighbours that are on disk already are asked in the same go.
        batch_tokens: tokens in a batch.
        max_length: tokens that pairs are cut at.

    Raises:
        MolmixError: a table is damaged, ids do not match, or the model cannot be used.
    """
    oracle = _Oracle(model, store, batch_tokens, max_length)
    for test, (reference, generated) in atoms.items():
        pairs = Pairs.of(reference, generated)
        write_table(outs[test], pairs.table(oracle.ask(pairs, test)))
    if oracle.is_loaded:
        others = [
            (atoms[test][0], path)
            for test, paths in (neighbours or {}).items()
            for path in paths
            if path not in atoms[test]  # a glob finds the references and the system itself among them
        ]
        random.shuffle(others)  # so that jobs that run side by side begin with different ones
        for reference, generated in others:
            try:
                pairs = Pairs.of(reference, generated)
            except MolmixError:  # not there yet; whatever else is wrong with it, its own job will say
                continue
            oracle.ask(pairs, generated.stem)


# ---- pairs as numbers --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Atoms:
    """A table of atoms.

    Attributes:
        ids: of the captions.
        sizes: atoms of each caption, int64 [n].
        texts: all atoms, one caption's after the other's.
    """

    ids: pa.Array
    sizes: np.ndarray
    texts: pa.Array

    @staticmethod
    def read(path: Path) -> Atoms:
        """Read a table (``id``: string, ``atoms``: list of string).

        Raises:
            MolmixError: it is missing, damaged, or names a caption twice.
        """
        table = read_table(path, columns=["id", "atoms"]).combine_chunks()
        ids, lists = (table[name].combine_chunks() for name in ("id", "atoms"))
        repeated = pc.value_counts(ids).filter(pc.greater(pc.value_counts(ids).field("counts"), 1))
        if len(repeated):
            raise fault(path, f"holds the id {repeated[0]['values']} more than once", "give every caption its own id")
        return Atoms(ids, pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64), lists.flatten())


@dataclass(frozen=True)
class Pairs:
    """Every pair of a caption's generated atom with an atom of its reference, caption by caption, row-major.

    Attributes:
        ids: of the captions.
        generated_sizes, reference_sizes: atoms of each caption and its reference, int64 [captions].
        texts: the distinct atoms.
        generated, reference: the two texts of each cell, as places in ``texts``, int64 [cells].
    """

    ids: pa.Array
    generated_sizes: np.ndarray
    reference_sizes: np.ndarray
    texts: list[str]
    generated: np.ndarray
    reference: np.ndarray

    @staticmethod
    def of(reference: Path, generated: Path) -> Pairs:
        """Pairs of two tables of atoms.

        Raises:
            MolmixError: a table cannot be read, or the two do not hold the same ids.
        """
        said, given = Atoms.read(generated), Atoms.read(reference)
        rows = pc.index_in(said.ids, value_set=given.ids)
        if rows.null_count or len(said.ids) != len(given.ids):
            unknown = (
                said.ids.filter(pc.is_null(rows))
                if rows.null_count
                else given.ids.filter(pc.invert(pc.is_in(given.ids, value_set=said.ids)))
            )
            here, there = (generated, reference) if rows.null_count else (reference, generated)
            raise fault(there, f"lacks the caption {unknown[0]} of {here}", "make both from the same test set")
        rows = rows.to_numpy().astype(np.int64)
        codes = pa.chunked_array([said.texts, given.texts]).dictionary_encode().combine_chunks()
        numbers = codes.indices.to_numpy().astype(np.int64)
        own, other = numbers[: len(said.texts)], numbers[len(said.texts) :]
        sizes = given.sizes[rows]
        cells = said.sizes * sizes
        caption = np.repeat(np.arange(len(cells)), cells)
        within = np.arange(len(caption)) - (np.cumsum(cells) - cells)[caption]
        row, column = np.divmod(within, sizes[caption])
        return Pairs(
            said.ids,
            said.sizes,
            sizes,
            codes.dictionary.to_pylist(),
            own[(np.cumsum(said.sizes) - said.sizes)[caption] + row],
            other[(np.cumsum(given.sizes) - given.sizes)[rows][caption] + column],
        )

    @cached_property
    def distinct(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Premise and hypothesis of each distinct pair, and the pair of each cell: forward ones, then backward ones."""
        premises = np.concatenate([self.reference, self.generated])
        hypotheses = np.concatenate([self.generated, self.reference])
        pairs, places = np.unique(premises * len(self.texts) + hypotheses, return_inverse=True)
        return *np.divmod(pairs, max(len(self.texts), 1)), places

    def table(self, values: np.ndarray) -> pa.Table:
        """The table that :func:`cross` writes, from the values of the distinct pairs."""
        forward, backward = values[self.distinct[2]].reshape(2, -1)
        cells = self.generated_sizes * self.reference_sizes
        offsets = pa.array(np.concatenate([[0], np.cumsum(cells)]), pa.int32())
        caption = np.repeat(np.arange(len(cells)), cells)
        cut = np.bincount(caption, forward["truncated"].astype(int) + backward["truncated"], len(cells))
        columns = {
            "id": self.ids,
            "n_generated": pa.array(self.generated_sizes, pa.int32()),
            "n_reference": pa.array(self.reference_sizes, pa.int32()),
            "n_truncated": pa.array(cut.astype(np.int32)),
        }
        for direction, cell in (("forward", forward), ("backward", backward)):
            for name in ("entailment", "contradiction"):
                flat = pa.array(np.ascontiguousarray(cell[name]))
                columns[f"{direction}_{name}"] = pa.ListArray.from_arrays(offsets, flat)
        return pa.table(columns)


# ---- asking ------------------------------------------------------------------------------------------------------


class _Oracle:
    """The store, and behind it the model, loaded at the first pair that the store does not hold."""

    def __init__(self, manifest: Path, store: Path, batch_tokens: int, max_length: int) -> None:
        self._manifest = manifest
        self._store = store_for(store, read_json(manifest)["weights"]["digest"], max_length)
        self._settings = {"batch_tokens": batch_tokens, "max_length": max_length}

    @cached_property
    def _model(self) -> NliModel:
        from molmix.nli.model import NliModel

        return NliModel.load(weights_path(self._manifest), **self._settings)

    @property
    def is_loaded(self) -> bool:
        return "_model" in self.__dict__

    def ask(self, pairs: Pairs, name: str) -> np.ndarray:
        """Values of the distinct pairs, those that are new computed and added to the store."""
        premises, hypotheses, places = pairs.distinct
        digests = text_digests(pairs.texts)
        keys = pair_keys(digests[premises], digests[hypotheses])
        values, missing = self._store.lookup(keys)
        # Texts of like length together, so that most of a chunk's batches are full; the longest first.
        lengths = np.array([len(text) for text in pairs.texts], dtype=int)
        new = np.flatnonzero(missing)
        new = new[np.argsort(-(lengths[premises[new]] + lengths[hypotheses[new]]), kind="stable")]
        with progress(total=len(new), unit="pair", desc=f"NLI {name}") as bar:
            for chunk in (new[start : start + CHUNK] for start in range(0, len(new), CHUNK)):
                indices = zip(premises[chunk], hypotheses[chunk], strict=True)
                scores = self._model.score([(pairs.texts[p], pairs.texts[h]) for p, h in indices], bar)
                values[chunk] = as_values(*scores)
                self._store.add(keys[chunk], values[chunk])
        log.info("%s: %d cells, %d distinct pairs, %d computed", name, len(places), len(values), len(new))
        return values
