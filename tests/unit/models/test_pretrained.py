"""Pretrained models, and weights that are other ones than their manifest says."""

import shutil
from pathlib import Path

import pytest

from molmix.core.errors import MolmixError
from molmix.models.manifests import weights_path, write_manifest
from molmix.models.pretrained import fetch


def test_weights_that_are_not_those_of_the_manifest_are_not_loaded(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    (weights / "model.safetensors").write_bytes(b"12345678")
    write_manifest(tmp_path / "manifest.json", {"id": "m"}, weights)
    assert weights_path(tmp_path / "manifest.json") == weights
    (weights / "model.safetensors").write_bytes(b"12345679")
    with pytest.raises(MolmixError, match=r"weights: holds other files .*\n.*--forcerun .*manifest\.json`"):
        weights_path(tmp_path / "manifest.json")
    shutil.rmtree(weights)
    with pytest.raises(MolmixError, match=r"are gone\n.*--forcerun .*manifest\.json`"):
        weights_path(tmp_path / "manifest.json")


def test_a_local_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match=r"holds no config\.json"):
        fetch(model_id="m", kind="initial", source=str(tmp_path), revision=None, manifest=tmp_path / "m.json")


def test_a_hub_id_without_revision_or_network(tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match="no local folder"):
        fetch(model_id="m", kind="initial", source="some/model", revision=None, manifest=tmp_path / "m.json")
