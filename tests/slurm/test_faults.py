"""What goes wrong on clusters: after each the same command ends well, and no job is left."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from faults.trial import kill_in

from tests.slurm.conftest import SNAKEMAKE, TINY, MainProcess, Slurm

pytestmark = pytest.mark.slow
DONE = "results/tiny/data/manifest.json"  # by two rules, which are sent as one job
WORLD = "results/tiny/data/world.parquet"  # by one rule


def script_of(folder: Path) -> int:
    """The process of the job that works in a folder, once it is there."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any(word.startswith(f"{folder}/.snakemake/scripts/") for word in words):
                return int(entry.name)
        time.sleep(0.1)
    raise AssertionError("no job began to work")


@pytest.fixture(scope="module", autouse=True)
def out_of_time(slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MainProcess, Path]]:
    """A run whose first job hangs until its minute is over. The other tests run meanwhile."""
    folder = tmp_path_factory.mktemp("out-of-time")
    main = slurm.start(folder, WORLD, "--set-resources", "world:runtime=attempt")
    os.kill(script_of(folder), signal.SIGSTOP)
    yield main, folder
    kill_in(folder)  # SLURM without cgroups overlooks a process whose parent has ended


def test_a_job_that_fails_is_tried_again_with_more(slurm: Slurm, tmp_path: Path) -> None:
    # Far too little memory at first: SLURM ends the job.
    main = slurm.start(tmp_path, DONE, "--set-resources", "world:mem_mb=40+4000*(attempt-1)", "corpus:mem_mb=10")
    assert main.ends() == 0, main.said()
    first, second = slurm.jobs(tmp_path)
    assert (first["JobState"], first["MinMemoryNode"]) == ("FAILED", "40M")
    assert (second["JobState"], second["MinMemoryNode"]) == ("COMPLETED", "4040M")


def test_a_users_mistake_is_told_in_the_jobs_log(slurm: Slurm, tmp_path: Path) -> None:
    # One that is seen by a job alone: the demo's test set is drawn in the graph.
    study = TINY | {"data": TINY["data"] | {"tests": {"id": {"source": {"kind": "demo", "split": "id"}, "rows": 5000}}}}
    main = slurm.start(tmp_path, DONE, "--retries", "0", study=study)
    assert main.ends() == 1
    (job,) = slurm.jobs(tmp_path)
    log = Path(job["StdOut"]).read_text()
    assert "molmix corpus: data.tests.id.rows: 5000 asked for" in log and "Traceback" not in log


def test_a_cancelled_job_is_tried_again(slurm: Slurm, tmp_path: Path) -> None:
    main = slurm.start(tmp_path, WORLD)
    slurm.says("scancel", slurm.until(tmp_path, "RUNNING")["JobId"])
    assert main.ends() == 0, main.said()
    assert [job["JobState"] for job in slurm.jobs(tmp_path)] == ["CANCELLED", "COMPLETED"]


def test_a_requeued_job_is_no_new_try(slurm: Slurm, tmp_path: Path) -> None:
    main = slurm.start(tmp_path, WORLD, "--retries", "0")
    job = slurm.until(tmp_path, "RUNNING")["JobId"]
    script_of(tmp_path)
    slurm.says("scontrol", "requeue", job)
    slurm.until(tmp_path, "PENDING")
    slurm.says("scontrol", "update", f"JobId={job}", "StartTime=now")  # it would wait for two minutes
    assert main.ends() == 0, main.said()
    (only,) = slurm.jobs(tmp_path)
    assert (only["JobId"], only["JobState"], only["Restarts"]) == (job, "COMPLETED", "1")


def test_an_interrupted_head_takes_its_jobs_along(slurm: Slurm, tmp_path: Path) -> None:
    main = slurm.start(tmp_path, WORLD)
    slurm.until(tmp_path, "RUNNING")
    main.process.send_signal(signal.SIGINT)
    assert main.ends() != 0
    slurm.until(tmp_path, "CANCELLED")
    again = slurm.start(tmp_path, WORLD)
    assert again.ends() == 0, again.said()
    assert [job["JobState"] for job in slurm.jobs(tmp_path)] == ["CANCELLED", "COMPLETED"]


def test_recover_after_a_killed_head(slurm: Slurm, tmp_path: Path, molmix) -> None:
    main = slurm.start(tmp_path, WORLD)
    left = slurm.until(tmp_path, "RUNNING")["JobId"]
    refused = molmix(tmp_path, "recover", "--configfile", "study.yaml")
    assert refused.returncode == 1 and "a Snakemake runs here" in refused.stderr
    main.dies()
    done = molmix(tmp_path, "recover", "--configfile", "study.yaml", "--", *SNAKEMAKE, WORLD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cancelled in SLURM: {left} (" in done.stdout and "unlocked" in done.stdout
    assert [job["JobState"] for job in slurm.jobs(tmp_path)] == ["CANCELLED", "COMPLETED"]


def test_a_result_finished_after_its_head_is_made_again(slurm: Slurm, tmp_path: Path, molmix) -> None:
    main = slurm.start(tmp_path, WORLD)
    slurm.until(tmp_path, "RUNNING")
    main.dies()
    slurm.until(tmp_path, "COMPLETED")
    done = molmix(tmp_path, "recover", "--configfile", "study.yaml")
    assert "finished after Snakemake was killed, will be made again" in done.stdout and WORLD in done.stdout
    assert slurm.start(tmp_path, WORLD).ends() == 0
    assert [job["JobState"] for job in slurm.jobs(tmp_path)] == ["COMPLETED", "COMPLETED"]


def test_two_studies_in_one_folder_do_not_recover_each_other(slurm: Slurm, tmp_path: Path, molmix) -> None:
    main = slurm.start(tmp_path, WORLD)
    slurm.until(tmp_path, "RUNNING")
    main.dies()
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(TINY | {"run": "other"}, sort_keys=False))
    assert molmix(tmp_path, "recover", "--configfile", "other.yaml").stdout == "Nothing to recover.\n"
    assert slurm.until(tmp_path, "COMPLETED")


def test_a_job_out_of_time_is_tried_again_with_more(slurm: Slurm, out_of_time: tuple[MainProcess, Path]) -> None:
    main, folder = out_of_time
    assert main.ends() == 0, main.said()
    first, second = slurm.jobs(folder)
    assert (first["JobState"], first["TimeLimit"]) == ("TIMEOUT", "00:01:00")
    assert (second["JobState"], second["TimeLimit"]) == ("COMPLETED", "00:02:00")
