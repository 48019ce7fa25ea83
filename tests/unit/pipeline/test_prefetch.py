"""Prefetching against a stand-in for the hub, and one message for each way in which it can fail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import save_file

from molmix.config import loading
from molmix.pipeline.prefetch import downloads
from tests.commands import run_command
from tests.hub import Hub, serve

pytestmark = pytest.mark.slow  # every call is a process of its own, which imports the hub client

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GONE = "f" * 40


@pytest.fixture
def hub(tmp_path: Path):
    """A hub with one model in two shards and one data set in two files."""
    model, data = tmp_path / "repositories/model", tmp_path / "repositories/data"
    model.mkdir(parents=True)
    (data / "data").mkdir(parents=True)
    (model / "config.json").write_text('{"model_type": "llama"}')
    (model / "README.md").write_text("---\nlicense: llama2\n---\n# A model\n")
    shards = [f"model-{number}-of-00002.safetensors" for number in ("00001", "00002")]
    for tensor, name in zip("ab", shards, strict=True):
        save_file({tensor: np.full(1024, ord(tensor), np.float32)}, model / name)
    index = {"weight_map": {"a": shards[0], "b": shards[1]}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    (model / "pytorch_model.bin").write_bytes(b"never fetched")
    for number in (0, 1):
        rows = pa.table({"molecule": ["C" * (number + 1)], "caption": ["The molecule is small."]})
        pq.write_table(rows, data / f"data/train-0000{number}-of-00002.parquet")
    with serve(Hub()) as hub:
        hub.add("lab/model", model, COMMIT)
        hub.add("lab/data", data, "main")
        yield hub


def study(**more: object) -> dict:
    return {
        "run": "far",
        "data": {"tests": {"one": {"source": {"kind": "hub", "id": "lab/data", "revision": "main", "split": "train"}}}},
        "initial": {"llm": {"kind": "pretrained", "id": "lab/model", "revision": COMMIT}},
        "judges": {},
    } | more


def own_cache(folder: Path, **environment: str) -> dict[str, str]:
    """The environment, without its settings of the hub, and with a cache in a folder."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return outside | {"HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"} | environment


def molmix(folder: Path, content: dict, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    words = [*arguments, "--configfile", "study.yaml"]
    settings = own_cache(folder, **environment)
    return run_command(
        "molmix of a small hub", *words, folder=folder, environment=settings, together=False, seconds=120
    )


def prefetch(folder: Path, hub: Hub, content: dict, **environment: str) -> subprocess.CompletedProcess[str]:
    return molmix(folder, content, "prefetch", HF_ENDPOINT=hub.address, **environment)


def test_nothing_to_download_is_said(tmp_path: Path) -> None:
    (tmp_path / "references.txt").write_text("A gas.\n")
    source = {"kind": "file", "path": "references.txt", "columns": {"molecule": None}}
    content = {
        "run": "near",
        "domain": "text",
        "data": {"tests": {"one": {"source": source}}},
        "systems": [{"name": "theirs", "predictions": {"one": {"path": "references.txt"}}}],
    }
    assert molmix(tmp_path, content, "prefetch").stdout.startswith("Nothing to download")


def one_message(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.count("Hint:") == 1, done.stderr
    assert all(part in done.stderr for part in parts), done.stderr


def test_what_was_fetched_is_whole_and_asked_for_once(hub: Hub, tmp_path: Path) -> None:
    first = prefetch(tmp_path, hub, study())
    assert first.returncode == 0, first.stderr
    assert f"initial.llm: lab/model at {COMMIT}" in first.stdout
    commit = hub.commits["lab/data"]["main"]
    assert f"data.tests.one: 'main' is {commit} now" in first.stdout  # a branch can move: what to pin is said
    assert not any("pytorch_model.bin" in request for request in hub.asked)
    hub.asked.clear()
    again = prefetch(tmp_path, hub, study())
    assert again.returncode == 0, again.stderr
    assert hub.asked == []


def test_a_download_that_broke_off_goes_on(hub: Hub, tmp_path: Path) -> None:
    hub.cut = {"model-00002-of-00002.safetensors": 100}
    content = study()
    one_message(prefetch(tmp_path, hub, content), "initial.llm", "broke off", "complete files are kept")
    hub.cut, hub.asked = {}, []
    offline = molmix(tmp_path, content, "prefetch", HF_ENDPOINT=hub.address, HF_HUB_OFFLINE="1")
    one_message(offline, "initial.llm", "not complete in the cache", "molmix prefetch")
    done = prefetch(tmp_path, hub, content)
    assert done.returncode == 0, done.stderr
    fetched = [request for request in hub.asked if request.startswith("GET") and "resolve" in request]
    assert [request.rpartition("/")[2] for request in fetched] == ["model-00002-of-00002.safetensors"]


def test_a_connection_that_breaks_is_taken_up_where_it_was(hub: Hub, tmp_path: Path) -> None:
    hub.cut = {"model-00001-of-00002.safetensors": 1}
    done = prefetch(tmp_path, hub, study())
    assert done.returncode == 0, done.stderr
    (shard,) = (tmp_path / "hf").rglob("snapshots/*/model-00001-of-00002.safetensors")
    assert shard.read_bytes() == (tmp_path / "repositories/model" / shard.name).read_bytes()


def test_a_gated_repository(hub: Hub, tmp_path: Path) -> None:
    hub.gated = {"lab/model"}
    one_message(prefetch(tmp_path, hub, study()), "initial.llm", "lab/model", "gated", "accept its terms", "HF_TOKEN")
    assert prefetch(tmp_path, hub, study(), HF_TOKEN="hf_right").returncode == 0


def test_a_missing_repository(hub: Hub, tmp_path: Path) -> None:
    there = {"kind": "pretrained", "id": "lab/modell", "revision": COMMIT}
    done = prefetch(tmp_path, hub, study(initial={"llm": there}))
    one_message(done, "initial.llm", "the hub has no lab/modell")
    assert "lab/data" in done.stdout  # what can be had is had all the same


def test_a_revision_that_is_gone(hub: Hub, tmp_path: Path) -> None:
    there = {"kind": "pretrained", "id": "lab/model", "revision": GONE}
    one_message(prefetch(tmp_path, hub, study(initial={"llm": there})), "initial.llm", GONE, "no such revision")


def test_no_network(hub: Hub, tmp_path: Path) -> None:
    done = molmix(tmp_path, study(), "prefetch", HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.count("http://127.0.0.1:9 cannot be reached") == 2  # the model and the data set
    assert "Traceback" not in done.stderr


def test_every_corpus_is_fetched() -> None:
    study = loading.load(Path(__file__).resolve().parents[3] / "config/druglike.yaml")
    (chebi,) = (one for one in downloads(study) if one.repository == "liupf/ChEBI-20-MM")
    assert {source.split for source in chebi.sources} == {"train", "test"}


def test_a_split_or_column_that_is_not_there(hub: Hub, tmp_path: Path) -> None:
    source = {"kind": "hub", "id": "lab/data", "revision": "main", "split": "test"}
    one_message(prefetch(tmp_path, hub, study(data={"tests": {"one": {"source": source}}})), "lab/data@main", "split")
    source = source | {"split": "train", "columns": {"caption": "captoin"}}
    done = prefetch(tmp_path, hub, study(data={"tests": {"one": {"source": source}}}))
    one_message(done, "lab/data@main", "'captoin'", "did you mean 'caption'?")


def test_all_files_of_a_data_set_are_read(hub: Hub, tmp_path: Path) -> None:
    assert prefetch(tmp_path, hub, study()).returncode == 0
    code = (
        "from molmix.data.settings import HubSource; from molmix.data.sources import read_hub\n"
        "source = HubSource(kind='hub', id='lab/data', revision='main', split='train')\n"
        "print([row['molecule'] for row in read_hub(source)])"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "['C', 'CC']"


def test_a_job_downloads_though_the_client_was_imported_for_jobs_without_a_network(hub: Hub, tmp_path: Path) -> None:
    code = (
        "from molmix.core.hub import snapshot, switch_hub_off; switch_hub_off()\n"
        "import huggingface_hub.constants\n"  # by the job server
        f"print(snapshot('initial.llm', 'lab/model', {COMMIT!r}, 'model').name)"
    )
    environment = own_cache(tmp_path, HF_ENDPOINT=hub.address)
    done = subprocess.run([sys.executable, "-c", code], env=environment, text=True, capture_output=True, check=False)
    assert done.stdout.strip() == COMMIT, done.stderr


def test_a_password_in_the_address_of_the_hub_is_not_printed(tmp_path: Path) -> None:
    done = molmix(tmp_path, study(), "prefetch", HF_ENDPOINT="http://me:se%40cret@127.0.0.1:9")
    assert done.returncode == 1 and "127.0.0.1:9 cannot be reached" in done.stderr
    assert "cret" not in done.stderr + done.stdout and "me:" not in done.stderr
