"""The NLI stage: what a model says of every ordered pair of a caption's atoms and its reference's.

Only distinct pairs that the cache does not hold become text again. The model, and torch with it, is loaded when the
first such pair turns up.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molmix.core.errors import MolmixError
from molmix.core.files import write_table
from molmix.core.progress import progress
from molmix.judges.nli.cached_model import CachedModel
from molmix.judges.nli.pairs import Distinct, Pairs

log = logging.getLogger(__name__)


def predict_tables(
    *,
    atoms: Mapping[str, tuple[Path, Path]],
    outs: Mapping[str, Path],
    model: Path | CachedModel,
    cache: Path,
    neighbours: Mapping[str, Sequence[Path]] | None = None,
    both_ways: bool = True,
    **settings: Any,
) -> dict[str, dict[str, int]]:
    """Ask an NLI model for all pairs of one system's captions, over any number of test sets.

    Writes one table a test set, a row a caption in the order of the generated atoms: ``id``, ``n_generated``,
    ``n_reference``, ``n_truncated`` (pairs that were cut to fit the model), ``fallback`` (whether `rules` made
    the atoms of one of the two texts because the decomposer's answer could not be used), and four lists of float32,
    row-major
    [generated, reference]: ``forward_entailment`` and ``forward_contradiction`` (premise: reference atom, hypothesis:
    generated atom), ``backward_entailment`` and ``backward_contradiction`` (the other way round).

    Args:
        atoms: for each test set, the tables (``id``, ``atoms``) of the references and of the system.
        outs: for each test set, the table to write.
        model: ``manifest.json`` of the NLI model; or the model itself, which stays loaded from call to call, and whose
            cache and settings then hold.
        cache: folder of the NLI caches.
        neighbours: for each test set, other systems' atoms. Loading a model costs more than most of one system's pairs,
            so if it has to be loaded, those of neighbours that are on disk already are asked in the same go.
        both_ways: whether the backward lists are wanted; they are NaN otherwise, and their pairs are not asked.
        settings: how it is asked; see :class:`molmix.judges.nli.cached_model.CachedModel`.

    Returns:
        For each test set ``cells`` (pairs in the table, each direction counted), ``distinct`` pairs among them,
        ``computed`` ones (they ran through the model; all others lay in the cache), and those that were
        ``computed_for_others``, the neighbours.

    Raises:
        MolmixError: a table is damaged, ids do not match, the model cannot be used, or the disk is full.
    """
    cached = model if isinstance(model, CachedModel) else CachedModel(model, cache, **settings)
    own = {test: Pairs.of(reference, generated, both_ways) for test, (reference, generated) in atoms.items()}
    new = [cached.missing(pairs.distinct) for pairs in own.values()]
    others = []
    if any(len(lacking.keys) for lacking in new):
        others = list(_others(cached, atoms, neighbours or {}, both_ways))
        random.shuffle(others)  # so that jobs that run side by side begin with different ones
    # What other jobs add to the cache meanwhile is not asked again: the bar then ends early.
    plan = np.concatenate([lacking.keys for lacking in (*new, *(lacking for *_, lacking in others))])
    counts = {}
    with progress(total=len(np.unique(plan, axis=0)), unit="pair", desc="NLI") as bar:
        for test, pairs in own.items():
            bar.set_description(f"NLI {test}")
            values, computed = cached.predict(pairs.distinct, bar)
            write_table(outs[test], pairs.table(values))
            cells, distinct = len(pairs.cells), len(values)
            log.info("%s: %d cells, %d distinct pairs, %d computed", test, cells, distinct, computed)
            counts[test] = {"cells": cells, "distinct": distinct, "computed": computed, "computed_for_others": 0}
        for test, path, lacking in others:
            bar.set_description(f"NLI {path.parent.name}/{test}")
            _, computed = cached.predict(lacking, bar)
            log.info("%s: %d pairs computed ahead of its own job", path, computed)
            counts[test]["computed_for_others"] += computed
    return counts


def predict_pairs(
    pairs: Sequence[tuple[str, str]], *, model: Path, cache: Path, name: str, **settings: Any
) -> np.ndarray:
    """Ask an NLI model for any pairs of (premise, hypothesis).

    Args:
        pairs: any texts; a pair can occur more than once.
        model: ``manifest.json`` of the NLI model.
        cache: folder of the NLI caches.
        name: of what is asked, for people.
        settings: how it is asked; see :class:`molmix.judges.nli.cached_model.CachedModel`.

    Returns:
        What the model says of each pair, :data:`molmix.judges.nli.cache.VALUE` [pairs].

    Raises:
        MolmixError: the model cannot be used, or the disk is full.
    """
    cached = CachedModel(model, cache, **settings)
    texts = {text: index for index, text in enumerate(dict.fromkeys(text for pair in pairs for text in pair))}
    once = {pair: index for index, pair in enumerate(dict.fromkeys(pairs))}
    numbers = np.array([[texts[text] for text in pair] for pair in once], np.int64).reshape(-1, 2)
    distinct = Distinct.of(list(texts), *numbers.T)
    with progress(total=len(cached.missing(distinct).keys), unit="pair", desc=f"NLI {name}") as bar:
        values, computed = cached.predict(distinct, bar)
    log.info("%s: %d pairs, %d distinct, %d computed", name, len(pairs), len(values), computed)
    return values[[once[pair] for pair in pairs]]


def _others(
    cached: CachedModel,
    atoms: Mapping[str, tuple[Path, Path]],
    neighbours: Mapping[str, Sequence[Path]],
    both_ways: bool,
) -> Iterator[tuple[str, Path, Distinct]]:
    """The pairs of neighbours that the cache lacks, as (test set, table, pairs). The cells are not kept: there can be
    any number of neighbours."""
    for test, paths in neighbours.items():
        for path in paths:
            if path in atoms[test]:  # a glob finds the references and the system itself among them
                continue
            try:
                pairs = Pairs.of(atoms[test][0], path, both_ways)
            except MolmixError:  # not there yet; whatever else is wrong with it, its own job will say
                continue
            yield test, path, cached.missing(pairs.distinct)
