"""`molmix recover`: what a killed Snakemake left is found and ended; what belongs to others is left alone."""

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
from molmix.pipeline.recover import processes, recover, slurm
from molmix.pipeline.recover.records import Records
from molmix.pipeline.snakemake_records import recorded_files

OURS, OTHERS = "results/tiny/data/world.parquet", "results/other/data/world.parquet"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, where SLURM's clients are on the path and answer that nothing is queued."""
    study, programs = tmp_path / "study", tmp_path / "programs"
    study.mkdir()
    programs.mkdir()
    monkeypatch.chdir(study)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    slurm_client(study, "squeue", "")
    slurm_client(study, "scancel", "")
    return study


def slurm_client(folder: Path, name: str, answer: str, ending: str = "") -> None:
    """A program in place of a client of SLURM: it notes its arguments in `asked`, and prints an answer of `squeue`.

    Args:
        folder: where recovery runs.
        name: of the program.
        answer: what it prints when it is asked for all columns.
        ending: what it does then, in shell.
    """
    programs = folder.parent / "programs"
    (programs / f"{name}.txt").write_text(answer)
    said = f'case "$*" in *"%i|%T|%j|%k|%Z"*) cat {programs}/{name}.txt;; esac'
    (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {programs}/asked\n{said}\n{ending}\n')
    (programs / name).chmod(0o755)


def asked(folder: Path) -> list[str]:
    """The commands that SLURM's clients were called with."""
    return (folder.parent / "programs/asked").read_text().splitlines()


@pytest.fixture
def sleeper(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A job of Snakemake, by its looks: its script's name, and the folder it works in."""
    script = folder / ".snakemake/scripts/tmpabcdefgh.align.py"
    script.parent.mkdir(parents=True)
    script.write_text("import time; time.sleep(60)")
    process = subprocess.Popen([sys.executable, str(script)], cwd=folder)
    yield process
    process.kill()
    process.wait()


def write(path: str, text: str = "whole") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def lock(number: int, *paths: str) -> None:
    """Locks as Snakemake takes them."""
    write(f".snakemake/locks/{number}.output.lock", "\n".join(paths))
    write(f".snakemake/locks/{number}.input.lock", "some/input.tsv")


def logged(name: str, path: str) -> None:
    """What a Snakemake with the SLURM executor says of itself before it hands a job out."""
    write(f".snakemake/log/{name}.snakemake.log", f"SLURM run ID: {name}\n    output: {path}\n")


def marked(path: str) -> bool:
    return path in recorded_files(Path(".snakemake/incomplete"))


def test_a_result_that_was_finished_after_its_snakemake_died_is_made_again(folder: Path) -> None:
    lock(0, OURS)
    write(OURS)
    said = list(recover("tiny", folder))
    assert any("finished after Snakemake was killed" in line and OURS in line for line in said) and "unlocked" in said
    assert marked(OURS)
    assert not any(Path(".snakemake/locks").iterdir())
    assert list(recover("tiny", folder)) == ["begun and not finished, will be made again: 1 file"]


def test_an_older_result_without_a_record_is_told_of_and_left(folder: Path) -> None:
    write(OURS)
    os.utime(OURS, (1, 1))
    lock(0, OURS)
    assert any("no record by Snakemake for 1 older result" in line for line in recover("tiny", folder))
    assert not marked(OURS)


def test_another_run_in_the_same_folder_keeps_its_lock_and_its_jobs(folder: Path) -> None:
    lock(0, OURS)
    lock(1, OTHERS)
    logged("molmix_a", OURS)
    logged("molmix_b", OTHERS)
    records = Records("tiny", Path(".snakemake"))
    assert (records.in_slurm(), records.names_of_others()) == (True, {"molmix_b"})
    queue = {"11": ("molmix_a", folder), "12": ("molmix_b", folder), "13": ("molmix_c", folder)}
    queue["14"] = ("molmix_a", folder.parent)
    what = "rule_align_wildcards_a.sft"
    lines = "\n".join(f"{number}|RUNNING|{name}|{what}|{where}" for number, (name, where) in queue.items())
    slurm_client(folder, "squeue", lines)
    said = list(recover("tiny", folder))
    assert said[0] == "cancelled in SLURM: 11 (align a.sft, running), 13 (align a.sft, running)"
    assert "scancel 11 13" in asked(folder)
    assert sorted(path.name for path in Path(".snakemake/locks").iterdir()) == ["1.input.lock", "1.output.lock"]


def test_nothing_is_unlocked_while_slurm_does_not_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm_client(folder, "squeue", "", ending="exec sleep 20")
    monkeypatch.setattr(slurm, "ANSWER", 0.2)
    lock(0, OURS)
    logged("molmix_a", OURS)
    with pytest.raises(MolmixError, match=r"squeue: gives no answer \(0\.2 s\)"):
        list(recover("tiny", folder))
    assert Path(".snakemake/locks/0.output.lock").exists()


def test_orphans_here_are_ended(folder: Path, sleeper: subprocess.Popen[bytes]) -> None:
    lock(0, OURS)
    assert processes.orphans(folder.parent) == {}
    said = list(recover("tiny", folder))
    assert f"ended here: process {sleeper.pid} (align)" in said
    assert sleeper.wait(5) != 0


def test_processes_that_train_together_are_a_job_too() -> None:
    given = "/tmp/molmix-align-x/arguments.json"
    assert processes.program(["python", "-u", "-m", "molmix.align.distributed", given]) == (
        "module",
        processes.TRAINING,
    )
    torchrun = ["python", "-m", "torch.distributed.run", "--standalone", "-m", "molmix.align.distributed", given]
    assert processes.program(torchrun) == ("module", "torch.distributed.run")  # ends with them


def test_a_snakemake_that_runs_is_left_alone(folder: Path) -> None:
    lock(0, OURS)
    study = "rule slow:\n    output: 'x'\n    shell: 'sleep 60'\n"
    write("Snakefile", study)
    main = subprocess.Popen([sys.executable, "-m", "snakemake", "--cores", "1", "--nolock"], cwd=folder)
    try:
        until = time.monotonic() + 10
        while not processes.running_snakemakes(folder) and time.monotonic() < until:
            time.sleep(0.1)
        with pytest.raises(MolmixError, match=rf"a Snakemake runs here \(process {main.pid}\)"):
            list(recover("tiny", folder))
    finally:
        main.kill()
        main.wait()
    assert Path(".snakemake/locks/0.output.lock").exists()


def test_the_command_goes_on_with_what_is_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(cli.__file__).resolve().parents[2]
    config = ["--configfile", str(root / "config/config.yaml")]
    assert CliRunner().invoke(cli.app, ["recover", *config]).output == "Nothing to recover.\n"
    ran: list[list[str]] = []
    monkeypatch.setattr(os, "execvp", lambda program, command: ran.append([program, *command]))
    CliRunner().invoke(cli.app, ["recover", *config, "--", "snakemake", "--cores", "2"])
    assert ran == [["snakemake", "snakemake", "--cores", "2"]]


# ---- what is not a job of the run is left alone ------------------------------------------------------------------


def waiting(process: subprocess.Popen[bytes], word: str) -> None:
    """Wait until a process has become the program that it is to be."""
    until = time.monotonic() + 10
    while word.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes() and time.monotonic() < until:
        time.sleep(0.05)


@pytest.mark.parametrize(
    "command",
    [
        ["tail", "-f", ".snakemake/scripts/tmpabcdefgh.align.py"],
        [sys.executable, "editor.py", ".snakemake/scripts/tmpabcdefgh.align.py"],
        [sys.executable, "-c", "import time; time.sleep(60)", ".snakemake/scripts/tmpabcdefgh.align.py"],
        [sys.executable, "-m", "editor", "molmix.align.distributed"],
        [sys.executable, "elsewhere/.snakemake/scripts/tmpabcdefgh.align.py"],
    ],
    ids=["tail", "editor", "code", "module", "another folder's"],
)
def test_a_program_that_only_names_a_script_of_a_job_is_not_ended(folder: Path, command: list[str]) -> None:
    for script in (".snakemake/scripts/tmpabcdefgh.align.py", "elsewhere/.snakemake/scripts/tmpabcdefgh.align.py"):
        write(script, "import time; time.sleep(60)")
    write("editor.py", "import time; time.sleep(60)")
    lock(0, OURS)
    process = subprocess.Popen(command, cwd=folder)
    try:
        waiting(process, command[-1])
        assert processes.orphans(folder) == {} and list(recover("tiny", folder)) == ["unlocked"]
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("started", [["-u", "-m", "snakemake"], ["-W", "ignore", "-m", "snakemake"], ["run.py"]])
def test_a_snakemake_that_was_started_in_another_way_is_left_alone(folder: Path, started: list[str]) -> None:
    lock(0, OURS)
    write("Snakefile", "rule slow:\n    output: 'x'\n    shell: 'sleep 60'\n")
    write("run.py", "import sys; from snakemake.cli import main; main(sys.argv[1:])")
    running = subprocess.Popen(
        [sys.executable, *started, "--cores", "1", "--nolock"], cwd=folder, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 20
        while not processes.running_snakemakes(folder) and time.monotonic() < until:
            time.sleep(0.1)
        with pytest.raises(MolmixError, match=rf"a Snakemake runs here \(process {running.pid}\)"):
            list(recover("tiny", folder))
        assert running.poll() is None
    finally:
        running.kill()
        running.wait()
    assert Path(".snakemake/locks/0.output.lock").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="gives a file to another user, which needs root")
def test_the_lock_of_another_user_stays(folder: Path) -> None:
    lock(0, OURS)
    os.chown(".snakemake/locks/0.output.lock", 65534, -1)
    with pytest.raises(MolmixError, match=r"0\.output\.lock: belongs to user nobody"):
        list(recover("tiny", folder))
    os.chown(".snakemake/locks/0.output.lock", 54321, -1)  # a user without a name
    with pytest.raises(MolmixError, match="belongs to user 54321"):
        list(recover("tiny", folder))
    assert Path(".snakemake/locks/0.output.lock").exists()


def test_a_snakemake_on_another_machine_may_still_run(folder: Path) -> None:
    lock(0, OURS)
    write(".snakemake/log/a.snakemake.log", f"SNAKEMAKE\n  Host: login2\n\n    output: {OURS}\n")
    with pytest.raises(MolmixError, match=r"started on login2.*\n.*--ended-on login2"):
        list(recover("tiny", folder))
    assert Path(".snakemake/locks/0.output.lock").exists()
    assert list(recover("tiny", folder, ended_on="login2")) == ["unlocked"]


def test_lines_of_squeue_of_an_unknown_form_are_told_of(folder: Path) -> None:
    answer = "Warning: partition gone\n\nJOBID|STATE\n7_[1-4]|PENDING|molmix_a|rule_nli|" + str(folder)
    slurm_client(folder, "squeue", answer)
    said = list(recover("tiny", folder))
    assert said == [
        "squeue printed 2 lines of an unknown form, left alone: 'Warning: partition gone'",
        "cancelled in SLURM: 7_[1-4] (nli, pending)",
    ]


def test_a_user_without_a_name_can_ask_slurm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert list(recover("tiny", folder)) == []
    assert "-u 54321" in asked(folder)[0]


def test_nothing_is_written_where_there_is_nothing_to_recover(folder: Path) -> None:
    assert list(recover("tiny", folder)) == [] and not any(folder.iterdir())
