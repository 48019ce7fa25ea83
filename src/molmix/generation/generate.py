"""Answers of one model to the prompts of its test sets: in batches, resumable and the same in every run.

The answers depend on the model's weights, the settings, the seed, the engine's code, libraries and hardware, and the
*set* of prompts of a test set. Batches are made from the sorted distinct prompts, so that neither the order of rows nor
another test set changes a rounding. Finished batches are kept in a file after the job. The file is named by the digest
of all these inputs.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa

from molmix.core.files import digest, read_json, read_table, write_table
from molmix.core.jsonl_cache import append_to_cache, read_cache
from molmix.core.progress import Progress
from molmix.data.prompts import prompt
from molmix.generation.engine import Engine
from molmix.generation.engines import ENGINES
from molmix.generation.engines._kind import generation_dtype
from molmix.generation.few_shot import EXAMPLES, FewShot
from molmix.models.manifests import is_adapter, start_manifest
from molmix.models.precision import DTYPE, erasure_warning

ANSWERS = pa.schema([("id", pa.string()), ("text", pa.string()), ("tokens", pa.int32()), ("finish", pa.string())])

# The columns of ANSWERS without `id`.
Answer = dict[str, Any]

logger = logging.getLogger(__name__)


def generate(
    *,
    manifest: Path,
    prompts: dict[str, tuple[list[str], list[str]]],
    outs: dict[str, Path],
    settings: dict[str, Any],
    seed: int,
    cache: Path,
    few_shot: FewShot | None = None,
) -> None:
    """Let a model answer every test set.

    Writes a table for each test set, columns of `ANSWERS`, in the order of the given rows. ``text`` is without
    control tokens and without the space between prompt and answer. ``tokens`` is the number of generated tokens,
    including the end token. ``finish`` is ``stop``, ``length`` (cut at ``max_new_tokens`` or at the end of the
    model's context) or ``prompt_too_long`` (no token fits after the prompt; the text is empty). The table's metadata
    says in which number type the model ran (:data:`molmix.models.precision.DTYPE`), and how many examples its prompts
    have (:data:`molmix.generation.few_shot.EXAMPLES`).

    An interrupted call continues with the first unfinished batch. If nothing is left to generate, the model is not
    loaded.

    Args:
        manifest: ``models/<id>/manifest.json``.
        prompts: row ids and prompts by test set.
        outs: the tables to write, by test set.
        settings: the config's `generation` section, dumped.
        seed: of sampling; greedy answers do not depend on it.
        cache: folder of finished batches, a file for each model and test set; its loss costs only time.
        few_shot: gave the prompts their examples; None for prompts without examples.

    Raises:
        MolmixError: the model's weights are missing or cannot be loaded; or the engine is not installed, or has no GPU.
    """
    kind = ENGINES[settings.get("engine", "transformers")]  # the default is not in the settings: see their schema
    depends_on = (_weights_digests(manifest), settings, seed, kind.depends_on(settings))
    engine: Engine | None = None
    dtype = generation_dtype(settings)
    if warning := erasure_warning(manifest.parent.name, dtype, read_json(manifest).get("erased", {}).get(dtype, 0.0)):
        logger.warning("%s; set `generation.dtype: float32`", warning)
    for test, (ids, asked) in prompts.items():
        distinct = sorted(set(asked))
        finished = cache / f"{digest(*depends_on, distinct)}.jsonl"
        answers = read_cache(finished)
        if len(answers) < len(distinct):
            if engine is None:
                engine = kind.load(manifest, settings, seed)
            with Progress(total=len(distinct), desc=f"{manifest.parent.name} {test}", unit="row") as bar:
                for batch in engine.batches(distinct):
                    if not answers.keys() >= set(batch):
                        fresh = dict(zip(batch, engine.answers(batch), strict=True))
                        append_to_cache(finished, fresh)
                        answers |= fresh
                    bar.update(len(batch))
        rows = [{"id": row, **answers[prompt]} for row, prompt in zip(ids, asked, strict=True)]
        metadata = {DTYPE: dtype} | ({EXAMPLES: json.dumps(few_shot.counts[test])} if few_shot else {})
        write_table(outs[test], rows, ANSWERS.with_metadata(metadata))
        logger.info("%s: %d rows, %s", test, len(rows), dict(Counter(row["finish"] for row in rows)))


def test_prompts(
    tests: dict[str, Path],
    directions: dict[str, str],
    templates: dict[str, Any],
    few_shot: FewShot | None = None,
) -> dict[str, tuple[list[str], list[str]]]:
    """Row ids and prompts of test sets, as :func:`generate` takes them.

    Args:
        tests: tables of test sets (columns of `molmix.data.corpus.TEST`) by name.
        directions: by test set, `mol2cap` (the prompt has the molecule) or `cap2mol` (the first reference caption).
        templates: prompt templates by direction.
        few_shot: gives prompts solved examples; None for none.
    """
    prompts = {}
    for test, path in tests.items():
        rows = read_table(path, columns=["id", "molecule", "references"]).to_pylist()
        direction = directions[test]
        texts = [row["molecule"] if direction == "mol2cap" else row["references"][0] for row in rows]
        asked = [prompt(templates[direction], direction, text) for text in texts]
        if few_shot:
            asked = few_shot.prompts(test, direction, [row["molecule"] for row in rows], texts, asked)
        prompts[test] = ([row["id"] for row in rows], asked)
    return prompts


def _weights_digests(manifest: Path) -> list[str]:
    """Digests of all weights that a model is loaded from: its own, and for an adapter those of its start."""
    facts = read_json(manifest)
    under = _weights_digests(start_manifest(manifest)) if is_adapter(facts) else []
    return [facts["weights"]["digest"], *under]
