"""`python -m faults.resume`: trainings that are killed, or asked to end, in the middle, beside undisturbed ones.

Each is a process of its own, which gets a real signal. Prints by how much logs and adapters differ in the end, and
draws the loss curves (docs/figures/resume.png).
"""

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from molmix.align import checkpoints
from molmix.align.methods._shared import load_class
from molmix.align.settings import METHODS, resolve_settings
from molmix.core.errors import MolmixError
from molmix.core.files import read_table, write_table

FIGURE = Path(__file__).resolve().parents[1] / "docs/figures/resume.png"
ROWS, AT = 240, 0.55  # pairs; share of the steps after which the signal is sent
NOISE = 1e-6  # more than that between two trainings fails
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
TRAIN = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "learning_rate": 3e-3, "warmup_steps": 0.1}


def train(method: str, folder: Path, out: str) -> None:
    """One training; its checkpoints lie beside it."""
    from molmix.align.training import align

    # Dropout, so that the state of the random numbers counts too.
    chosen = resolve_settings(method, settings=TRAIN, lora={"r": 8, "dropout": 0.1})
    align(
        model_id=out,
        start=folder / "models/start/manifest.json",
        pairs=folder / "pairs.parquet",
        out=folder / out,
        work=folder / f"{out}.work",
        settings=chosen,
        seed=1,
        threads=1,
        trackers=[],
        curves=folder / "curves" / out,
    )


def prepare(folder: Path) -> None:
    """A start with random weights, and pairs of captions of the embedded world."""
    import pyarrow as pa
    from benchmarks.common import PROMPTS, corpus, small_model

    rows = corpus(ROWS + 40)
    small_model(folder, "start", rows, seed=1)
    pairs = [
        {
            "split": "train" if number < ROWS else "validation",
            "id": str(number),
            "direction": "mol2cap",
            "prompt": PROMPTS["mol2cap"].format(molecule=molecule),
            "chosen": f" {caption}",
            "rejected": f" {rows[number - 1][1]}",
        }
        for number, (molecule, caption) in enumerate(rows)
        if caption != rows[number - 1][1]
    ]
    write_table(folder / "pairs.parquet", pa.Table.from_pylist(pairs))


def process(method: str, folder: Path, out: str) -> BaseProcess:
    """One training as a process; forked, so that libraries are imported once."""
    training = multiprocessing.get_context("fork").Process(target=_trained, args=(method, folder, out))
    training.start()
    return training


def _trained(method: str, folder: Path, out: str) -> None:
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # the trainer's chatter
    try:
        train(method, folder, out)
    except MolmixError as error:
        sys.exit(str(error))


def disturb(method: str, folder: Path, out: str, number: signal.Signals) -> tuple[int, int]:
    """A training that gets a signal, and is begun again; gives the step it had reached, and the one it went on from."""
    running, work = process(method, folder, out), folder / f"{out}.work"
    while not (said := checkpoints.last_progress(work) if work.exists() else None) or said["step"] < AT * said["of"]:
        if not running.is_alive():
            sys.exit(f"{out} ended before its signal")
        time.sleep(0.05)
    os.kill(running.pid, number)
    running.join()
    reached = checkpoints.last_progress(work)
    whole = checkpoints.last_complete(next(work.iterdir()))
    assert running.exitcode != 0 and reached and whole
    again = process(method, folder, out)
    again.join()
    assert again.exitcode == 0
    return reached["step"], int(whole.name.split("-")[1])


def differences(folder: Path, one: str, other: str) -> tuple[float, float]:
    """The largest difference between two trainings' logged numbers, and between their adapters' weights."""
    import numpy as np
    from safetensors.numpy import load_file

    logs = [read_table(folder / name / "log.parquet").to_pandas() for name in (one, other)]
    assert list(logs[0].columns) == list(logs[1].columns) and len(logs[0]) == len(logs[1])
    logged = np.nanmax(np.abs(logs[0].to_numpy(float) - logs[1].to_numpy(float)))
    weights = [load_file(folder / name / "adapter/adapter_model.safetensors") for name in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    return float(logged), max(float(np.abs(weights[0][name] - weights[1][name]).max()) for name in weights[0])


def draw(folder: Path, found: dict[str, dict[str, tuple[int, int, float, float]]], figure: Path) -> None:
    """Loss by step: a line for the undisturbed training, marks for those that were interrupted."""
    import matplotlib.pyplot as plt

    shape, axes = plt.subplots(1, len(found), figsize=(3.6 * len(found), 3.2), squeeze=False, layout="constrained")
    for panel, (method, runs) in zip(axes[0], found.items(), strict=True):
        whole = read_table(folder / method / "log.parquet").to_pandas()
        panel.plot(whole["step"], whole["loss"], color="0.6", linewidth=3, label="undisturbed")
        for (name, (reached, begun, logged, weights)), colour, mark in zip(
            runs.items(), ("#0072B2", "#D55E00"), ("o", "x"), strict=True
        ):
            log = read_table(folder / f"{method}.{name}" / "log.parquet").to_pandas()
            label = f"{name} at {reached}, on from {begun}"
            panel.plot(log["step"], log["loss"], mark, color=colour, markersize=3.5, fillstyle="none", label=label)
            panel.axvline(begun, color=colour, linewidth=0.8, linestyle=":")
            panel.set_title(f"{method}: largest difference {max(logged, weights):.1g}", fontsize=10)
        panel.set_xlabel("step")
        panel.legend(fontsize=7, frameon=False)
    axes[0][0].set_ylabel("training loss")
    figure.parent.mkdir(parents=True, exist_ok=True)
    shape.savefig(figure, dpi=110)


def compare(folder: Path, methods: list[str], figure: Path) -> float:
    """Train everything, print the table and draw the figure; gives the largest difference of all."""
    import torch

    import molmix.align.training  # noqa: F401 (for all processes)

    torch.set_num_threads(1)  # other threads than this one do not come along in a fork
    for method in methods:
        load_class(METHODS[method].trainer_class)
    prepare(folder)
    found: dict[str, dict[str, tuple[int, int, float, float]]] = {}
    print("| method | signal | at step | on from | log | adapter |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for method in methods:
        undisturbed = process(method, folder, method)
        undisturbed.join()
        assert undisturbed.exitcode == 0
        found[method] = {}
        for number in SIGNALS:
            out = f"{method}.{number.name}"
            found[method][number.name] = row = (
                *disturb(method, folder, out, number),
                *differences(folder, method, out),
            )
            print(f"| {method} | {number.name} | {row[0]} | {row[1]} | {row[2]:.1g} | {row[3]:.1g} |", flush=True)
    draw(folder, found, figure)
    return max(max(row[2:]) for runs in found.values() for row in runs.values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m faults.resume", description=__doc__)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--figure", type=Path, default=FIGURE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(compare(Path(folder), options.methods, options.figure) > NOISE)


if __name__ == "__main__":
    main()
