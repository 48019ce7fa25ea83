"""Lines of progress in a job's log: what they say, when they come, and how they are found again."""

import logging
import time
from pathlib import Path

import pytest

from molmix.core import progress
from molmix.core.progress import Progress, duration, last_line


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The log of a job, written as jobs write it; lines come every 20 ms."""
    monkeypatch.setattr(progress, "FIRST", 0.02)
    monkeypatch.setattr(progress, "INTERVAL", 0.02)
    path = tmp_path / "job.log"
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logging.root.addHandler(handler)
    level = logging.root.level
    logging.root.setLevel(logging.INFO)
    yield path
    logging.root.setLevel(level)
    logging.root.removeHandler(handler)


def test_a_long_batch_writes_lines_too(log: Path) -> None:
    with Progress(total=200, initial=100, desc="NLI id", unit="pair") as bar:
        bar.update(50)
        bar.set_numbers({"loss": 0.71, "validation loss": 0.8})
        bar.set_numbers({"loss": 0.7})
        time.sleep(0.2)  # one batch
    said = last_line(log)
    assert said.startswith("NLI id: 150 of 200 pairs (75%), ") and said.endswith(", loss 0.7, validation loss 0.8")
    assert " pairs/s, 0 s left, " in said
    assert len(log.read_text().splitlines()) > 2
    time.sleep(0.05)
    assert last_line(log) == said, "a loop that has ended writes no lines"


def test_a_loop_counts_its_items_and_ends_with_an_error(log: Path) -> None:
    bar = Progress([1, 2, 3], desc="cpo", unit="step")
    with pytest.raises(KeyError):
        for number in bar:
            if number == 3:
                time.sleep(0.1)
                raise KeyError
    assert last_line(log).startswith("cpo: 2 of 3 steps (67%)")
    lines = log.read_text()
    time.sleep(0.05)
    assert log.read_text() == lines


def test_a_log_without_progress(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(b"\xff of a library\n2026-01-01 10:00:00,000 molmix.merge.merging merged\n")
    assert last_line(path) == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
