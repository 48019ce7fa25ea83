"""Faults of the machine: no space, no memory, no write permission, another clock, two Snakemakes, late files."""

import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

from faults.trial import Trial

BALLAST = "ballast"
DAY = 24 * 3600


def mountable() -> bool:
    """Whether file systems can be mounted here; needs root."""
    return os.geteuid() == 0 and _run("unshare", "--mount", "true")


def full_disk(trial: Trial) -> str:
    """The disk (a small tmpfs) fills up somewhere between the job's start and its last byte."""
    shutil.rmtree(trial.folder)
    trial.folder.mkdir()
    need = sum(path.stat().st_size for path in trial.base.rglob("*") if path.is_file())
    _mount("-t", "tmpfs", "-o", f"size={4 * need + (64 << 20)}", "tmpfs", str(trial.folder))
    trial.prepare()
    made = sum(_size(trial.base / path) for path in trial.stage.outputs)
    free = os.statvfs(trial.folder).f_bavail * os.statvfs(trial.folder).f_frsize
    leave = trial.random.randrange(made + (128 << 10))
    with (trial.folder / BALLAST).open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, free - leave)
    trial.end(trial.start())
    (trial.folder / BALLAST).unlink()
    return f"{leave >> 10} KB left on the disk"


def read_only(trial: Trial) -> str:
    """The results cannot be written to."""
    results = str(trial.folder / "results")
    _mount("--bind", results, results)
    _mount("-o", "remount,bind,ro", results)
    trial.end(trial.start())
    subprocess.run(["umount", results], check=True)
    return "results mounted read-only"


def memory(trial: Trial) -> str:
    """The job may take little more memory than it has at some moment."""
    process = trial.start()
    script = trial.script(process)
    moment = trial.random.uniform(0, 0.5 * trial.stage.seconds)
    time.sleep(moment)
    more = trial.random.randrange(32 << 20)
    if script is None or not script.is_running():
        trial.end(process)
        return ""
    limit = script.memory_info().vms + more
    resource.prlimit(script.pid, resource.RLIMIT_AS, (limit, limit))
    trial.end(process)
    return f"{more >> 20} MB more than after {moment:.1f} s"


def clock(trial: Trial) -> str:
    """What the job reads was written by a clock that was a day ahead."""
    for path in trial.stage.inputs:
        if (trial.folder / path).exists():
            os.utime(trial.folder / path, (time.time() + DAY,) * 2)
    trial.end(trial.start())
    return "inputs a day in the future"


def two_snakemakes(trial: Trial) -> str:
    """The command is given twice at once."""
    first = trial.start()
    apart = trial.random.uniform(0, 3)
    time.sleep(apart)
    second = trial.start()
    ends = trial.end(first), trial.end(second)
    return f"two Snakemakes, {apart:.1f} s apart: status {ends[0]} and {ends[1]}"


def late_files(trial: Trial) -> str:
    """What the job made is seen some seconds after it ended, sooner or later than Snakemake's `--latency-wait` of 5 s.

    The shell that runs a script moves its outputs away at its end, and back after a while.
    """
    late = trial.random.uniform(1, 9)
    files = " ".join(str(path) for path in trial.stage.outputs)
    there, back = (
        'for f in {0}; do [ -e "$f" ] && mv "$f" "$f.late"; done; true',
        'for f in {0}; do mv "$f.late" "$f"; done',
    )
    hook = trial.folder / "late.sh"
    hook.write_text(
        "hide() {\n"
        f"{there.format(files)}\n(sleep {late:.1f}; {back.format(files)}) </dev/null >/dev/null 2>&1 &\n"
        "}\n"
        f'case "$BASH_EXECUTION_STRING" in *.{trial.stage.script}*) trap hide EXIT;; esac\n'
    )
    trial.end(trial.start(env=os.environ | {"BASH_ENV": str(hook)}))
    time.sleep(late)
    return f"outputs {late:.1f} s late"


def release(folder: Path) -> None:
    """Unmount what a fault has mounted on a trial's folder."""
    if os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _run(*command: str) -> bool:
    return shutil.which(command[0]) is not None and subprocess.run(command, check=False).returncode == 0
