"""The whole graph on a real SLURM: every job asks for what its rule says, in as few jobs as they can be."""

from pathlib import Path

import pytest

from tests.slurm.conftest import TINY, TOKEN, Slurm

pytestmark = pytest.mark.slow


def jobs_of(slurm: Slurm, folder: Path, rule: str) -> list[dict[str, str]]:
    return [job for job in slurm.jobs(folder) if rule in job["Comment"].split("_wildcards_")[0]]


def test_the_whole_graph_runs(slurm: Slurm, finished: tuple[Path, str], snakemake) -> None:
    folder, _ = finished
    for table in ("leaderboard", "comparisons", "merges", "alignments", "judges", "agreement", "audit"):
        assert (folder / f"results/micro/tables/{table}.csv").stat().st_size > 0
    assert {job["JobState"] for job in slurm.jobs(folder)} == {"COMPLETED"}
    # Another profile, other resources and no groups: nothing is made anew for them.
    again = snakemake(folder, "-n", "all", "judge", "--configfile", "study.yaml")
    assert "Nothing to be done" in again.stdout, again.stdout[-3000:]


def test_jobs_ask_for_what_their_rules_say(slurm: Slurm, finished: tuple[Path, str]) -> None:
    folder, _ = finished
    trainings = jobs_of(slurm, folder, "rule_align")
    assert len(trainings) == 3
    for job in trainings:
        assert (job["Partition"], job["NumCPUs"], job["MinMemoryNode"]) == ("cpu", "1", "3000M")
        assert job["TimeLimit"] == "1-00:00:00" and job["Requeue"] == "1"
        assert job["JobName"].startswith("molmix_")
    assert all("gpu" not in job.get("TresPerJob", "") for job in slurm.jobs(folder))


def test_short_jobs_go_as_one(slurm: Slurm, finished: tuple[Path, str]) -> None:
    folder, said = finished
    single = (
        "align",
        "train_initial",
        "train_nli",
        "generate_rejected",
        "pairs",
        "merge",
        "plots",
        "agreement",
        "audit",
    )
    grouped = [
        job for job in slurm.jobs(folder) if job["Comment"].split("_wildcards_")[0].removeprefix("rule_") not in single
    ]
    groups = ("judge_validation", "data", "generate", "judge")  # a number can follow the name of a group
    comments = [job["Comment"].removeprefix("rule_") for job in grouped]
    names = [next((group for group in groups if comment.startswith(group)), comment) for comment in comments]
    models = len(list((folder / "results/micro/models").iterdir()))
    assert sorted(set(names)) == ["data", "generate", "judge", "judge_validation"]
    assert names.count("generate") == -(-models // 4)
    assert names.count("data") == names.count("judge") == names.count("judge_validation") == 1
    steps = int(said.rpartition(" of ")[2].split()[0])
    assert len(slurm.jobs(folder)) < steps / 2


def test_every_job_keeps_its_log(slurm: Slurm, finished: tuple[Path, str]) -> None:
    folder, _ = finished
    logs = {log.stem for log in (folder / "logs/slurm").rglob("*.log")}
    assert logs == {job["JobId"] for job in slurm.jobs(folder)}


def test_no_token_is_in_comments_logs_or_results(slurm: Slurm, finished: tuple[Path, str]) -> None:
    folder, said = finished
    assert slurm.environment["HF_TOKEN"] == TOKEN
    assert TOKEN not in said and TOKEN not in str(slurm.jobs(folder))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_gpus_are_asked_for_and_looked_for(slurm: Slurm, tmp_path: Path) -> None:
    # The node's GPUs are none: SLURM hands one out, and the job finds that PyTorch sees nothing.
    study = TINY | {"hardware": {"gpus": {"nli": 1}, "gpu_memory_gb": 40}}
    main = slurm.start(tmp_path, "results/tiny/nli_models/embedded/manifest.json", "--retries", "0", study=study)
    assert main.ends() == 1
    (job,) = slurm.jobs(tmp_path)
    assert (job["Partition"], job["TresPerJob"], job["NumCPUs"]) == ("gpu", "gres:gpu:1", "4")
    assert "hardware.gpus: asks for 1 GPU, and PyTorch finds 0" in Path(job["StdOut"]).read_text()
    assert "CUDA_VISIBLE_DEVICES 0" in Path(job["StdOut"]).read_text()


def test_jobs_without_gpus_stay_off_their_partition(slurm: Slurm, tmp_path: Path) -> None:
    study = TINY | {"hardware": {"gpus": {"nli": 1, "align": 2, "generate": 1, "decompose": 1}}}
    main = slurm.start(tmp_path, "data_all", study=study)
    assert main.ends() == 0, main.said()
    assert {job["Partition"] for job in slurm.jobs(tmp_path)} == {"cpu"}


def test_it_runs_with_accounting_and_outlives_scancel(accounted: Slurm, tmp_path: Path) -> None:
    main = accounted.start(tmp_path, "data_all")
    first = accounted.until(tmp_path, "RUNNING")
    accounted.says("scancel", first["JobId"])
    assert main.ends() == 0, main.said()
    states = accounted.says("sacct", "-X", "-n", "-P", "-o", "JobIDRaw,State").splitlines()
    assert [line.split("|")[1].split()[0] for line in states] == ["CANCELLED", "COMPLETED"]
