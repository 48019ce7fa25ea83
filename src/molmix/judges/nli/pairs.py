"""Pairs of two tables of atoms, as numbers: a text is hashed once, and a pair is two indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from molmix.core.errors import fault
from molmix.core.files import read_table
from molmix.judges.nli.cache import VALUE, pair_keys, text_digests


def written_text(row: dict[str, Any]) -> str:
    """The text of a row of captions: the caption of a system, or all references of a molecule, joined by blanks."""
    return row["text"] if "text" in row else " ".join(row["references"])


@dataclass(frozen=True)
class Atoms:
    """A table of atoms.

    Attributes:
        ids: of the captions.
        sizes: atoms of each caption, int64 [n].
        texts: all atoms, caption by caption.
        fallback: of each caption, whether `rules` split it because its decomposer's answer could not be used, bool [n].
    """

    ids: pa.Array
    sizes: np.ndarray
    texts: pa.Array
    fallback: np.ndarray

    @staticmethod
    def read(path: Path) -> Atoms:
        """Read a table (``id``: string, ``atoms``: list of string, ``fallback``: bool, false if missing).

        Raises:
            MolmixError: it is missing, damaged, or has a caption twice.
        """
        table = read_table(path).combine_chunks()
        ids, lists = (table[name].combine_chunks() for name in ("id", "atoms"))
        repeated = pc.value_counts(ids).filter(pc.greater(pc.value_counts(ids).field("counts"), 1))
        if len(repeated):
            raise fault(path, f"holds the id {repeated[0]['values']} more than once", "give every caption its own id")
        sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
        fallback = table["fallback"].to_numpy() if "fallback" in table.column_names else np.zeros(len(ids), bool)
        return Atoms(ids, sizes, lists.flatten(), fallback)


@dataclass(frozen=True)
class Distinct:
    """Distinct pairs of texts.

    Attributes:
        texts: the distinct texts.
        premises, hypotheses: of each pair, as indices of ``texts``, int64 [n].
        keys: of the pairs in the cache, uint64 [n, 2].
    """

    texts: list[str]
    premises: np.ndarray
    hypotheses: np.ndarray
    keys: np.ndarray

    @staticmethod
    def of(texts: list[str], premises: np.ndarray, hypotheses: np.ndarray) -> Distinct:
        """Pairs with their keys."""
        digests = text_digests(texts)
        return Distinct(texts, premises, hypotheses, pair_keys(digests[premises], digests[hypotheses]))

    @staticmethod
    def join(parts: Sequence[Distinct]) -> tuple[Distinct, list[np.ndarray]]:
        """The distinct pairs of all parts, and for each part the indices of its pairs among them."""
        texts = [text for part in parts for text in part.texts]
        starts = np.cumsum([0, *(len(part.texts) for part in parts)])[:-1]
        joined = [
            np.concatenate([np.empty(0, np.int64), *(own + start for own, start in zip(columns, starts, strict=True))])
            for columns in ([part.premises for part in parts], [part.hypotheses for part in parts])
        ]
        keys = np.concatenate([np.empty((0, 2), np.uint64), *(part.keys for part in parts)])
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        ends = np.cumsum([len(part.keys) for part in parts])[:-1]
        distinct = Distinct(texts, joined[0][first], joined[1][first], keys[first])
        return distinct, np.split(inverse.reshape(-1), ends)

    def only(self, which: np.ndarray) -> Distinct:
        """A subset (by a mask, bool [n])."""
        return Distinct(self.texts, self.premises[which], self.hypotheses[which], self.keys[which])


def _unasked(cells: int) -> np.ndarray:
    """Values of cells that were not asked for: NaN."""
    values = np.zeros(cells, VALUE)
    values["entailment"] = values["contradiction"] = np.nan
    return values


@dataclass(frozen=True)
class Pairs:
    """Every pair of a generated atom and an atom of its reference, caption by caption, row-major.

    Attributes:
        ids: of the captions.
        generated_sizes, reference_sizes: atoms of each caption and its reference, int64 [captions].
        texts: the distinct atoms.
        generated, reference: the two texts of each cell, as indices of ``texts``, int64 [cells].
        fallback: whether `rules` made the atoms of a caption or its reference because the decomposer's answer could not
            be used, bool [captions].
        both_ways: whether a cell needs both orders of its texts, or only the reference as premise.
    """

    ids: pa.Array
    generated_sizes: np.ndarray
    reference_sizes: np.ndarray
    texts: list[str]
    generated: np.ndarray
    reference: np.ndarray
    fallback: np.ndarray
    both_ways: bool

    @staticmethod
    def of(reference: Path, generated: Path, both_ways: bool = True) -> Pairs:
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
            said.fallback | given.fallback[rows],
            both_ways,
        )

    @cached_property
    def _unique(self) -> tuple[np.ndarray, np.ndarray]:
        forward, backward = (self.reference, self.generated), (self.generated, self.reference)
        asked = [forward, backward] if self.both_ways else [forward]
        premises, hypotheses = (np.concatenate(texts) for texts in zip(*asked, strict=True))
        return np.unique(premises * len(self.texts) + hypotheses, return_inverse=True)

    @cached_property
    def distinct(self) -> Distinct:
        """The pairs without repeats."""
        return Distinct.of(self.texts, *np.divmod(self._unique[0], max(len(self.texts), 1)))

    @property
    def cells(self) -> np.ndarray:
        """Index of each cell's distinct pair, int64 [1 or 2 × cells]: the forward ones, then the backward ones."""
        return self._unique[1]

    def table(self, values: np.ndarray) -> pa.Table:
        """The table of :func:`molmix.judges.nli.inference.predict_tables`, from the values of the distinct pairs."""
        forward, *rest = values[self.cells].reshape(1 + self.both_ways, -1)
        backward = rest[0] if rest else _unasked(len(forward))
        sizes = self.generated_sizes * self.reference_sizes
        offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
        caption = np.repeat(np.arange(len(sizes)), sizes)
        cut = np.bincount(caption, forward["truncated"].astype(int) + backward["truncated"], len(sizes))
        columns = {
            "id": self.ids,
            "n_generated": pa.array(self.generated_sizes, pa.int32()),
            "n_reference": pa.array(self.reference_sizes, pa.int32()),
            "n_truncated": pa.array(cut.astype(np.int32)),
            "fallback": pa.array(self.fallback),
        }
        for direction, cell in (("forward", forward), ("backward", backward)):
            for name in ("entailment", "contradiction"):
                flat = pa.array(np.ascontiguousarray(cell[name]))
                columns[f"{direction}_{name}"] = pa.ListArray.from_arrays(offsets, flat)
        return pa.table(columns)
