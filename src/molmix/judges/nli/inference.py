"""The NLI stage: ask a model about every ordered pair of a caption's atoms and its reference's atoms.

Only distinct pairs that are not in the cache are asked. The model, and torch with it, is loaded for the first such
pair.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from molmix.core.errors import MolmixError
from molmix.core.files import read_rows_of, write_table
from molmix.core.progress import Progress
from molmix.judges.nli.cache import VALUE
from molmix.judges.nli.cached_model import CachedModel
from molmix.judges.nli.literal import identical, lacking
from molmix.judges.nli.pairs import Distinct, Pairs, written_text
from molmix.judges.nli.premises import add_supports

_MANY = 4_000_000  # pairs that are looked up together

log = logging.getLogger(__name__)


def predict_tables(
    *,
    atoms: Mapping[str, tuple[Path, Path]],
    outs: Mapping[str, Path],
    model: Path | CachedModel,
    cache: Path,
    texts: Mapping[str, tuple[Path, Path]] | None = None,
    neighbours: Mapping[str, Sequence[Path]] | None = None,
    both_ways: bool = True,
    ask_identical: bool = False,
    exact: str = "none",
    premises: str = "atoms",
    **settings: Any,
) -> dict[str, dict[str, int]]:
    """Ask an NLI model for all pairs of one system's captions, over any number of test sets.

    A text entails itself: if the two texts of a pair are identical (:func:`molmix.judges.nli.literal.normalise`), the
    entailment is 1 and the contradiction 0, and the model is not asked.

    Writes one table per test set, one row per caption in the order of the generated atoms: ``id``, ``n_generated``,
    ``n_reference``, ``n_truncated`` (pairs that were cut to fit the model), ``fallback`` (whether `rules` made the
    atoms of one of the two texts because the decomposer's answer could not be used), and four lists of float32,
    row-major [generated, reference]: ``forward_entailment`` and ``forward_contradiction`` (premise: reference atom,
    hypothesis: generated atom), ``backward_entailment`` and ``backward_contradiction`` (premise and hypothesis
    exchanged). With longer premises, there are two lists more (:func:`molmix.judges.nli.premises.add_supports`).

    Args:
        atoms: for each test set, the tables (``id``, ``atoms``) of the references and of the system.
        outs: for each test set, the table to write.
        model: ``manifest.json`` of the NLI model; or the model itself, which stays loaded between calls. Then its own
            cache and settings are used.
        cache: folder of the NLI caches.
        texts: for each test set, the references (``id``, ``references``) and the system's captions (``id``, and
            ``text`` or ``references``). Only ``premises: text`` needs them.
        neighbours: for each test set, other systems' atoms. Loading a model takes longer than most of one system's
            pairs. So if it must be loaded, pairs of neighbours whose atoms exist already are computed too.
        both_ways: whether the backward lists are needed. If not, they are NaN, and their pairs are not computed.
        ask_identical: whether the model is asked about pairs of identical texts, too.
        exact: values that an entailed hypothesis shares with its premise, a key of
            :data:`molmix.judges.nli.literal.EXACT`. Where the premise lacks one, the entailment is 0.
        premises: ``atoms``, or a key of :data:`molmix.judges.nli.premises.LONGER`, which needs `both_ways`.
        settings: settings of the model; see :class:`molmix.judges.nli.cached_model.CachedModel`.

    Returns:
        For each test set, ``cells`` (pairs in the table, both directions counted), ``distinct`` pairs among them,
        ``computed`` ones (by the model; all others were in the cache), and ``computed_for_others`` (pairs of
        neighbours).

    Raises:
        MolmixError: a table is damaged, ids do not match, the model cannot be used, or the disk is full.
    """
    cached = model if isinstance(model, CachedModel) else CachedModel(model, cache, **settings)
    own = {test: Pairs.of(reference, generated, both_ways) for test, (reference, generated) in atoms.items()}
    joined, rows = Distinct.join([pairs.distinct for pairs in own.values()])
    asked = _asked(joined, ask_identical)
    without = lacking(joined.texts, joined.premises, joined.hypotheses, exact)
    answers, index = cached.look_up(joined.only(asked)), np.cumsum(asked) - 1
    others = _others(cached, atoms, neighbours or {}, both_ways, ask_identical) if answers.missing.any() else {}
    # Pairs that other jobs compute meanwhile are not computed again: then the bar ends early.
    plan = np.concatenate([joined.keys[asked][answers.missing], *(new.keys for new in others.values())])
    counts = {}
    with Progress(total=len(np.unique(plan, axis=0)), unit="pair", desc="NLI") as bar:
        for (test, pairs), indices in zip(own.items(), rows, strict=True):
            bar.set_description(f"NLI {test}")
            computed = answers.compute(index[indices[asked[indices]]], bar)
            table = pairs.table(_values(answers.values, asked, without)[indices])
            if premises != "atoms":
                ask = partial(predict_pairs, model=cached, cache=cache, name=f"{test}, longer premises")
                ask = partial(ask, ask_identical=ask_identical, exact=exact)
                whole = _texts_of(pairs, *texts[test]) if texts else None
                table = add_supports(table, pairs, premises, ask, whole)
            write_table(outs[test], table)
            cells, distinct = len(pairs.cells), len(indices)
            log.info("%s: %d cells, %d distinct pairs, %d computed", test, cells, distinct, computed)
            counts[test] = {"cells": cells, "distinct": distinct, "computed": computed, "computed_for_others": 0}
        for test, new in others.items():
            bar.set_description(f"NLI {test}, other systems")
            _, computed = cached.predict(new, bar)
            log.info("%s: %d pairs of other systems computed ahead of their jobs", test, computed)
            counts[test]["computed_for_others"] = computed
    return counts


def _texts_of(pairs: Pairs, references: Path, captions: Path) -> tuple[list[str], list[str]]:
    """The captions and their references, several joined by a blank, in the order of the pairs."""
    ids = pairs.ids.to_pylist()
    rows = [read_rows_of(path, ids, captions).to_pylist() for path in (captions, references)]
    said, given = ([written_text(row) for row in side] for side in rows)
    return said, given


def predict_pairs(
    pairs: Sequence[tuple[str, str]],
    *,
    model: Path | CachedModel,
    cache: Path,
    name: str,
    ask_identical: bool = True,
    exact: str = "none",
    **settings: Any,
) -> np.ndarray:
    """Ask an NLI model for any pairs of (premise, hypothesis).

    Args:
        pairs: any texts; a pair can occur more than once.
        model: ``manifest.json`` of the NLI model; or the model itself, as in :func:`predict_tables`.
        cache: folder of the NLI caches.
        name: name of the task, for people.
        ask_identical, exact: as in :func:`predict_tables`.
        settings: settings of the model; see :class:`molmix.judges.nli.cached_model.CachedModel`.

    Returns:
        The probabilities of each pair, :data:`molmix.judges.nli.cache.VALUE` [pairs].

    Raises:
        MolmixError: the model cannot be used, or the disk is full.
    """
    cached = model if isinstance(model, CachedModel) else CachedModel(model, cache, **settings)
    once = {pair: index for index, pair in enumerate(dict.fromkeys(pairs))}
    distinct = distinct_pairs(list(once))
    asked = _asked(distinct, ask_identical)
    without = lacking(distinct.texts, distinct.premises, distinct.hypotheses, exact)
    with Progress(total=len(cached.missing(distinct.only(asked)).keys), unit="pair", desc=f"NLI {name}") as bar:
        answers, computed = cached.predict(distinct.only(asked), bar)
    log.info("%s: %d pairs, %d distinct, %d computed", name, len(pairs), len(once), computed)
    return _values(answers, asked, without)[[once[pair] for pair in pairs]]


def distinct_pairs(pairs: Sequence[tuple[str, str]]) -> Distinct:
    """Distinct pairs of (premise, hypothesis), in the same order."""
    texts = {text: index for index, text in enumerate(dict.fromkeys(text for pair in pairs for text in pair))}
    numbers = np.array([[texts[text] for text in pair] for pair in pairs], np.int64).reshape(-1, 2)
    return Distinct.of(list(texts), *numbers.T)


def _asked(pairs: Distinct, ask_identical: bool) -> np.ndarray:
    """Which pairs the model is asked about: bool [n]."""
    if ask_identical:
        return np.ones(len(pairs.keys), bool)
    return ~identical(pairs.texts, pairs.premises, pairs.hypotheses)


def _values(answers: np.ndarray, asked: np.ndarray, without: np.ndarray) -> np.ndarray:
    """Values of pairs (:data:`molmix.judges.nli.cache.VALUE` [n]): the model's answers, and what their words say.

    Args:
        answers: of the asked pairs.
        asked: which pairs the model is asked about, bool [n]; the others are identical texts.
        without: which hypotheses have a value that their premise lacks, bool [n].
    """
    values = np.zeros(len(asked), VALUE)
    values["entailment"] = 1
    values[asked] = answers
    values["entailment"][without] = 0
    return values


def _others(
    cached: CachedModel,
    atoms: Mapping[str, tuple[Path, Path]],
    neighbours: Mapping[str, Sequence[Path]],
    both_ways: bool,
    ask_identical: bool,
) -> dict[str, Distinct]:
    """The distinct pairs of neighbours that the cache lacks, by test set.

    To save memory, cells are not kept, and pairs are looked up whenever many have been collected: there can be many
    neighbours.
    """

    def missing(parts: list[Distinct]) -> Distinct:
        joined = Distinct.join(parts)[0]
        return cached.missing(joined.only(_asked(joined, ask_identical)))

    found = {}
    for test, paths in neighbours.items():
        new: list[Distinct] = []
        collected: list[Distinct] = []
        for path in paths:
            if path in atoms[test]:  # a glob also finds the references and the system itself
                continue
            try:
                collected.append(Pairs.of(atoms[test][0], path, both_ways).distinct)
            except MolmixError:  # not finished yet; its own job will report any other error
                continue
            if sum(len(pairs.keys) for pairs in collected) > _MANY:
                new.append(missing(collected))
                collected = []
        new.append(missing(collected))
        if any(len(pairs.keys) for pairs in new):
            found[test] = Distinct.join(new)[0]
    return found
