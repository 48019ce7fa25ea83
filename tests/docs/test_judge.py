"""README's five lines of Python run as they stand there."""

import contextlib
import io
from pathlib import Path

import pytest

from tests.docs.snippets import ROOT, snippets
from tests.nli_models import make_model

MODEL = "MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli@6f5cf0a2b59cabb106aca4c287eed12e357e90eb"


def test_the_five_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (block for block in snippets(ROOT / "README.md") if "import Judge" in block.text)
    lines = [line for line in block.text.splitlines() if line.strip()]
    assert len(lines) == 5 and MODEL in block.text
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / MODEL, "bert")  # a local folder of this name is taken before the hub's model
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(block.text, str(block), "exec"), {})
    assert "hallucination" in said.getvalue() and "Generated atoms" in said.getvalue()
