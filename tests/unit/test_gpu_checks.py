"""`make gpu-checks` in its tiny form. No test runs it on a GPU."""

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.gpu_checks import PARTS, ROOT, TOTAL, measure_part

from tests.forked import ForkedPython


@pytest.mark.slow
def test_the_tiny_form_writes_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot run here is in the table with its reason, and nothing else is lost."""
    monkeypatch.setattr("subprocess.Popen", ForkedPython)  # the parts, too
    out = tmp_path / "table.md"
    command = [sys.executable, "-m", "benchmarks.gpu_checks", "--tiny", "--out", str(out)]
    done = subprocess.run([*command, "cpo-qlora", "generation"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    assert text == done.stdout and "a test of the script" in text
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert ["CPO step, Llama 7B shape, 4-bit QLoRA", "skipped"] in [row[:2] for row in table]
    rows = {what: value for part, what, value in table if part == PARTS["generation"].title}
    assert float(rows["ratio"].removesuffix(" x")) > 0


@pytest.mark.slow
def test_a_part_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    assert measure_part("merge", True, tmp_path, left=5) == [("stopped", "after 5 s")]
    assert measure_part("merge", True, tmp_path, left=1) == [("not run", f"the {TOTAL} s of all parts were used")]


def test_no_part_may_take_all_of_the_time() -> None:
    assert TOTAL == 600 and all(part.limit <= TOTAL / 2 for part in PARTS.values())
