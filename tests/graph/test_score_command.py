"""`molmix score` as a person gives it, through the real graph; `Judge` gives the same numbers."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from molmix import Judge
from molmix.core.files import read_table
from tests.graph.conftest import ROOT
from tests.nli_models import make_model

pytestmark = pytest.mark.slow

REFERENCES = ["The molecule is a dye. It is long.", "It contains two rings.", "It is a fungal metabolite."]
CAPTIONS = ["The molecule is long.", "", "It is a dye. It contains two rings."]


def test_a_table_and_an_explorer_without_a_config(tmp_path: Path, job_server: dict[str, str]) -> None:
    model = make_model(tmp_path / "tiny", "bert")
    (tmp_path / "references.txt").write_text("\n".join(REFERENCES) + "\n")
    (tmp_path / "ours.txt").write_text("\n".join(CAPTIONS) + "\n")
    command = [sys.executable, "-c", "from molmix.cli import run; run()", "score", "references.txt", "ours.txt"]
    command += ["--nli", "tiny", "--out", "scored"]
    environment = os.environ | job_server | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
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
