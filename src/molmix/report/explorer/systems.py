"""What the pages show of one system's answers to one test set: scores, texts, and what every judge made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from molmix.report.explorer.chunks import blocks, rounded, write_chunk
from molmix.report.explorer.drawings import draw
from molmix.report.explorer.evidence import evidence
from molmix.report.explorer.run import Run


def write_system(run: Run, folder: Path, test: str, model: str, scores: pa.Table, told: dict[str, Any]) -> None:
    """Write ``t<test>/s<system>/scores``, ``…/j<judge>-<block>``, and ``…/m<block>`` where answers are molecules.

    Args:
        run: whose system it is.
        folder: of the pages.
        test, model: its names.
        scores: its scores of the test set, texts included.
        told: what the run's tables say of the whole system.
    """
    name = f"t{run.tests.index(test)}/s{run.models.index(model)}"
    texts, files = scores["text"].to_pylist(), [run.path(f"{kind}/{model}", test) for kind in ("predictions", "scores")]
    judged: list[list[str] | None] = []
    for place, judge in enumerate(run.judges):
        paths = run.judged(judge, model, test) if run.asks_judges(test) else []
        judged.append([str(path) for path in paths] or None)
        if paths:
            columns = evidence(run.study.judges[judge], *paths)
            for block, part in blocks(len(texts)):
                content = {column: values[part] for column, values in columns.items()}
                write_chunk(folder, f"{name}/j{place}-{block}", content)
    if not run.asks_judges(test) and run.study.domain == "molecules":
        for block, part in blocks(len(texts)):
            write_chunk(folder, f"{name}/m{block}", {"drawings": [draw(smiles) for smiles in texts[part]]})
    values = [
        rounded(scores[metric].to_pylist(), 6) if metric in scores.column_names else None for metric in run.metrics
    ]
    content = {"texts": texts, "finish": scores["finish"].to_pylist(), "values": values, "judged": judged}
    write_chunk(folder, f"{name}/scores", content | {"files": [str(path) for path in files]} | told)
