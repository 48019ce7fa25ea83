"""Checks of every validation error, and a watch over hangs."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.badinput.studies import write_files

# What would show that a message was made for programmers.
JARGON = re.compile(r"Traceback|\[type=|errors\.pydantic\.dev|input_value|PydanticCustom| object at 0x|<class|ctx=")


def assert_plain(message: str) -> None:
    """One message for people: short, on few lines, with a hint, and nothing that steers a terminal."""
    assert "Hint: " in message, message
    assert not JARGON.search(message), message
    assert all(char.isprintable() or char == "\n" for char in message), repr(message)
    assert len(message) < 8000 and message.count("\n") < 40, message


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the study's files and an earlier result, which is as it was when all is over."""
    folder = tmp_path_factory.mktemp("badinput")
    write_files(folder)
    earlier = folder / "results/base/tables/leaderboard.csv"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("model,test\n")
    before = {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder
    assert {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*")} == before
    assert not list(folder.rglob("pwned"))


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """Ends a test that hangs; no test here takes a tenth of it."""

    def stop(*_: object) -> None:
        raise TimeoutError("a hang")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(600)
    yield
    signal.alarm(0)
