"""One file dropped into its folder is a judge, or a decomposer, and nothing else has to know of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import molmix

JUDGE = '''
from typing import ClassVar, Literal
from molmix.judges.kinds._judge import SupportJudge

class SentenceDoc(SupportJudge):
    """Each sentence of a caption against the whole reference."""
    kind: Literal["sentence_doc"]
    units: ClassVar[tuple[str, str]] = ("whole", "sentences")
'''
DECOMPOSER = '''
from typing import Literal
from molmix.judges.decompose.backends._decomposer import DecomposerSettings

class Halves(DecomposerSettings):
    """A caption cut at every semicolon."""
    backend: Literal["halves"]

    def atoms(self, caption: str) -> list[str]:
        return [part.strip() + "." for part in caption.split(";") if part.strip()]
'''
CHECKS = """
from pathlib import Path

import pyarrow as pa
from molmix.config.loading import load
from molmix.judges.decompose import decompose
from molmix.judges.kinds import score_captions
from molmix.metrics import Options
from molmix.metrics.families import judges
from molmix.judges.explanation import describe_judge

assert decompose(["a; b"], {"backend": "halves"}).atoms == [["a.", "b."]]
cells = {name: [[0.9, 0.5]] for name in ("forward_entailment", "forward_contradiction")}
cells |= {name: [[0.0, 0.0]] for name in ("backward_entailment", "backward_contradiction")}
pairs = pa.table({"id": ["a"], "n_generated": [2], "n_reference": [1], **cells})
assert abs(score_captions({"kind": "sentence_doc"}, pairs)["consistency"][0].as_py() - 0.7) < 1e-6
study = load(Path("study.yaml"))
assert study.decomposers["own"].asks_model is False and not study.local_decomposers()
given = {name: judge.model_dump() for name, judge in study.judges.items()}
options = Options(judges=given, vocabulary=None, wordnet=None, domain="molecules")
shown = [metric.column for metric in judges.metrics(options) if metric.shown]
assert shown == ["atomic_f1", "hallucination", "unsupported", "coverage", "by-sentence.consistency"]
assert "sentence_doc" in judges.note(options) and "whole" in describe_judge("by-sentence", study.judges["by-sentence"])
"""
STUDY = """
data: {tests: {t: {source: {kind: file, path: t.tsv}}}}
systems: [{name: ours, predictions: {t: {path: t.tsv}}}]
decomposers: {own: {backend: halves}}
judges: {atomic: {kind: atomic, decomposer: own}, by-sentence: {kind: sentence_doc}}
"""


def test_a_new_file_is_a_judge_or_a_decomposer(tmp_path: Path) -> None:
    package = tmp_path / "src/molmix"
    shutil.copytree(Path(molmix.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "judges/kinds/sentence_doc.py").write_text(JUDGE)
    (package / "judges/decompose/backends/halves.py").write_text(DECOMPOSER)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "t.tsv").write_text("molecule\tcaption\nCCO\tIt is a dye.\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
    command = [sys.executable, "-c", CHECKS]
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
