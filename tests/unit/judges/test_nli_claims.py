"""Claims: one process holds a part, and abandoned claims are taken over."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from molmix.judges.nli.claims import LEASE, Claims


def gone() -> int:
    """The id of a process that has ended."""
    code = "import os; print(os.getpid())"
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


def test_one_holds_a_part_until_it_is_released(tmp_path: Path) -> None:
    one, other = Claims(tmp_path / "claims"), Claims(tmp_path / "claims")
    assert one.take("a") and not other.take("a") and other.take("b")
    one.release("a")
    assert other.take("a")
    other.release("a")
    other.release("b")
    assert not list((tmp_path / "claims").iterdir())


def test_a_claim_of_a_process_that_is_gone_is_taken_at_once(tmp_path: Path) -> None:
    Claims(tmp_path).take("a")
    host = (tmp_path / "a").read_text().split()[0]
    (tmp_path / "a").write_text(f"{host} {gone()} x")
    assert Claims(tmp_path).take("a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("holder", ["another-node 1 x", "", "\0"])
def test_a_claim_of_another_node_is_taken_when_it_is_old(tmp_path: Path, holder: str) -> None:
    (tmp_path / "a").write_text(holder)
    assert not Claims(tmp_path).take("a")
    old = time.time() - LEASE - 1
    os.utime(tmp_path / "a", (old, old))
    assert Claims(tmp_path).take("a")


def test_a_holder_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = Claims(tmp_path)
    assert claims.take("a")
    os.utime(tmp_path / "a", (1, 1))
    claims.keep()
    assert (tmp_path / "a").stat().st_mtime == 1  # not at every call
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    claims.keep()
    assert time.time() - (tmp_path / "a").stat().st_mtime < 60


def test_work_goes_on_where_no_claim_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "claims").write_text("no folder")
    claims = Claims(tmp_path / "claims")
    assert claims.take("a") and claims.take("a")
    claims.keep()
    claims.release("a")
