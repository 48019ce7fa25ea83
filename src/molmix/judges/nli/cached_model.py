"""An NLI model behind a persistent cache."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molmix.core.files import read_json, write_json
from molmix.core.progress import Progress
from molmix.judges.nli.agreement import Agreement, compare, sample
from molmix.judges.nli.cache import Lookup, as_values, open_cache
from molmix.judges.nli.claims import Claims
from molmix.judges.nli.engines import AUTO, ENGINES, TORCH, fastest_engines
from molmix.judges.nli.number_format import resolve_dtype
from molmix.judges.nli.pairs import Distinct
from molmix.models.manifests import weights_path

if TYPE_CHECKING:
    from molmix.judges.nli.model import NliModel

log = logging.getLogger(__name__)

# Parts of the work that processes share: 64 classes of length (in characters) of four parts each.
_WIDTH, _WIDEST, _SPLIT = 16, 63, 4
POLL = 0.5  # seconds between two looks at parts that other processes compute
AGREEMENT = "agreement.json"  # in the cache of an engine that `auto` tried
CHUNK = 1024  # pairs computed and cached at a time: a killed job loses at most so many


class CachedModel:
    """An NLI model and its cache. The model is loaded for the first pair that is not in the cache.

    Args:
        manifest: ``manifest.json`` of the NLI model.
        cache: folder of the NLI caches.
        batch_tokens: tokens in a batch, fewer on a CPU.
        max_length: maximum tokens of a pair; longer pairs are cut.
        dtype: number format of the computation, one of :data:`molmix.judges.nli.number_format.DTYPES`.
        labels: names of the model's classes in its order; default those of its config.
        engine: the library that computes, a key of :data:`molmix.judges.nli.engines.ENGINES`; or ``auto`` for the
            fastest one that is installed and exact. An engine is exact if its answers for some of the first missing
            pairs equal those of PyTorch in float32 (:mod:`molmix.judges.nli.agreement`). The result is stored in the
            cache, so that later jobs choose the same. PyTorch is chosen as long as its cache has all answers.

    Attributes:
        cache: its cache; that of PyTorch for ``auto``.

    Raises:
        MolmixError: the engine is not installed, or does not compute in `dtype`.
    """

    def __init__(
        self,
        manifest: Path,
        cache: Path,
        *,
        batch_tokens: int = 16384,
        max_length: int = 256,
        dtype: str = "auto",
        labels: Sequence[str] | None = None,
        engine: str = TORCH,
    ) -> None:
        facts = read_json(manifest)
        self._manifest, self._root = manifest, cache
        own = TORCH if engine == AUTO else engine
        ENGINES[own].check_installed(own)
        self._settings: dict[str, Any] = {"max_length": max_length, "labels": labels}
        self._settings |= {"dtype": resolve_dtype(dtype, own), "engine": own}
        self._tried = fastest_engines(self._settings["dtype"]) if engine == AUTO else []
        self._chosen: CachedModel | None = None
        self._batch_tokens = batch_tokens
        name = "@".join(facts[key] for key in ("source", "revision") if facts.get(key)) or facts["id"]
        self.cache = open_cache(cache, name=name, model=facts["weights"]["digest"], **self._settings)

    @cached_property
    def _model(self) -> NliModel:
        from molmix.judges.nli.model import NliModel

        return NliModel.load(weights_path(self._manifest), batch_tokens=self._batch_tokens, **self._settings)

    def _with(self, engine: str, dtype: str) -> CachedModel:
        """The same model with another engine and number format."""
        settings = self._settings | {"engine": engine, "dtype": dtype}
        return CachedModel(self._manifest, self._root, batch_tokens=self._batch_tokens, **settings)

    def _choose(self, pairs: Distinct) -> CachedModel:
        """The model with the engine that is used for some pairs: itself, or what ``auto`` chooses."""
        if not self._tried or self._chosen is not None:
            return self._chosen or self
        missing = pairs.only(Answers(self, pairs).missing)
        if not len(missing.keys):
            return self
        tried = (self._with(name, self._settings["dtype"]) for name in self._tried)
        self._chosen = next((own for own in tried if own._is_exact(missing)), self)
        log.info("engine `auto`: %s", self._chosen._settings["engine"])
        return self._chosen

    def _is_exact(self, pairs: Distinct) -> bool:
        """Whether its engine is exact, as an earlier job found, or else on some of these pairs."""
        path = self.cache.folder / AGREEMENT
        if not path.is_file():
            agreement = self.measure_agreement(pairs)
            assert agreement is not None
            write_json(path, asdict(agreement))
        return Agreement(**read_json(path)).is_exact

    def measure_agreement(self, pairs: Distinct) -> Agreement | None:
        """Compare its answers with those of PyTorch in float32, on some of the given pairs, which are at least one.

        Answers of both are looked up in their caches, and added to them. None if it is PyTorch in float32.
        """
        own, exact = self._choose(pairs), self._with(TORCH, "float32")
        if own.cache.folder == exact.cache.folder:
            return None
        some = pairs.only(sample(len(pairs.keys)))
        with Progress(total=2 * len(some.keys), unit="pair", desc="NLI agreement") as bar:
            values = [model.predict(some, bar)[0] for model in (own, exact)]
        agreement = compare(own._settings["engine"], own._settings["dtype"], *values)
        log.info("%s", agreement.describe())
        return agreement

    def look_up(self, pairs: Distinct) -> Answers:
        """Answers for some pairs: those in the cache; the others can be computed."""
        return Answers(self._choose(pairs), pairs)

    def missing(self, pairs: Distinct) -> Distinct:
        """The given pairs that are not in the cache."""
        return pairs.only(self.look_up(pairs).missing)

    def predict(self, pairs: Distinct, bar: Any) -> tuple[np.ndarray, int]:
        """Values of the pairs (:data:`molmix.judges.nli.cache.VALUE` [n]), and how many this process computed.

        Args:
            pairs: any distinct pairs.
            bar: the progress, updated for every computed pair.
        """
        answers = self.look_up(pairs)
        computed = answers.compute(np.arange(len(pairs.keys)), bar)
        return answers.values, computed

    def score(self, pairs: Sequence[tuple[str, str]], bar: Any) -> np.ndarray:
        """Values of pairs by the model, without the cache; :data:`molmix.judges.nli.cache.VALUE` [n]."""
        return as_values(*self._model.score(pairs, bar))


class Answers:
    """Answers of a model for some pairs, which several processes can compute together.

    Missing pairs are divided into parts, by the length of their texts and by their key: every process divides them in
    the same way. A process computes a part that no other one has claimed, and adds the answers to the cache. When only
    parts of others are left, it waits for them.

    Args:
        model: the model and its cache.
        pairs: any distinct pairs.
    """

    def __init__(self, model: CachedModel, pairs: Distinct) -> None:
        self._model, self._pairs = model, pairs
        self._found = Lookup(model.cache, pairs.keys)
        self._claims = Claims(model.cache.folder / "claims")

    @property
    def values(self) -> np.ndarray:
        """:data:`molmix.judges.nli.cache.VALUE` [n], zero for missing pairs."""
        return self._found.values

    @property
    def missing(self) -> np.ndarray:
        """Which pairs have no answer yet, bool [n]."""
        return self._found.missing

    def compute(self, rows: np.ndarray, bar: Any) -> int:
        """Compute the missing ones of some pairs; how many this process computed.

        Args:
            rows: indices of the pairs.
            bar: the progress, updated for every computed pair.
        """
        rows = rows[self.missing[rows]]
        if not len(rows):
            return 0
        lengths = self._lengths(rows)
        parts = np.minimum(lengths // _WIDTH, _WIDEST) * _SPLIT + (self._pairs.keys[rows, 0] % _SPLIT).astype(int)
        open_parts = {part: int(count) for part, count in zip(*np.unique(parts, return_counts=True), strict=True)}
        computed, waits = 0, False
        while open_parts:
            claimed = self._claim(open_parts)
            if claimed:
                self._found.refresh()
                try:
                    own = np.isin(parts, claimed) & self.missing[rows]
                    # The longest first: a lack of memory shows at once. Similar lengths fill the model's batches.
                    new = rows[own][np.argsort(-lengths[own], kind="stable")]
                    for start in range(0, len(new), CHUNK):
                        self._compute_chunk(new[start : start + CHUNK], bar)
                    computed += len(new)
                finally:
                    for part in claimed:
                        self._claims.release(str(part))
            else:
                if not waits:
                    log.info("waiting for %d pairs that other jobs compute", self.missing[rows].sum())
                waits = True
                time.sleep(POLL)
                self._found.refresh()
            left = set(parts[self.missing[rows]].tolist())
            open_parts = {part: count for part, count in open_parts.items() if part in left}
        return computed

    def _claim(self, parts: dict[int, int]) -> list[int]:
        """Claim free parts, of the longest pairs first, until they fill a chunk."""
        claimed: list[int] = []
        for part in sorted(parts, reverse=True):
            if sum(parts[one] for one in claimed) >= CHUNK:
                break
            if self._claims.take(str(part)):
                claimed.append(part)
        return claimed

    def _compute_chunk(self, rows: np.ndarray, bar: Any) -> None:
        pairs = self._pairs
        indices = zip(pairs.premises[rows], pairs.hypotheses[rows], strict=True)
        texts = [(pairs.texts[premise], pairs.texts[hypothesis]) for premise, hypothesis in indices]
        self.values[rows] = self._model.score(texts, _Beating(bar, self._claims))
        self.missing[rows] = False
        self._model.cache.add(pairs.keys[rows], self.values[rows])

    def _lengths(self, rows: np.ndarray) -> np.ndarray:
        """Characters of both texts of each pair."""
        lengths = np.array([len(text) for text in self._pairs.texts], dtype=int)
        return lengths[self._pairs.premises[rows]] + lengths[self._pairs.hypotheses[rows]]


class _Beating:
    """Progress that also gives signs of life for claims."""

    def __init__(self, bar: Any, claims: Claims) -> None:
        self._bar, self._claims = bar, claims

    def update(self, count: int) -> None:
        """Count computed pairs."""
        self._claims.keep()
        self._bar.update(count)
