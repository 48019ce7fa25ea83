"""An NLI model behind a persistent cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molmix.core.files import read_json
from molmix.judges.nli.cache import as_values, open_cache
from molmix.judges.nli.pairs import Distinct
from molmix.judges.nli.settings import resolve_dtype
from molmix.models.manifests import weights_path

if TYPE_CHECKING:
    from molmix.judges.nli.model import NliModel

CHUNK = 1024  # pairs computed and cached at a time: a killed job loses at most so many


class CachedModel:
    """An NLI model and its cache. The model is loaded for the first pair that is not in the cache.

    Args:
        manifest: ``manifest.json`` of the NLI model.
        cache: folder of the NLI caches.
        batch_tokens: tokens in a batch, fewer on a CPU.
        max_length: maximum tokens of a pair; longer pairs are cut.
        dtype: number format of the computation, one of :data:`molmix.judges.nli.settings.DTYPES`.
        labels: names of the model's classes in its order; default those of its config.
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
    ) -> None:
        facts = read_json(manifest)
        self._manifest = manifest
        self._settings: dict[str, Any] = {"max_length": max_length, "dtype": resolve_dtype(dtype), "labels": labels}
        self._batch_tokens = batch_tokens
        name = "@".join(facts[key] for key in ("source", "revision") if facts.get(key)) or facts["id"]
        self._cache = open_cache(cache, name=name, model=facts["weights"]["digest"], **self._settings)

    @cached_property
    def _model(self) -> NliModel:
        from molmix.judges.nli.model import NliModel

        return NliModel.load(weights_path(self._manifest), batch_tokens=self._batch_tokens, **self._settings)

    def missing(self, pairs: Distinct) -> Distinct:
        """The given pairs that are not in the cache."""
        return pairs.only(self._cache.lookup(pairs.keys)[1])

    def predict(self, pairs: Distinct, bar: Any) -> tuple[np.ndarray, int]:
        """Values of the pairs (:data:`molmix.judges.nli.cache.VALUE` [n]), and how many were computed and added to the
        cache.

        Args:
            pairs: any pairs.
            bar: a tqdm bar, updated for every computed pair.
        """
        values, missing = self._cache.lookup(pairs.keys)
        # Group texts of similar length, so that most of a chunk's batches are full; the longest first.
        lengths = np.array([len(text) for text in pairs.texts], dtype=int)
        new = np.flatnonzero(missing)
        new = new[np.argsort(-(lengths[pairs.premises[new]] + lengths[pairs.hypotheses[new]]), kind="stable")]
        for chunk in (new[start : start + CHUNK] for start in range(0, len(new), CHUNK)):
            indices = zip(pairs.premises[chunk], pairs.hypotheses[chunk], strict=True)
            scores = self._model.score([(pairs.texts[p], pairs.texts[h]) for p, h in indices], bar)
            values[chunk] = as_values(*scores)
            self._cache.add(pairs.keys[chunk], values[chunk])
        return values, len(new)
