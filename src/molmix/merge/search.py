"""Search the weights of a merge: candidates are merged, write captions for the validation split, and are scored.

The parents are opened once for all candidates. The result is a file with the best candidate and all others
(``search.json``). The model itself is made from it in the ordinary way of a merge. Figures of finished candidates are
kept, so that a killed search continues. It gives the same result as an uninterrupted one: captions are greedy, and all
candidates of CMA-ES follow from the seed and the figures.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from molmix.core.errors import fault
from molmix.core.files import digest, read_json, write_json
from molmix.core.fingerprint import code_digest, package_versions
from molmix.core.hub import switch_hub_off
from molmix.core.jsonl_cache import append_to_cache, read_cache
from molmix.core.progress import Progress
from molmix.core.temporary import temporary_folder
from molmix.data.corpus import draw_rows, read_molecules
from molmix.data.prompts import prompt
from molmix.generation.engines import ENGINES
from molmix.merge.algorithms._shared import Point
from molmix.merge.merging import NOT_OF_METHODS, Models, open_models
from molmix.merge.settings import MergeMethod, SearchAlgorithm, with_point
from molmix.metrics.scorer import CaptionScorer
from molmix.models.manifests import write_manifest

# Code that a candidate's figure depends on, besides that of generation.
CODE = ("molmix.merge", "molmix.metrics", "molmix.judges", "molmix.data.prompts")

logger = logging.getLogger(__name__)


def search_weights(
    *,
    model_id: str,
    parents: list[Path],
    base: Path,
    validation: Path,
    prompts: dict[str, Any],
    generation: dict[str, Any],
    settings: dict[str, Any],
    seed: int,
    first_seed: int,
    nli: Mapping[str, Path],
    work: Path,
    out: Path,
    store: Path = Path("results/store"),
) -> None:
    """Search the parameters of one merge, and write all candidates with their figures as JSON.

    ``settings`` has the parameters of the best candidate; the first of equally good ones. ``candidates`` has those of
    all, each with its ``value``, in the order in which they were tried.

    Args:
        model_id: id of the merge in the model table.
        parents, base: manifests of the models that are merged.
        validation: validation split of the corpus.
        prompts: prompt templates.
        generation: the config's section, dumped, with the settings of a chat template if there is one. Captions are
            greedy and written by transformers, whatever it says.
        settings: of the merge; with `search` (``by``, ``metric``, ``budget``, ``molecules``) and `scorer`
            (:func:`molmix.metrics.scorer.scorer_settings`).
        seed: for methods that draw random numbers, and for the algorithm.
        first_seed: of the draw of molecules: all searches of a study use the same ones.
        nli: manifests of the NLI models that the metric asks, by name.
        work: folder for this model's search, outside of the outputs.
        out: JSON file to write.
        store: folder of the caches of these models.

    Raises:
        MolmixError: there are no validation molecules, the metric has no value for them, or as
            :func:`molmix.merge.merging.merge`.
    """
    switch_hub_off()
    search = settings["search"]
    rows = draw_rows(read_molecules(validation), search["molecules"], first_seed)
    if not rows:
        raise fault("data.validation", "has no rows to search on", "give a validation split, or remove `merge.search`")
    scorer = CaptionScorer(settings["scorer"], nli, store)
    better = scorer.columns[search["metric"]]
    own = {key: settings[key] for key in settings if key not in NOT_OF_METHODS}
    start = TypeAdapter(MergeMethod).validate_python(own)
    algorithm = TypeAdapter(SearchAlgorithm).validate_python(search["by"])
    candidates: list[dict[str, Any]] = []
    with open_models(parents, base, work) as models:
        inputs = models.digests | {f"nli.{name}": read_json(path)["weights"]["digest"] for name, path in nli.items()}
        greedy = generation | {"temperature": 0.0}
        study = _Evaluation(models, rows, settings, greedy, prompts, scorer, inputs, seed, work)
        points = algorithm.candidates(
            algorithm.sizes(len(parents)), start.model_dump(by_alias=True), search["budget"], seed
        )
        with Progress(total=search["budget"], desc=model_id, unit="candidate") as bar:
            point = next(points, None)
            while point is not None:
                value = study.figure(point, with_point(start, point).model_dump(by_alias=True))
                candidates.append({"settings": point, "value": value})
                logger.info("%s: %s %.4f", point, search["metric"], value)
                bar.update()
                try:
                    point = points.send(value if better == "higher" else -value)
                except StopIteration:
                    point = None
    choose = max if better == "higher" else min
    best = choose(candidates, key=lambda candidate: candidate["value"])
    facts = {
        "id": model_id,
        "metric": search["metric"],
        "better": better,
        "molecules": len(rows),
        "tried": len(candidates),
        "inputs": inputs,
        "settings": best["settings"],
        "value": best["value"],
        "candidates": candidates,
    }
    write_json(out, facts, checksum=True)


class _Evaluation:
    """Figures of candidates: merge, write captions, score. Those of finished candidates are kept in a file."""

    def __init__(
        self,
        models: Models,
        rows: list[dict[str, Any]],
        settings: dict[str, Any],
        generation: dict[str, Any],
        prompts: dict[str, Any],
        scorer: CaptionScorer,
        inputs: dict[str, str],
        seed: int,
        work: Path,
    ) -> None:
        self.models, self.rows, self.generation, self.seed, self.work = models, rows, generation, seed, work
        self.dtype, self.metric, self.scorer = settings.get("dtype"), settings["search"]["metric"], scorer
        self.prompts = [prompt(prompts["mol2cap"], "mol2cap", row["molecule"]) for row in rows]
        self.kind = ENGINES["transformers"]
        depends_on = [
            package_versions(["mergekit"]),
            inputs,
            generation,
            self.kind.depends_on(generation),
            self.prompts,
            settings["scorer"],
            seed,
        ]
        truth = [[row[name] for name in ("references", "facts", "properties")] for row in rows]
        self.file = work / f"{digest(*depends_on, truth, self.metric, self.dtype, code_digest(*CODE))}.jsonl"
        self.known = read_cache(self.file)

    def figure(self, point: Point, merge: dict[str, Any]) -> float:
        """The metric of a candidate. A value that is not defined counts as the worst: 0, or 1 if lower is better.

        Args:
            point: its parameters.
            merge: all settings of its merge.
        """
        key = digest(merge)
        if key not in self.known:
            self.known[key] = self._figure(merge)
            append_to_cache(self.file, {key: self.known[key]})
        return float(self.known[key])

    def _figure(self, merge: dict[str, Any]) -> float:
        import torch

        from molmix.models.weights import cast_weights

        with temporary_folder(self.work, "candidate") as folder:
            weights, manifest = folder / "weights", folder / "manifest.json"
            self.models.merge_into(weights, merge | ({"dtype": self.dtype} if self.dtype else {}), self.seed)
            if self.dtype:
                cast_weights(weights, getattr(torch, self.dtype))
            write_manifest(manifest, {"id": "candidate", "kind": "merged", "parents": self.models.parents}, weights)
            texts = self.kind.load(manifest, self.generation, self.seed).texts(self.prompts)
        value = self.scorer.figures(texts, self.rows, [self.metric])[self.metric]
        worst = 0.0 if self.scorer.columns[self.metric] == "higher" else 1.0
        return worst if math.isnan(value) else value
