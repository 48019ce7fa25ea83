"""Files that are cut short, filled with zeros or have a bit turned over: inputs, weights, stored pairs, checkpoints."""

import os
import shutil
import time
from pathlib import Path
from random import Random

from faults.stages import PAIRS, R
from faults.trial import Trial

HOW = ("truncated", "zeroed", "flipped")


def spoil(path: Path, how: str, random: Random, times: bool) -> None:
    """Damage a file in place; with `times`, as if it had not been touched (as a failing disk does it)."""
    before, data = path.stat(), bytearray(path.read_bytes())
    start = random.randrange(len(data))
    if how == "truncated":
        del data[start:]
    elif how == "zeroed":
        end = min(len(data), start + 4096)
        data[start:end] = bytes(end - start)
    else:
        data[start] ^= 1 << random.randrange(8)
    path.write_bytes(data)
    if times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def inputs(trial: Trial, how: str) -> str:
    """Damage a file that the job reads: a table, a manifest, or one of a model's."""
    paths = [trial.folder / path for path in trial.stage.inputs]
    files = [file for path in paths for file in [path, *sorted(path.rglob("*"))] if file.is_file()]
    # Snakemake leaves empty time stamps in folders. Final tables have no checksum (docs/faults.md).
    files = [file for file in files if file.stat().st_size and file.suffix != ".csv"]
    return _spoilt(trial, trial.random.choice(files), how)


def pairs(trial: Trial, how: str) -> str:
    """Damage a file of the pair store, which holds all answers of the NLI model."""
    shutil.copytree(trial.base / PAIRS, trial.folder / PAIRS)
    return _spoilt(trial, trial.random.choice(sorted((trial.folder / PAIRS).rglob("*.pairs"))), how)


def checkpoint(trial: Trial, how: str) -> str:
    """Kill a training after its first checkpoint, and damage the newest one."""
    process = trial.start()
    script = trial.script(process)
    while script and script.is_running() and not _checkpoints(trial):
        time.sleep(0.05)
    if not script or not script.is_running():
        trial.end(process)
        return ""
    script.kill()
    trial.end(process)
    files = sorted(path for path in _checkpoints(trial)[-1].parent.iterdir() if path.stat().st_size)
    return _spoilt(trial, trial.random.choice(files), how)


def _checkpoints(trial: Trial) -> list[Path]:
    return sorted(
        (trial.folder / R / "work/align").glob("*/*/checkpoint-*/complete.json"), key=lambda p: p.stat().st_mtime
    )


def _spoilt(trial: Trial, path: Path, how: str) -> str:
    times = trial.random.random() < 0.5
    spoil(path, how, trial.random, times)
    trial.end(trial.start())
    return f"{path.relative_to(trial.folder)} {how}" + (", its time kept" if times else "")
