"""`molmix recover`: what a dead head left is found, ended and marked; what is not its own is left alone."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from molmix import cli
from molmix.core.errors import MolmixError
from molmix.pipeline.recover import cluster, processes, recover
from molmix.pipeline.recover.notes import Marks
from molmix.pipeline.unfinished import begun

OURS, OTHERS = "results/tiny/data/world.parquet", "results/other/data/world.parquet"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, where SLURM's clients answer that nothing is queued."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "_ask", lambda *command: "")
    return tmp_path


@pytest.fixture
def sleeper(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A job of Snakemake, by its looks: its script's name, and the folder it works in."""
    script = place / ".snakemake/scripts/tmpabcdefgh.align.py"
    script.parent.mkdir(parents=True)
    script.write_text("import time; time.sleep(60)")
    process = subprocess.Popen([sys.executable, str(script)], cwd=place)
    yield process
    process.kill()
    process.wait()


def write(path: str, text: str = "whole") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def lock(number: int, *paths: str) -> None:
    """Locks as a head takes them."""
    write(f".snakemake/locks/{number}.output.lock", "\n".join(paths))
    write(f".snakemake/locks/{number}.input.lock", "some/input.tsv")


def logged(name: str, path: str) -> None:
    """What a head with the SLURM executor says of itself before it hands a job out."""
    write(f".snakemake/log/{name}.snakemake.log", f"SLURM run ID: {name}\n    output: {path}\n")


def marked(path: str) -> bool:
    return path in begun(Path(".snakemake/incomplete"))


def test_a_result_that_was_finished_after_its_head_is_made_again(place: Path) -> None:
    lock(0, OURS)
    write(OURS)
    said = list(recover("tiny", place))
    assert any("finished after their head" in line and OURS in line for line in said) and "unlocked" in said
    assert marked(OURS)
    assert not any(Path(".snakemake/locks").iterdir())
    assert list(recover("tiny", place)) == ["begun and not finished, to be made again: 1 file(s)"]


def test_an_older_result_without_a_record_is_told_of_and_left(place: Path) -> None:
    write(OURS)
    os.utime(OURS, (1, 1))
    lock(0, OURS)
    assert any("1 older result(s) lack" in line for line in recover("tiny", place))
    assert not marked(OURS)


def test_another_run_in_the_same_folder_keeps_its_lock_and_its_jobs(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(0, OURS)
    lock(1, OTHERS)
    logged("molmix_a", OURS)
    logged("molmix_b", OTHERS)
    marks = Marks("tiny", Path(".snakemake"))
    assert (marks.in_slurm(), marks.names_of_others()) == (True, {"molmix_b"})
    queue = {"11": ("molmix_a", place), "12": ("molmix_b", place), "13": ("molmix_c", place)}
    queue["14"] = ("molmix_a", place.parent)
    what = "rule_align_wildcards_a.sft"
    lines = "\n".join(f"{number}|RUNNING|{name}|{what}|{where}" for number, (name, where) in queue.items())
    asked = []

    def ask(*command: str) -> str:
        asked.append(command)
        return lines if "%i|%T|%j|%k|%Z" in command else ""

    monkeypatch.setattr(cluster, "_ask", ask)
    said = list(recover("tiny", place))
    assert said[0] == "cancelled in SLURM: 11 (align a.sft, running), 13 (align a.sft, running)"
    assert ("scancel", "11", "13") in asked
    assert sorted(path.name for path in Path(".snakemake/locks").iterdir()) == ["1.input.lock", "1.output.lock"]


def test_nothing_is_unlocked_while_slurm_does_not_answer(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*command: str) -> str:
        raise cluster._Silent("30 s")

    monkeypatch.setattr(cluster, "_ask", silent)
    lock(0, OURS)
    logged("molmix_a", OURS)
    with pytest.raises(MolmixError, match="squeue: gives no answer"):
        list(recover("tiny", place))
    assert Path(".snakemake/locks/0.output.lock").exists()


def test_orphans_here_are_ended(place: Path, sleeper: subprocess.Popen[bytes]) -> None:
    lock(0, OURS)
    assert processes.orphans(place.parent) == {}
    said = list(recover("tiny", place))
    assert f"ended here: process {sleeper.pid} (align)" in said
    assert sleeper.wait(5) != 0


def test_processes_that_train_together_are_a_job_too() -> None:
    given = "/tmp/molmix-align-x/arguments.json"
    assert processes._job(["python", "-u", "-m", "molmix.align.process", given]) == "align"
    torchrun = ["python", "-m", "torch.distributed.run", "--standalone", "-m", "molmix.align.process", given]
    assert processes._job(torchrun) is None  # ends with them


def test_a_head_that_lives_is_left_alone(place: Path) -> None:
    lock(0, OURS)
    study = "rule slow:\n    output: 'x'\n    shell: 'sleep 60'\n"
    write("Snakefile", study)
    head = subprocess.Popen([sys.executable, "-m", "snakemake", "--cores", "1", "--nolock"], cwd=place)
    try:
        until = time.monotonic() + 10
        while not processes.heads(place) and time.monotonic() < until:
            time.sleep(0.1)
        with pytest.raises(MolmixError, match=rf"a Snakemake runs here \(process {head.pid}\)"):
            list(recover("tiny", place))
    finally:
        head.kill()
        head.wait()
    assert Path(".snakemake/locks/0.output.lock").exists()


def test_the_command_goes_on_with_what_is_given(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(cli.__file__).resolve().parents[2]
    config = ["--configfile", str(root / "config/config.yaml")]
    assert CliRunner().invoke(cli.app, ["recover", *config]).output == "Nothing to recover.\n"
    ran: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda program, command: ran.append([program, *command]))
    CliRunner().invoke(cli.app, ["recover", *config, "--", "snakemake", "--cores", "2"])
    assert ran == [["snakemake", "snakemake", "--cores", "2"]]
