"""Answers of one model to the prompts of its test sets, batched, resumable and the same in every run.

What a model answers depends on its weights, the settings, the seed and the *set* of prompts that it is asked
in one test set: batches are made from the sorted distinct prompts, so that neither the order of rows nor
another test set can tip a rounding error. Finished batches are kept in a file of that fingerprint, which
outlives the job.
"""

from __future__ import annotations

import logging
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from molmix.core.files import digest, read_json, read_table, write_table
from molmix.core.jsonl_cache import append_to_cache, read_cache
from molmix.core.progress import progress
from molmix.data.prompts import prompt
from molmix.generation import vllm_engine
from molmix.generation.engine import Answering
from molmix.models.manifests import start_manifest

PACKAGES = ("torch", "transformers", "tokenizers", "peft")  # what answers of the backend `hf` can change with
ANSWERS = pa.schema([("id", pa.string()), ("text", pa.string()), ("tokens", pa.int32()), ("finish", pa.string())])

# The columns of ANSWERS but `id`.
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
) -> None:
    """Let a model answer every test set.

    Writes a table for each test set, columns of `ANSWERS`, in the order of the rows given. ``text`` is
    without special tokens and without the space that parts it from the prompt. ``tokens`` counts what was
    generated, the token that ends the text included. ``finish`` is ``stop``, ``length`` (cut at
    ``max_new_tokens`` or where the model's context ends) or ``prompt_too_long`` (no token fits after the
    prompt; the text is empty).

    An interrupted call goes on with the first unfinished batch. Where nothing is left to generate, the model
    is not loaded.

    Args:
        manifest: ``models/<id>/manifest.json``.
        prompts: row ids and prompts by test set.
        outs: the tables to write, by test set.
        settings: the config's `generation` section, dumped.
        seed: of sampling; greedy answers do not depend on it.
        cache: folder of finished batches, a file for each model and test set; losing it costs time only.

    Raises:
        MolmixError: the model's weights are gone or cannot be loaded; or the backend, or its GPU, is not here.
    """
    about = (_lineage(manifest), settings, seed, _versions(settings))
    writer: Answering | None = None
    for test, (ids, asked) in prompts.items():
        distinct = sorted(set(asked))
        finished = cache / f"{digest(*about, distinct)}.jsonl"
        answers = read_cache(finished)
        if len(answers) < len(distinct):
            if writer is None:
                writer = _writer(manifest, settings, seed)
            with progress(total=len(distinct), desc=f"{manifest.parent.name} {test}", unit="row") as bar:
                for batch in writer.batches(distinct):
                    if not answers.keys() >= set(batch):
                        fresh = dict(zip(batch, writer.answers(batch), strict=True))
                        append_to_cache(finished, fresh)
                        answers |= fresh
                    bar.update(len(batch))
        rows = [{"id": row, **answers[prompt]} for row, prompt in zip(ids, asked, strict=True)]
        write_table(outs[test], rows, ANSWERS)
        logger.info("%s: %d rows, %s", test, len(rows), dict(Counter(row["finish"] for row in rows)))


def test_prompts(
    tests: dict[str, Path], directions: dict[str, str], templates: dict[str, str]
) -> dict[str, tuple[list[str], list[str]]]:
    """Row ids and prompts of test sets, as :func:`generate` takes them.

    Args:
        tests: tables of test sets (columns of `molmix.data.corpus.TEST`) by name.
        directions: what is asked on each, `mol2cap` or `cap2mol`; by its first reference caption.
        templates: prompt templates by direction.
    """
    prompts = {}
    for test, path in tests.items():
        way = directions[test]
        rows = read_table(path, columns=["id", "molecule", "references"]).to_pylist()
        asked = [row["molecule"] if way == "mol2cap" else row["references"][0] for row in rows]
        prompts[test] = ([row["id"] for row in rows], [prompt(templates[way], way, text) for text in asked])
    return prompts


def _versions(settings: dict[str, Any]) -> dict[str, str]:
    """Versions that answers can change with."""
    return vllm_engine.versions() if _by_vllm(settings) else {name: version(name) for name in PACKAGES}


def _writer(manifest: Path, settings: dict[str, Any], seed: int) -> Answering:
    """The model, loaded."""
    if _by_vllm(settings):
        return vllm_engine.Writer(manifest, settings, seed)
    from molmix.generation.transformers_engine import Writer

    return Writer(manifest, settings, seed)


def _by_vllm(settings: dict[str, Any]) -> bool:
    return settings.get("backend") == "vllm"  # `hf` is not named: see the schema


def _lineage(manifest: Path) -> list[str]:
    """Digests of all weights that loading a model reads."""
    facts = read_json(manifest)
    under = _lineage(start_manifest(manifest)) if facts["kind"] == "aligned" else []
    return [facts["weights"]["digest"], *under]
