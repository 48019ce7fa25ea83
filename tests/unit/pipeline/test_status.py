"""`molmix status`: what Snakemake's marks and the run's files say of every job, and what a person is told."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from molmix import cli
from molmix.align.checkpoints import PROGRESS, append_progress, last_progress
from molmix.core.errors import MolmixError
from molmix.pipeline.status import graph
from molmix.pipeline.status.graph import Job
from molmix.pipeline.status.show import status_report
from molmix.pipeline.status.state import JobStatus, job_statuses
from molmix.pipeline.status.watch import watch
from tests.commands import SNAKEFILE, run_command
from tests.graph.conftest import MICRO


def job(folder: Path, rule: str, name: str = "", needed: bool = True) -> Job:
    path = f"{rule}/{name}" if name else rule
    outputs = (f"{folder}/results/{path}", f"{folder}/results/{path}-{'very' * 60}-long")
    return Job(rule, name, outputs, folder / f"logs/{path}.log", folder / f"benchmarks/{path}.tsv", needed)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def finish(done: Job, seconds: float) -> None:
    write(done.benchmark, f"s\th:m:s\n{seconds}\t0:00:00\n")
    write(done.log, "chatter\n")


def begin(begun: Job, snakemake: Path, cluster_id: str | None = None) -> Path:
    """Marks of Snakemake for a job that it has handed out."""
    write(snakemake / "locks/0.output.lock", "\n".join(begun.outputs))
    name = base64.urlsafe_b64encode(begun.outputs[0].encode()).decode()
    return write(snakemake / "incomplete" / name, json.dumps({"external_jobid": cluster_id}))


def said(status: list[JobStatus], since: float | None, work: Path) -> str:
    console = Console(highlight=False, soft_wrap=True, width=100, file=open(os.devnull, "w"), record=True)  # noqa: SIM115, PTH123
    for part in status_report("tiny", status, since, work):
        console.print(part)
    return console.export_text()


def test_every_state(tmp_path: Path) -> None:
    snakemake = tmp_path / ".snakemake"
    done, ran, runs, waits = (job(tmp_path, "align", name, name != "done") for name in ("done", "ran", "runs", "waits"))
    broke, killed, fresh = (job(tmp_path, "merge", name) for name in ("broke", "killed", "fresh"))
    for output in done.outputs:
        write(Path(output), "")
    finish(done, 100)
    finish(ran, 300)  # ended well once; its settings have changed since
    old = begin(runs, snakemake)
    os.utime(old, (time.time() - 50,) * 2)
    write(runs.log, "chatter\n2026-01-01 00:00:00,000 molmix.core.progress m: 3 of 9 steps (33%), loss 0.7\nmore\n")
    write(snakemake / "locks/0.output.lock", "\n".join((*runs.outputs, *waits.outputs)))
    name = base64.urlsafe_b64encode(waits.outputs[0].encode()).decode()
    write(snakemake / "incomplete" / name, json.dumps({"external_jobid": "4711"}))
    write(broke.log, "molmix merge: model x: \x1b[31mno\n  Hint: fix it\nTraceback …\n")
    write(killed.log, "chatter\n")

    found, since = job_statuses([done, ran, runs, waits, broke, killed, fresh], snakemake)
    assert [status.state for status in found] == ["done", "left", "running", "running", "failed", "failed", "left"]
    text = said(found, since, tmp_path / "work")
    assert text.startswith("tiny: 1 done, 2 running, 2 failed, 2 left of 7 jobs; running for ")
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith(("align", "merge"))}
    assert rows == {"align": ["1", "2", "-", "1", "3", "min", "20", "s"], "merge": ["-", "-", "2", "1"]}
    assert "  align runs, for 50 s, m: 3 of 9 steps (33%), loss 0.7\n" in text
    assert "  align waits, for 0 s, cluster job 4711, waits to begin\n" in text
    assert f"  merge broke, log {broke.log}\n    model x: \\x1b[31mno\n      Hint: fix it\n" in text
    assert f"  merge killed, log {killed.log}\n    ended without a message" in text
    assert "      last line of its log: chatter\n      Hint: run it again" in text
    # ran anew 200 s, runs 200 - 50, waits 200; two at a time
    assert "Time left: about 4 min 35 s, estimated for 3 jobs, 2 at a time." in text
    assert "No estimate for 3 jobs" in text


def test_a_training_of_seconds_shows_its_step(tmp_path: Path) -> None:
    runs = job(tmp_path, "align", "m")
    begin(runs, tmp_path)
    write(runs.log, "chatter\n")
    append_progress(write(tmp_path / "work/m/print/run.json", "{}").parent, {"step": 10, "of": 400, "loss": 0.9})
    assert "  align m, for 0 s, step 10 of 400\n" in said(*job_statuses([runs], tmp_path), tmp_path / "work")


def test_watching_ends_with_the_run(tmp_path: Path) -> None:
    """A job that succeeds is done before Snakemake plans again, and the plan at the end of the run decides."""
    first, second = job(tmp_path, "world"), job(tmp_path, "corpus")
    begin(first, tmp_path)
    plans = []

    def plan() -> list[Job]:
        plans.append(1)
        return [first, second] if len(plans) < 2 else [replace(first, needed=False), second]

    seen = []
    for found, _ in watch(plan, tmp_path, 0.0):
        seen.append([status.state for status in found])
        if len(seen) == 1:
            for output in first.outputs:
                write(Path(output), "")
            (tmp_path / "incomplete").rename(tmp_path / "gone")
            time.sleep(0.02)
            finish(first, 2)
        elif len(seen) == 2:
            write(second.log, "molmix corpus: no\n")
            (tmp_path / "locks/0.output.lock").unlink()
    assert seen == [["running", "left"], ["done", "left"], ["done", "failed"]]
    assert len(plans) == 2, "at the beginning, and when the run has ended"


def test_a_try_counts_that_came_after_the_last_good_one(tmp_path: Path) -> None:
    tried = job(tmp_path, "decompose", needed=False)  # what was made from it is there: Snakemake would do without
    finish(tried, 3)
    assert job_statuses([tried], tmp_path)[0][0].state == "done"
    os.utime(tried.benchmark, (time.time() - 60,) * 2)
    write(tried.log, "molmix decompose: x.parquet: cannot be read\n  Hint: delete it\n")
    assert job_statuses([tried], tmp_path)[0][0].state == "failed"
    for output in tried.outputs:
        write(Path(output), "")
    assert job_statuses([tried], tmp_path)[0][0].state == "done"


def test_a_run_under_way_tries_anew_what_failed_before(tmp_path: Path) -> None:
    failed, runs = job(tmp_path, "nli", "failed"), job(tmp_path, "nli", "runs")
    write(failed.log, "molmix nli: it fails\n")
    os.utime(failed.log, (time.time() - 60,) * 2)
    assert job_statuses([failed, runs], tmp_path)[0][0].state == "failed"
    begin(runs, tmp_path)
    assert [status.state for status in job_statuses([failed, runs], tmp_path)[0]] == ["left", "running"]
    write(failed.log, "molmix nli: it fails again\n")
    assert job_statuses([failed, runs], tmp_path)[0][0].state == "failed"


def test_marks_count_while_a_run_holds_the_lock(tmp_path: Path) -> None:
    snakemake, runs = tmp_path / ".snakemake", job(tmp_path, "nli")
    begin(runs, snakemake)
    (found,), since = job_statuses([runs], snakemake)
    assert (found.state, found.waits) == ("running", True) and since
    write(snakemake / "locks/0.output.lock", "another/study's/file\n")
    (found,), since = job_statuses([runs], snakemake)
    assert found.state == "left" and since is None
    assert job_statuses([runs], tmp_path / "nowhere")[0][0].state == "left"


def test_marks_are_where_snakemake_puts_them(tmp_path: Path) -> None:
    """A real job sees its own marks: of a short name and of one that Snakemake cuts into folders."""
    long = "/".join(["x" * 100] * 3)
    script = f"""
rule make:
    output: "short.txt", "{long}/long.txt"
    log: "make.log"
    shell: "mkdir seen && cp -r .snakemake/incomplete .snakemake/locks seen && touch {{output}}"
"""
    (tmp_path / "Snakefile").write_text(script)
    ran = run_command("snakemake", "--cores", "1", "--quiet", "all", folder=tmp_path)
    assert ran.returncode == 0, ran.stdout
    for output in ("short.txt", f"{long}/long.txt"):
        made = Job("make", "", (output,), tmp_path / "no.log", tmp_path / "no.tsv", needed=True)
        (found,), since = job_statuses([made], tmp_path / "seen")
        assert found.state == "running" and since and found.cluster_id is None
        assert job_statuses([made], tmp_path / ".snakemake")[0][0].state == "left"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "study.yaml", yaml.safe_dump(MICRO))


@pytest.mark.slow
def test_snakemake_tells_the_jobs(study: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from molmix.pipeline.status.graph import jobs
found = jobs(Path({str(study)!r}), [])
print(len(found), len([job for job in found if job.needed]), "torch" in sys.modules)
print(*dict.fromkeys(job.rule for job in found))
print(*[job.log for job in found if job.rule == "nli"][:1])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    counts, rules, log = ran.stdout.splitlines()
    every, needed, torch = counts.split()
    assert every == needed and torch == "False"
    assert int(every) > 4 * 12  # a model has a job to write, cut, judge and score its captions
    assert rules.split()[:2] == ["world", "corpus"] and rules.split()[-1] == "plots"
    assert log == "logs/micro/nli/atomic/agnostic.log"
    assert sorted(path.name for path in study.parent.iterdir()) == ["study.yaml"], "nothing is written"


def test_the_command_on_a_study_that_has_not_begun(study: Path) -> None:
    result = CliRunner().invoke(cli.app, ["status", "data_all", "--configfile", str(study)])
    assert result.exit_code == 0, result.output
    assert "micro: 0 done, 0 running, 0 failed, 2 left of 2 jobs; no run is under way" in result.output


@pytest.mark.slow
def test_status_reads_the_records_of_a_run_and_writes_nothing(study: Path, job_server: dict[str, str]) -> None:
    """Of one job: Snakemake's record of it counts, and no file of the folder is other than before."""
    run = [*SNAKEFILE, "--configfile", str(study), "--cores", "1", "-q", "all", "--"]
    world = f"results/{MICRO['run']}/data/world.parquet"
    ran = run_command("snakemake", *run, world, folder=study.parent, environment=os.environ | job_server)
    assert ran.returncode == 0
    (study.parent / ".snakemake/shadow").rmdir()

    def there() -> dict[str, float]:
        return {str(path): path.stat().st_mtime for path in study.parent.rglob("*")}

    before = there()
    result = CliRunner().invoke(cli.app, ["status", "data_all", "--configfile", str(study)])
    assert "micro: 1 done, 0 running, 0 failed, 1 left of 2 jobs" in result.output, result.output
    assert there() == before


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root, and setpriv to give it up")
def test_with_read_access_only(study: Path) -> None:
    """The folder belongs to another user, and root without its capabilities may read it only."""
    world = f"results/{MICRO['run']}/data/world.parquet"
    write(study.parent / ".snakemake/locks/0.output.lock", world)
    write(study.parent / world, "x")
    study.parent.chmod(0o755)
    for path in (study.parent, *study.parent.rglob("*")):
        os.chown(path, 65534, 65534)

    def molmix(*arguments: str) -> subprocess.CompletedProcess[str]:
        code = "from molmix.cli import run; run()"
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", code, *arguments]
        return subprocess.run([*command, "--configfile", str(study)], capture_output=True, text=True, check=False)

    seen = molmix("status", "data_all")
    assert seen.returncode == 0 and "of 2 jobs" in seen.stdout, seen.stderr
    refused = molmix("recover")
    assert refused.returncode == 1 and "0.output.lock: belongs to user" in refused.stderr
    for path in (study.parent / ".snakemake/locks").iterdir():
        os.chown(path, 0, 0)  # a lock of this user in the folder of another
    refused = molmix("recover")
    assert refused.returncode == 1 and "Permission denied\n  Hint: " in refused.stderr
    assert "Traceback" not in refused.stderr
    (study.parent / ".snakemake/locks/0.output.lock").chmod(0)
    os.chown(study.parent / ".snakemake/locks/0.output.lock", 65534, 65534)
    for command in ("status", "recover"):
        assert "Traceback" not in molmix(command).stderr


def test_what_snakemake_refuses_is_one_message(study: Path) -> None:
    with pytest.raises(MolmixError, match="nonsense"):
        graph.jobs(study, ["nonsense"])


def test_progress_survives_a_kill(tmp_path: Path) -> None:
    assert last_progress(tmp_path / "model") is None
    folder = write(tmp_path / "model/print/run.json", "{}").parent
    append_progress(folder, {"step": 90, "of": 100, "loss": 0.5})
    with (folder / PROGRESS).open("a") as stream:
        stream.write('{"step": 9')
    assert last_progress(tmp_path / "model") == {"step": 90, "of": 100, "loss": 0.5}
    append_progress(folder, {"step": 80, "of": 100, "loss": 0.6})  # goes on from the checkpoint of step 70
    append_progress(folder, {"step": 90, "of": 100, "loss": 0.5})
    assert last_progress(tmp_path / "model") == {"step": 90, "of": 100, "loss": 0.5}


def test_of_many_failures_some_are_told(tmp_path: Path) -> None:
    failed = [job(tmp_path, "nli", f"m{number:02}") for number in range(12)]
    for one in failed:
        write(one.log, "molmix nli: it fails\n")
    found, since = job_statuses(failed, tmp_path / ".snakemake")
    text = said(found, since, tmp_path)
    assert text.count("it fails") == 10 and "  and 2 more\n" in text


def test_nothing_left(tmp_path: Path) -> None:
    found, since = job_statuses([job(tmp_path, "world", needed=False)], tmp_path / ".snakemake")
    text = said(found, since, tmp_path)
    assert "tiny: 1 done, 0 running, 0 failed, 0 left of 1 job; no run is under way" in text
    assert "Nothing is left to do." in text
