"""Which files a model is read from, and what is refused before a number of it is read."""

import json
import os
from pathlib import Path

import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import MARK, replace_folder
from molmix.models import loading, sizes
from molmix.models.loading import check_memory
from molmix.models.weights import Weights, check_weights, files_stamp, weight_files, weights_digest


def write_header(path: Path, **shapes: list[int]) -> Path:
    """A safetensors file that has a header and no numbers."""
    entries = {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    text = json.dumps(entries | {"__metadata__": {"format": "pt"}}).encode()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    return path


def write_index(folder: Path, **shards: str) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


def write_shards(folder: Path) -> list[Path]:
    """Two shards of one tensor each, and their index."""
    shards = [folder / f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    write_header(shards[0], a=[10**7, 10**6])
    write_header(shards[1], b=[10**6])
    write_index(folder, a=shards[0].name, b=shards[1].name)
    return shards


# ---- which files ----------------------------------------------------------------------------------------------


def test_the_shards_of_the_index_are_read_and_no_other_file(tmp_path: Path) -> None:
    shards = write_shards(tmp_path)
    write_header(tmp_path / "consolidated.safetensors", a=[10**7, 10**6], b=[10**6])  # as Mistral publishes them
    assert weight_files(tmp_path) == shards
    assert Weights(tmp_path).parameters == 10**13 + 10**6  # each number once


def test_a_plan_counts_the_bytes_that_are_read(tmp_path: Path) -> None:
    shards = write_shards(tmp_path)
    write_header(tmp_path / "consolidated.safetensors", a=[10**7, 10**6], b=[10**6])
    (tmp_path / "config.json").write_text("{}")
    shape = sizes.pretrained(str(tmp_path), None)
    assert shape and shape.cached and shape.stored == sum(path.stat().st_size for path in shards)
    shards[0].unlink()
    assert sizes.pretrained(str(tmp_path), None) is None  # not whole


def test_an_index_may_name_the_single_file(tmp_path: Path) -> None:
    single = write_header(tmp_path / "model.safetensors", a=[2, 3])
    write_index(tmp_path, a=single.name)
    assert weight_files(tmp_path) == [single]


@pytest.mark.parametrize("index", [True, False])
def test_a_single_file_and_shards_are_two_models(tmp_path: Path, index: bool) -> None:
    write_shards(tmp_path)
    write_header(tmp_path / "model.safetensors", a=[2])
    if not index:
        (tmp_path / "model.safetensors.index.json").unlink()
    with pytest.raises(MolmixError, match=r"holds two sets of weights: .*model"):
        weight_files(tmp_path)


def test_an_adapter_beside_full_weights_is_refused(tmp_path: Path) -> None:
    """transformers would put it on them, a merge would not."""
    write_header(tmp_path / "model.safetensors", a=[2])
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(MolmixError, match=r"adapter_config\.json lies beside full weights"):
        weight_files(tmp_path)


@pytest.mark.parametrize("name", ["../x.safetensors", "/tmp/x.safetensors", "a/x.safetensors", "x.bin", 5])
def test_a_shard_lies_beside_its_index(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    write_header(tmp_path / "x.safetensors", a=[2])
    write_shards(folder)
    write_index(folder, a=name)
    with pytest.raises(MolmixError, match="which is no safetensors file beside it"):
        weight_files(folder)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path)[1].unlink()
    with pytest.raises(MolmixError, match=r"lacks 1 of 2 shards, model-00002-of-00002.safetensors the first"):
        weight_files(tmp_path)


@pytest.mark.parametrize("content", [b"\xff" * 20, b"", b"\x02\0\0\0\0\0\0\0[]", b"\x08\0\0\0\0\0\0\0" + b'{"a":{}}'])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(MolmixError, match=r"model\.safetensors: cannot be read as safetensors"):
        Weights(tmp_path)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_header(tmp_path / "model.safetensors", a=[2])
    path.write_bytes(path.read_bytes().replace(b"[0, 0]", b"[0, 8]"))
    with pytest.raises(MolmixError, match=r"cannot be read as safetensors .*header tells of"):
        Weights(tmp_path)


def test_a_tensor_that_two_shards_hold_is_refused(tmp_path: Path) -> None:
    write_header(write_shards(tmp_path)[1], a=[1])
    with pytest.raises(MolmixError, match=r"holds the tensor a, which model-00001-of-00002.safetensors holds too"):
        Weights(tmp_path)


@pytest.mark.parametrize("config", ["[]", "{", None])
def test_a_folder_without_a_config_is_no_model(tmp_path: Path, config: str | None) -> None:
    write_header(tmp_path / "model.safetensors", a=[2])
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(MolmixError, match=r"config\.json"):
        check_weights(tmp_path)


# ---- memory ---------------------------------------------------------------------------------------------------


def test_weights_that_do_not_fit_are_refused_by_their_headers(tmp_path: Path) -> None:
    write_shards(tmp_path)
    with pytest.raises(MolmixError, match=r"needs 20000\.0 GB .* GB are free \(cpu\)"):
        check_memory(tmp_path, 2, "cpu")


@pytest.mark.parametrize(("free", "fits"), [(400, True), (399, False), (None, True)])
def test_weights_fit_where_their_bytes_are_free(tmp_path: Path, monkeypatch, free: int | None, fits: bool) -> None:
    write_header(tmp_path / "model.safetensors", a=[10, 10])
    monkeypatch.setattr(loading, "_free_memory", lambda device: free)
    if fits:
        check_memory(tmp_path, 4, "cpu")
    else:
        with pytest.raises(MolmixError, match=r"needs 0.0 GB"):
            check_memory(tmp_path, 4, "cpu")


# ---- the digest -----------------------------------------------------------------------------------------------

READ = ["chat_template.jinja", "vocab.txt", "merges.txt", "spiece.model", "qwen.tiktoken", "source.spm", "bpe.codes"]
READ += ["additional_chat_templates/rag.jinja", "config.json", "model.safetensors"]


@pytest.mark.parametrize("name", READ)
def test_the_digest_and_the_stamp_hold_every_file_that_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    digests, stamps = {weights_digest(tmp_path)}, {files_stamp(tmp_path)}
    for text in ("one", "two"):
        path.write_text(text)
        digests.add(weights_digest(tmp_path))
        stamps.add(files_stamp(tmp_path))
    assert len(digests) == len(stamps) == 3


def test_the_digest_leaves_out_what_no_model_is_read_from(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = weights_digest(tmp_path)
    for name in ("README.md", "LICENSE", "training_args.bin", ".gitattributes", "checkpoint-3/model.safetensors", MARK):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    assert weights_digest(tmp_path) == before
    with replace_folder(tmp_path / "made") as part:
        (part / "config.json").write_text("{}")
    assert (tmp_path / "made" / MARK).exists() and weights_digest(tmp_path / "made") == before


def test_the_stamp_notices_weights_that_were_edited_in_place(tmp_path: Path) -> None:
    """Their size and their time are those of before."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"0000")
    stat, before = path.stat(), files_stamp(tmp_path)
    with path.open("r+b") as stream:
        stream.write(b"1111")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_mtime_ns == stat.st_mtime_ns and path.stat().st_size == stat.st_size
    assert files_stamp(tmp_path) != before
