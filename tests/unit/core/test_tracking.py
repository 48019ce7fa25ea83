"""What people see of a training while it runs: the same losses as its log, in one curve."""

import importlib.metadata
import os
from pathlib import Path

import pytest

from molmix.config import loading
from molmix.core.errors import MolmixError
from molmix.core.files import read_table
from molmix.core.settings import TRACKERS
from molmix.core.tracking import TensorBoard, check_trackers, transformers_trackers
from tests.graph.conftest import MICRO


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


def test_trackers_are_those_that_transformers_knows() -> None:
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    assert set(TRACKERS) == set(INTEGRATION_TO_CALLBACK)


def test_a_tracker_that_is_not_installed_is_refused_with_its_package() -> None:
    check_trackers(["tensorboard"])
    installed = set(importlib.metadata.packages_distributions())
    missing = next(name for name, (module, _) in TRACKERS.items() if module not in installed)
    with pytest.raises(MolmixError, match=rf"tracking.to: '{missing}' is not installed here\n.*pip install"):
        check_trackers(["tensorboard", missing])


def test_a_name_that_is_no_tracker_is_refused() -> None:
    assert loading.parse(MICRO).tracking.to == ["tensorboard"]
    with pytest.raises(MolmixError, match=r"tracking\.to\.0: 'tensorbord' is refused"):
        loading.parse(MICRO | {"tracking": {"to": ["tensorbord"]}})


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
