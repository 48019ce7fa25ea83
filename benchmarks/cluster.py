"""What SLURM costs: the same jobs here and on a SLURM of one node, recovery, and the parse in each job."""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.slurm import cluster

from benchmarks.common import Row, in_turn
from molmix.config import loading
from molmix.pipeline import model_table

ROOT = Path(__file__).resolve().parents[1]
PROFILE = ["--workflow-profile", str(ROOT / "profiles/slurm")]


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="molmix-cluster-") as name:
        folder = Path(name)
        rows = [_parse(folder)]
        if reason := cluster.why_not():
            return [*rows, (f"SLURM: {reason}", "-", "-", "-", "-")]
        with cluster.cluster(folder / "cluster") as environment:
            return [*rows, *_overhead(folder, environment), _recovery(folder, environment)]


def _parse(folder: Path) -> Row:
    """Each job reads the Snakefile and its config once or twice before it works."""
    sizes = {path: len(model_table.build(loading.load(path))) for path in sorted((ROOT / "config").glob("*.yaml"))}
    largest = max(sizes, key=lambda path: sizes[path])
    target = f"results/{loading.load(largest).run}/data/manifest.json"
    (folder / "Snakefile").write_text('rule all:\n    output: "x"\n    shell: "touch x"\n')
    a, b = in_turn(
        lambda: _snakemake(ROOT, None, target, "-n", "--quiet", "all", "--configfile", str(largest)),
        lambda: _snakemake(folder, None, "-n", "--quiet", "all", snakefile=folder / "Snakefile"),
    )
    what = f"a job's start, {largest.name} ({sizes[largest]} models)"
    return (what, f"{a:.1f} s", f"{b:.1f} s (a Snakefile of one rule)", f"{a - b:.1f} s of parsing", "1.5 s of parsing")


def _overhead(folder: Path, environment: dict[str, str]) -> list[Row]:
    """Captions split into atoms, all of it short jobs: here on two cores, and on a node of four."""
    seconds, said = {}, {}
    study = loading.load(ROOT / "config/score.yaml")
    authors = ("reference", *(system.name for system in study.systems))
    atoms = [f"results/{study.run}/atoms/rules/{name}/{test}.parquet" for name in authors for test in study.data.tests]
    for name, options, env in (("here", ["--cores", "2"], None), ("slurm", PROFILE, environment)):
        here = _study(folder / name)
        begin = time.perf_counter()
        said[name] = _snakemake(here, env, *atoms, *options, "--configfile", "config/score.yaml")
        seconds[name] = time.perf_counter() - begin
    jobs = int(said["here"].rpartition(" of ")[2].split()[0])
    sent = said["slurm"].count("has been submitted")
    extra = (seconds["slurm"] - seconds["here"]) / jobs
    times = f"{seconds['slurm']:.0f} s", f"{seconds['here']:.0f} s here"
    return [
        (f"atoms of score.yaml through SLURM, {jobs} jobs", *times, f"{seconds['slurm'] / seconds['here']:.1f}", "-"),
        ("overhead of SLURM, a job", f"{extra:.1f} s", "-", "-", "-"),
        ("jobs sent to SLURM", str(sent), f"{jobs} ungrouped", f"{sent / jobs:.2f}", "-"),
    ]


def _recovery(folder: Path, environment: dict[str, str]) -> Row:
    """From the call of `molmix recover` to its end, after a Snakemake that was killed with a job running."""
    study = _study(folder / "dead")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *PROFILE]
    main = subprocess.Popen(
        [*command, "results/demo/data/manifest.json", "--configfile", "config/config.yaml"],
        cwd=study,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = ["squeue", "-h", "-t", "RUNNING", "-o", "%i"]
    while not subprocess.run(running, env=environment, capture_output=True, check=True).stdout:
        assert main.poll() is None, "Snakemake ended before one of its jobs began"
        time.sleep(0.2)
    main.kill()
    main.wait()
    begin = time.perf_counter()
    recover = [sys.executable, "-c", "from molmix.cli import run; run()", "recover"]
    done = subprocess.run(recover, cwd=study, env=environment, capture_output=True, text=True, check=True)
    assert "unlocked" in done.stdout, done.stdout
    return "molmix recover, a job running", f"{time.perf_counter() - begin:.1f} s", "-", "-", "60 s"


def _study(folder: Path) -> Path:
    """A folder to run in, with the shipped configs and examples."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "config", folder / "config")
    return folder


def _snakemake(
    folder: Path, environment: dict[str, str] | None, *arguments: str, snakefile: Path = ROOT / "Snakefile"
) -> str:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:])
    return done.stdout
