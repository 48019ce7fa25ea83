"""One trial: a copy of the finished study that has lost one stage's results, and the commands that are given in it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from faults.stages import R, Stage
from faults.study import FULL, finished, run, snakemake

# Not results: what a kill may leave behind or change, and loses nothing but time; and Snakemake's mark in folders.
BESIDE = ("benchmarks", "work", "tensorboard")  # no results: they tell of times and of tries
TIMED = ("plots/cost.svg", "plots/cost.png")
STAMP = ".snakemake_timestamp"
TRIES = 4  # of one command; each of them may name files to make again
# The first line of a message of a job or of Snakemake's start, and the files (or rules) of its hint
# (`molmix.core.files.make_again`).
MESSAGE = re.compile(
    r"^(?:molmix )?\S+: .*\n  Hint: .*?add `--forcerun ([^`]+)` to your snakemake command", re.MULTILINE
)


@dataclass
class Trial:
    """See the module.

    Attributes:
        base: the finished study.
        folder: where its copy is.
        stage: the one that is disturbed.
        random: what the moment and the byte of the fault are drawn with.
        said: all that was printed.
        refused: messages that named files to make again, and were followed.
    """

    base: Path
    folder: Path
    stage: Stage
    random: Random
    said: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def prepare(self) -> None:
        """Make the copy, times and all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", f"{self.base}/.", str(self.folder)], check=True)
        for path in (*self.stage.outputs, *self.stage.caches):
            remove(self.folder / path)

    def start(self, **more: object) -> subprocess.Popen:
        """Begin the command that is disturbed."""
        return snakemake(self.folder, self.stage.target, **more)

    def end(self, process: subprocess.Popen) -> int | None:
        """Wait for a command; None if it hung."""
        status, said = finished(process)
        self.said.append(said)
        return status

    def script(self, process: subprocess.Popen) -> psutil.Process | None:
        """The stage's own process, as soon as it is there; None if the command ends without one."""
        while process.poll() is None:
            for child in children(process.pid):
                try:
                    command = child.cmdline()
                except psutil.Error:
                    continue
                if command and "python" in command[0] and command[-1].endswith(f".{self.stage.script}"):
                    return child
        return None

    def again(self) -> str:
        """Give the command again, for the stage and then for all, and tell how it ended.

        A folder that a dead Snakemake left locked is unlocked. Where a message says which files to make again, the next
        try has that option.

        Returns:
            ``equal``, or what is wrong.
        """
        for targets in ((self.stage.target,), FULL):
            option: list[str] = []
            for _ in range(TRIES):
                status, said = run(self.folder, *targets, *option)
                self.said.append(said)
                if status is None or "Traceback (most recent" in said:
                    return "hung" if status is None else "a traceback"
                if status == 0:
                    break
                if "Directory cannot be locked" in said:
                    self.said.append(run(self.folder, "--unlock")[1])
                elif message := MESSAGE.search(said):
                    self.refused.append(message[0])
                    option = ["--forcerun", *message[1].split()]
                else:
                    return "failed"
            else:
                return "failed again and again"
        return ", ".join(self.differences()) or "equal"

    def differences(self) -> Iterator[str]:
        """Results that are not the undisturbed run's, byte by byte."""
        here, expected = _results(self.folder), _results(self.base)
        for path in sorted(here.keys() | expected.keys()):
            if path not in here or path not in expected:
                yield f"{path} is {'missing' if path in expected else 'too much'}"
            elif here[path].read_bytes() != expected[path].read_bytes():
                yield f"{path} differs"

    def left(self) -> int:
        """How many half-written files lie about, which are no results and harm nothing."""
        return sum(1 for path in (self.folder / R).rglob(".*.part"))

    def clear(self) -> None:
        """End what still runs in the copy, and remove it."""
        kill_in(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)


def remove(path: Path) -> None:
    """Delete a file or a folder, where there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def kill_in(folder: Path) -> None:
    """Kill all processes that work in a folder."""
    for process in psutil.process_iter(["cwd"]):
        if process.info["cwd"] == str(folder):
            process.kill()


def children(pid: int) -> list[psutil.Process]:
    """All processes that a process started, and those that they started."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _results(folder: Path) -> dict[str, Path]:
    found = {path.relative_to(folder / R): path for path in (folder / R).rglob("*") if path.is_file()}
    return {
        str(name): path
        for name, path in found.items()
        if name.parts[0] not in BESIDE
        and name.as_posix() not in TIMED
        and name.name != STAMP
        and not any(part.endswith(".part") for part in name.parts)
    }
