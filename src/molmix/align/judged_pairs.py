"""Pairs of a start's own captions, chosen by a reward: the best of several samples against the worst.

With SFT, which reads the best only, this is rejection sampling (RAFT, Dong et al. 2023, arXiv 2304.06767).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from molmix.align.rewards import Rewards, Scoring
from molmix.core.files import read_table, write_table
from molmix.data.preferences import rejection_prompts
from molmix.generation.generate import generate

# `text` is the sample with the lowest reward, `chosen` that with the highest. Of equal ones it is the first.
SAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("chosen", pa.string()),
        ("lowest", pa.float64()),
        ("highest", pa.float64()),
    ]
)

log = logging.getLogger(__name__)


def sample_pairs(
    *,
    manifest: Path,
    corpus: Mapping[str, Path],
    template: str,
    out: Path,
    judged: Mapping[str, Any],
    settings: dict[str, Any],
    seed: int,
    nli: Mapping[str, Path],
    cache: Path,
    store: Path = Path("results/store"),
) -> None:
    """Sample captions for the molecules of several splits, and write the best and the worst of each.

    Args:
        manifest: of the start.
        corpus: corpus tables by split.
        template: prompt template of the direction `mol2cap`.
        out: the table to write, columns of :data:`SAMPLES`.
        judged: `rejected` of the alignment, dumped, with the settings of its scorer.
        settings: the config's `generation` section, dumped; its temperature and top-p are not used.
        seed: of the first sample; that of each further sample is one higher.
        nli: manifests of the NLI models that the reward asks, by name.
        cache: folder of finished captions.
        store: folder of the caches of judges.

    Raises:
        MolmixError: the start or an NLI model cannot be run.
    """
    ids, prompts = rejection_prompts(corpus, "mol2cap", template)
    drawn = settings | {"temperature": judged["temperature"], "top_p": 1.0}
    samples: list[list[str]] = []
    with TemporaryDirectory(prefix="molmix-samples-") as folder:
        for number in range(judged["samples"]):
            table = Path(folder) / f"{number}.parquet"
            generate(
                manifest=manifest,
                prompts={f"sample {number + 1}": (ids, prompts)},
                outs={f"sample {number + 1}": table},
                settings=drawn,
                seed=seed + number,
                cache=cache,
            )
            samples.append(read_table(table)["text"].to_pylist())
    scoring = Scoring.of(judged, corpus, nli, store)
    molecules = {
        f"{split}/{name}": molecule
        for split, rows in scoring.molecules.items()
        for molecule in rows
        for name in molecule["ids"]
    }
    rewards, rows = Rewards(judged["reward"], scoring.scorer), [molecules[name] for name in ids]
    totals = np.array([rewards.total(rewards.terms(texts, rows)) for texts in samples])
    best, worst = totals.argmax(axis=0), totals.argmin(axis=0)
    found = [
        {
            "id": name,
            "text": samples[worst[row]][row],
            "chosen": samples[best[row]][row],
            "lowest": totals[worst[row], row],
            "highest": totals[best[row], row],
        }
        for row, name in enumerate(ids)
    ]
    write_table(out, found, SAMPLES)
    log.info("mean reward: best %.3f, worst %.3f, all %.3f", totals.max(0).mean(), totals.min(0).mean(), totals.mean())
