"""`molmix score` as a person gives it, through the real graph; `Judge` gives the same numbers."""

import os
from pathlib import Path

import pandas as pd
import pytest

from molmix import Judge
from molmix.core.files import read_table
from tests.commands import run_command
from tests.nli_models import make_model

pytestmark = pytest.mark.slow

REFERENCES = ["The molecule is a dye. It is long.", "It contains two rings.", "It is a fungal metabolite."]
CAPTIONS = ["The molecule is long.", "", "It is a dye. It contains two rings."]


def test_a_table_and_an_explorer_without_a_config(tmp_path: Path, job_server: dict[str, str]) -> None:
    model = make_model(tmp_path / "tiny", "bert")
    (tmp_path / "references.txt").write_text("\n".join(REFERENCES) + "\n")
    (tmp_path / "ours.txt").write_text("\n".join(CAPTIONS) + "\n")
    words = ("score", "references.txt", "ours.txt", "--nli", "tiny", "--out", "scored")
    done = run_command("molmix", *words, folder=tmp_path, environment=os.environ | job_server)
    assert done.returncode == 0, done.stdout
    results = tmp_path / "scored/results/captions"
    assert "# Leaderboard" in done.stdout and (results / "explorer/index.html").is_file()
    scores = read_table(results / "scores/ours/references.parquet").to_pandas()
    own = Judge(nli=model, store=tmp_path / "store").score(REFERENCES, CAPTIONS)
    columns = [
        "atomic_f1",
        "atomic_precision",
        "atomic_recall",
        "hallucination",
        "supported",
        "contradicted",
        "unsupported",
        "coverage",
    ]
    pd.testing.assert_frame_equal(scores[columns], own[columns], check_exact=True)
