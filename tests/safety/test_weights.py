"""Weights that carry code, and models that bring some: nothing of it runs, wherever it is planted."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, write_json
from molmix.judges.kinds.summac_conv import read_layers
from molmix.judges.nli.model import NliModel
from molmix.metrics.text2mol_model import _state
from molmix.models.loading import load
from molmix.models.manifests import write_manifest
from molmix.models.pretrained import fetch
from molmix.models.weights import Weights
from tests.nli_models import make_model
from tests.unit.merge.test_merging import full

CODE = "from pathlib import Path\nPath({path!r}).touch()\nclass Config:\n    pass\nclass Model:\n    pass\n"


class Planted:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A file that is there once planted code has run."""
    return tmp_path / "pwned"


@pytest.fixture
def evil(trap: Path) -> bytes:
    """A pickle in PyTorch's format that runs code; shown to work where it is trusted."""
    import io

    import torch

    sink = io.BytesIO()
    torch.save({"weight": Planted(trap)}, sink)
    torch.load(io.BytesIO(sink.getvalue()), weights_only=False)
    assert trap.exists()
    trap.unlink()
    return sink.getvalue()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a tiny initial model."""
    return full(tmp_path_factory.mktemp("models"), "one", 0)


@pytest.fixture
def copied(model: Path, tmp_path: Path) -> Path:
    """Manifest of a copy of it, to be spoilt."""
    shutil.copytree(model.parent, tmp_path / "one")
    return tmp_path / "one/manifest.json"


READERS: dict[str, Callable[[Path], object]] = {
    "SummaC-Conv": lambda path: read_layers(path, 1, 24),
    "Text2Mol": _state,
}


@pytest.mark.parametrize("ending", [".bin", ".pt", ".safetensors"])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_files_of_weights(read: Callable[[Path], object], ending: str, tmp_path: Path, trap: Path, evil: bytes) -> None:
    path = tmp_path / f"weights{ending}"
    for data in (evil, pickle.dumps(Planted(trap))):
        path.write_bytes(data)
        with pytest.raises(MolmixError, match="cannot be read as weights"):
            read(path)
        assert not trap.exists()


def vouch(manifest: Path) -> None:
    """Have a manifest speak for what lies in its folder now, as that of a model from elsewhere does."""
    facts = read_json(manifest)
    write_manifest(manifest, facts, manifest.parent / facts["weights"]["path"])


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_initial_models(name: str, copied: Path, trap: Path, evil: bytes) -> None:
    (copied.parent / "weights/model.safetensors").unlink()
    (copied.parent / "weights" / name).write_bytes(evil)
    vouch(copied)
    with pytest.raises(MolmixError, match=r"cannot be read as safetensors|holds no model.safetensors"):
        load(copied)
    with pytest.raises(MolmixError):
        Weights(copied.parent / "weights")
    assert not trap.exists()


def test_a_folder_of_pickles_is_refused_before_a_run(tmp_path: Path, copied: Path, trap: Path, evil: bytes) -> None:
    weights = copied.parent / "weights"
    (weights / "model.safetensors").unlink()
    (weights / "pytorch_model.bin").write_bytes(evil)
    with pytest.raises(MolmixError, match=r"holds no model.safetensors"):
        fetch(model_id="m", kind="initial", source=str(weights), revision=None, manifest=tmp_path / "m.json")
    assert not trap.exists()


@pytest.mark.parametrize("shard", ["evil.bin", "../one.safetensors", "/tmp/x.safetensors", "a/b.safetensors", 5])
def test_shards_lie_beside_their_index(shard: object, copied: Path, trap: Path, evil: bytes) -> None:
    weights = copied.parent / "weights"
    (weights / "evil.bin").write_bytes(evil)
    write_json(weights / "model.safetensors.index.json", {"weight_map": {"lm_head.weight": shard}})
    with pytest.raises(MolmixError, match="no safetensors file beside it"):
        Weights(weights)
    assert not trap.exists()


def test_adapters(copied: Path, trap: Path, evil: bytes) -> None:
    from peft import LoraConfig, get_peft_model

    aligned = copied.parent.parent / "aligned"
    start, _ = load(copied)
    get_peft_model(start, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(aligned / "adapter")
    facts = {"kind": "aligned", "parents": ["one"]}
    write_manifest(aligned / "manifest.json", facts, aligned / "adapter")
    load(aligned / "manifest.json")
    (aligned / "adapter/adapter_model.safetensors").unlink()
    (aligned / "adapter/adapter_model.bin").write_bytes(evil)
    write_manifest(aligned / "manifest.json", facts, aligned / "adapter")
    with pytest.raises(MolmixError, match=r"adapter_model\.safetensors"):
        load(aligned / "manifest.json")
    assert not trap.exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_checkpoints_of_trainings(name: str, tmp_path: Path, trap: Path, evil: bytes) -> None:
    """The trainer reads a checkpoint's own files as data; what else they hold is refused."""
    import torch
    from transformers import Trainer, TrainingArguments

    layer = torch.nn.Linear(1, 1)
    trainer = Trainer(layer, TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True, report_to="none"))
    trainer.create_optimizer_and_scheduler(1)
    for part in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (tmp_path / part).write_bytes(evil)
    with pytest.raises(pickle.UnpicklingError, match=r"[Ww]eights.only"):
        if name == "rng_state.pth":
            trainer._load_rng_state(str(tmp_path))
        else:
            trainer._load_optimizer_and_scheduler(str(tmp_path))
    assert not trap.exists()


def test_nli_models(tmp_path: Path, trap: Path, evil: bytes) -> None:
    folder = make_model(tmp_path / "nli", "bert")
    NliModel.load(folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(evil)
    with pytest.raises(MolmixError, match=r"holds no model.safetensors"):
        NliModel.load(folder)
    assert not trap.exists()


@pytest.mark.parametrize("known", [True, False], ids=["of a known type", "of its own type"])
def test_code_that_a_model_brings_does_not_run(known: bool, copied: Path, trap: Path, monkeypatch) -> None:
    weights = copied.parent / "weights"
    _bring_code(weights, trap, known)
    vouch(copied)
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # transformers would ask, and take this for leave
    if known:
        load(copied)
    else:
        with pytest.raises(MolmixError, match="cannot be loaded"):
            load(copied)
    assert not trap.exists()


@pytest.mark.parametrize("known", [True, False], ids=["of a known type", "of its own type"])
def test_code_that_an_nli_model_brings_does_not_run(known: bool, tmp_path: Path, trap: Path, monkeypatch) -> None:
    folder = make_model(tmp_path / "nli", "bert")
    _bring_code(folder, trap, known)
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    if known:
        NliModel.load(folder)
    else:
        with pytest.raises(MolmixError, match="cannot be loaded"):
            NliModel.load(folder)
    assert not trap.exists()


def _bring_code(folder: Path, trap: Path, known: bool) -> None:
    (folder / "modeling.py").write_text(CODE.format(path=str(trap)))
    config = json.loads((folder / "config.json").read_text())
    autos = ("AutoModelForCausalLM", "AutoModelForSequenceClassification", "AutoModel")
    config["auto_map"] = {"AutoConfig": "modeling.Config", **dict.fromkeys(autos, "modeling.Model")}
    config |= {} if known else {"model_type": "mine"}
    (folder / "config.json").write_text(json.dumps(config))


def test_templates_of_chats_run_in_a_sandbox(copied: Path, trap: Path) -> None:
    """A chat template comes with a model too, and is a program of its own: it reaches nothing outside."""
    from jinja2.exceptions import SecurityError

    from molmix.judges.decompose.backends._local import templated

    _, tokenizer = load(copied)
    tokenizer.chat_template = "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ messages[0]['content'] }}"
    with pytest.raises(SecurityError):
        templated(tokenizer, "say {caption}", "hello")


@pytest.mark.parametrize("revision", ["../../up", "/etc", "a/../b", "", ".", "x\ny", "$(touch x)"])
def test_revisions_stay_in_the_cache(revision: str) -> None:
    from pydantic import ValidationError

    from molmix.models.settings import HubModel

    with pytest.raises(ValidationError, match="commit hash"):
        HubModel(kind="pretrained", id="a/b", revision=revision)
    assert HubModel(kind="pretrained", id="a/b", revision="refs/pr/1").revision == "refs/pr/1"


@pytest.mark.parametrize("source", ["../up", "a/b/c", "a/../../b", "a/..", "https://hub/x"])
def test_ids_of_the_hub_stay_in_the_cache(source: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("molmix.core.hub._ASKED", "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MolmixError, match="is no id of the hub"):
        fetch(model_id="m", kind="initial", source=source, revision="main", manifest=tmp_path / "m.json")
    assert not list(tmp_path.iterdir())
