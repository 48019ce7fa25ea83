"""What people see of a training while it runs: the same losses as its log, in one curve."""

import os
from pathlib import Path

import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_table
from molmix.core.tracking import TensorBoard, check_trackers, transformers_trackers


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard reads of a folder: by name, a value a step; it fails where a step has two."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), {"scalars": 0}).Reload()
    read = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert all(len({step for step, _ in found}) == len(found) for found in read.values())
    return {tag: dict(found) for tag, found in read.items()}


def logged(path: Path, column: str) -> dict[int, float]:
    """The same of a log.parquet."""
    rows = read_table(path, ["step", column]).to_pylist()
    return {row["step"]: pytest.approx(row[column], rel=1e-6) for row in rows if row[column] is not None}


def test_curves_are_written_anew_and_only_where_they_are_asked_for(tmp_path: Path) -> None:
    for numbers in ([(1, 3.0), (2, 2.0), (3, 9.0)], [(1, 3.0), (2, 2.0)]):
        curves = TensorBoard(tmp_path / "m", ["tensorboard"])
        for step, loss in numbers:
            curves.add(step, {"loss": loss, "eval_loss": loss / 2, "note": "no number"})
        curves.close()
    assert scalars(tmp_path / "m") == {"train/loss": {1: 3.0, 2: 2.0}, "eval/loss": {1: 1.5, 2: 1.0}}
    none = TensorBoard(tmp_path / "none", [])
    none.add(1, {"loss": 1.0})
    none.close()
    assert not (tmp_path / "none").exists()


def test_a_tracker_that_is_not_installed_or_not_known_is_refused() -> None:
    from transformers.integrations.integration_utils import get_available_reporting_integrations

    check_trackers(["tensorboard", *get_available_reporting_integrations()])
    assert "neptune" not in get_available_reporting_integrations()
    with pytest.raises(MolmixError, match=r"tracking\.to: 'neptune' is not installed here\n.*install its package"):
        check_trackers(["tensorboard", "neptune"])
    with pytest.raises(MolmixError, match=r"tracking\.to: there is no tracker 'tensorbord'\n.*'tensorboard'"):
        check_trackers(["tensorbord"])


def test_files_of_others_beside_the_curves_are_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    TensorBoard(tmp_path, ["tensorboard"]).close()
    assert (tmp_path / "notes.txt").exists() and len(list(tmp_path.glob("events*"))) == 1


def test_other_trackers_stay_offline_below_the_run(tmp_path: Path, monkeypatch) -> None:
    for name in ("WANDB_MODE", "WANDB_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    try:
        assert transformers_trackers(["tensorboard"], tmp_path) == [] and dict(os.environ) == before
        assert transformers_trackers(["tensorboard", "wandb"], tmp_path) == ["wandb"]
        assert os.environ["WANDB_MODE"] == "offline" and os.environ["WANDB_DIR"] == str(tmp_path)
        os.environ["WANDB_MODE"] = "online"
        transformers_trackers(["wandb"], tmp_path)
        assert os.environ["WANDB_MODE"] == "online"
    finally:
        os.environ.clear()
        os.environ.update(before)
