"""The NLI cache: many writers, damage, full disks, and its table."""

import logging
import multiprocessing
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from molmix.cli import app
from molmix.core.errors import MolmixError
from molmix.core.files import read_json
from molmix.core.fingerprint import code_digest, environment
from molmix.judges.nli.cache import NliCache, as_values, open_cache, pair_keys, text_digests


def keys_of(numbers: range) -> np.ndarray:
    digests = text_digests([f"atom {number}" for number in numbers])
    return pair_keys(digests, digests[::-1])


def values_of(numbers: range) -> np.ndarray:
    share = np.array(numbers) / 1000
    return as_values(np.stack([share, 1 - 2 * share, share], axis=1), np.array(numbers) % 2 == 0)


def fill(folder: Path, numbers: range) -> None:
    """Add a range of pairs, ten at a time."""
    for start in range(numbers.start, numbers.stop, 10):
        some = range(start, start + 10)
        NliCache(folder).add(keys_of(numbers)[start - numbers.start :][:10], values_of(some))


def test_keys_tell_order_and_text_apart() -> None:
    digests = text_digests(["a", "b", "c", "", "\ud800"])
    premises, hypotheses = np.divmod(np.arange(25), 5)
    keys = pair_keys(digests[premises], digests[hypotheses])
    assert len(np.unique(keys, axis=0)) == 25
    assert np.array_equal(keys, pair_keys(digests[premises], digests[hypotheses]))


def test_what_was_added_is_found(tmp_path: Path) -> None:
    fill(tmp_path / "s", range(100))
    wanted = np.concatenate([keys_of(range(100))[30:60], text_digests(["unknown"])])
    values, missing = NliCache(tmp_path / "s").lookup(wanted)
    assert missing.tolist() == [False] * 30 + [True]
    assert np.array_equal(values[:30], values_of(range(100))[30:60])
    assert not NliCache(tmp_path / "s").lookup(keys_of(range(0)))[1].size


@pytest.mark.parametrize(("engine", "code"), [("torch", "torch_forward"), ("onnx", "exported")])
def test_the_key_holds_the_code_that_answers(tmp_path: Path, engine: str, code: str) -> None:
    cache = open_cache(tmp_path, name="nli", model="0", max_length=256, dtype="float32", labels=None, engine=engine)
    cache.add(keys_of(range(3)), values_of(range(3)))
    modules = (
        "judges.nli.model",
        "judges.nli.number_format",
        "models.loading",
        "models.tokenization",
        "models.weights",
        f"judges.nli.engines.{engine}",
        f"judges.nli.{code}",
    )
    assert read_json(cache.folder / "about.json")["code"] == code_digest(*(f"molmix.{name}" for name in modules))


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert NliCache(tmp_path / "s").lookup(keys_of(range(3)))[1].all()
    NliCache(tmp_path / "s").compact()


def test_many_processes_add_at_once(tmp_path: Path) -> None:
    ranges = [range(0, 200), range(100, 300), range(100, 300), range(400, 500)]
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(fill, [tmp_path] * 4, ranges))
    for some in ranges:
        values, missing = NliCache(tmp_path).lookup(keys_of(some))
        assert not missing.any() and np.array_equal(values, values_of(some))
    assert not list(tmp_path.glob(".*"))


def read_all_the_time(folder: Path, numbers: range) -> None:
    """Look pairs up until all are there; those that are found have to be right at any moment."""
    end = time.monotonic() + 30
    missing = np.ones(1, bool)
    while missing.any():
        values, missing = NliCache(folder).lookup(keys_of(numbers))
        assert np.array_equal(values[~missing], values_of(numbers)[~missing])
        assert time.monotonic() < end


def compact_often(folder: Path, times: int) -> None:
    for _ in range(times):
        NliCache(folder).compact()


def test_nothing_is_lost_while_others_add_read_and_compact(tmp_path: Path) -> None:
    ranges = [range(0, 300), range(300, 600)]
    context = multiprocessing.get_context("fork")
    jobs = [(act, (tmp_path, some)) for some in ranges for act in (fill, read_all_the_time)]
    jobs += [(compact_often, (tmp_path, 40))] * 2
    processes = [context.Process(target=act, args=given) for act, given in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)
    for some in ranges:
        values, missing = NliCache(tmp_path).lookup(keys_of(some))
        assert not missing.any() and np.array_equal(values, values_of(some))
    assert NliCache(tmp_path).stats()["damaged"] == 0 and not list(tmp_path.glob(".*"))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[:-7],
    "cut at a record": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "flipped bit": lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    "longer": lambda data: data + data,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_and_passed_over(damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, range(20))
    victim = min(tmp_path.iterdir())
    victim.write_bytes(DAMAGE[damage](victim.read_bytes()))
    with caplog.at_level(logging.WARNING):
        values, missing = NliCache(tmp_path).lookup(keys_of(range(20)))
    assert missing.sum() == 10 and np.array_equal(values[~missing], values_of(range(20))[~missing])
    assert victim.name in caplog.text


def test_compacting_keeps_every_pair_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = NliCache(tmp_path)
    fill(tmp_path, range(100))
    store.add(keys_of(range(100))[:15], values_of(range(15)))
    (tmp_path / f"{'0' * 32}.pairs").write_bytes(b"?")
    (tmp_path / f".{'0' * 32}.pairs.abandoned.part").touch()
    os.utime(tmp_path / f".{'0' * 32}.pairs.abandoned.part", (0, 0))
    (tmp_path / f".{'0' * 32}.pairs.written.part").touch()
    assert store.stats() == {"files": 12, "damaged": 1, "pairs": 100, "repeats": 15, "bytes": 115 * 25}
    store.compact()
    assert store.stats() == {"files": 1, "damaged": 0, "pairs": 100, "repeats": 0, "bytes": 2500}
    assert [path.name for path in tmp_path.glob(".*")] == [f".{'0' * 32}.pairs.written.part"]
    monkeypatch.setattr("molmix.judges.nli.cache._PIECE", 30)
    for _ in range(2):
        store.compact()
        assert store.stats() == {"files": 4, "damaged": 0, "pairs": 100, "repeats": 0, "bytes": 2500}
    values, missing = store.lookup(keys_of(range(100)))
    assert not missing.any() and np.array_equal(values, values_of(range(100)))


def test_a_reader_misses_nothing_while_the_store_is_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, range(50))
    read = Path.read_bytes

    def compact_first(path: Path) -> bytes:
        monkeypatch.setattr(Path, "read_bytes", read)
        NliCache(tmp_path).compact()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", compact_first)
    assert not NliCache(tmp_path).lookup(keys_of(range(50)))[1].any()


# ---- full disks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_named_and_loses_nothing(small_disk: Path) -> None:
    store = NliCache(small_disk / "s")
    fill(small_disk / "s", range(50))
    many = range(20_000)
    with pytest.raises(MolmixError, match=rf"{store.folder}: cannot take 20000 more pairs \(No space left.*\n.*Hint"):
        store.add(keys_of(many), values_of(many))
    assert not list((small_disk / "s").glob(".*"))
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    with pytest.raises(MolmixError, match="No space left"):
        store.compact()
    (small_disk / "ballast").unlink()
    assert store.stats()["pairs"] == 50 and store.stats()["files"] == 5
    fill(small_disk / "s", range(50, 60))


def test_a_file_larger_than_is_allowed_is_named(tmp_path: Path) -> None:
    store = NliCache(tmp_path)
    fill(tmp_path, range(10))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(MolmixError, match="cannot take 200 more pairs"):
            store.add(keys_of(range(200)), values_of(range(200)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.stats()["pairs"] == 10


# ---- what is told of it --------------------------------------------------------------------------------------------


SETTINGS = {"name": "org/nli@1a2b", "model": "0123456789abcdef", "max_length": 256, "dtype": "float32", "labels": None}


@pytest.mark.parametrize(
    "change", [{"model": "f"}, {"max_length": 128}, {"dtype": "bfloat16"}, {"labels": ["neutral", "entailment"]}]
)
def test_what_an_answer_depends_on_separates_stores(change: dict, tmp_path: Path) -> None:
    stores = [open_cache(tmp_path, **settings) for settings in (SETTINGS, SETTINGS | change)]
    stores[0].add(keys_of(range(5)), values_of(range(5)))
    assert stores[1].lookup(keys_of(range(5)))[1].all()


@pytest.mark.parametrize("change", ["code", "packages", "device"])
def test_another_environment_begins_another_cache(change: str, tmp_path: Path, monkeypatch) -> None:
    open_cache(tmp_path, **SETTINGS).add(keys_of(range(5)), values_of(range(5)))
    assert not open_cache(tmp_path, **SETTINGS).lookup(keys_of(range(5)))[1].any()
    monkeypatch.setattr("molmix.judges.nli.cache.environment", lambda **given: environment(**given) | {change: "other"})
    assert open_cache(tmp_path, **SETTINGS).lookup(keys_of(range(5)))[1].all()


def test_the_table_names_every_store(tmp_path: Path) -> None:
    one = open_cache(tmp_path, **SETTINGS)
    one.add(keys_of(range(10)), values_of(range(10)))
    one.add(keys_of(range(10))[:4], values_of(range(4)))
    assert read_json(one.folder / "about.json")["model"] == "org/nli@1a2b"
    other = open_cache(tmp_path, **SETTINGS | {"dtype": "bfloat16"})
    other.add(keys_of(range(3)), values_of(range(3)))
    (other.folder / "about.json").write_text("{")
    (other.folder / f"{'0' * 32}.pairs").write_bytes(b"x")

    def shown(*arguments: str) -> list[list[str]]:
        answer = CliRunner().invoke(app, ["store", str(tmp_path), *arguments])
        assert answer.exit_code == 0
        return [line.split() for line in answer.stdout.splitlines()]

    head, *rows = shown()
    assert head == ["model", "engine", "dtype", "cut-off", "files", "damaged", "pairs", "repeats", "bytes", "folder"]
    assert sorted(rows) == [
        ["?", "?", "?", "?", "2", "1", "3", "0", "75", other.folder.name],
        ["org/nli@1a2b", "torch", "float32", "256", "2", "0", "10", "4", "350", one.folder.name],
    ]
    head, *rows = shown("--compact")
    assert sorted(row[4:9] for row in rows) == [["1", "0", "10", "0", "250"], ["1", "0", "3", "0", "75"]]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["store", str(tmp_path / "nowhere")])
    assert isinstance(answer.exception, MolmixError) and "nowhere" in str(answer.exception)


def test_compacting_leaves_files_of_others_alone(tmp_path: Path) -> None:
    fill(tmp_path, range(30))
    others = ["rhymes.pairs", ".rhymes.pairs.abc.part", ".thesis.part", f"{'g' * 32}.pairs"]
    left = f".{'0' * 32}.pairs.x1_b.part"
    for name in [*others, left]:
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (0, 0))
    store = NliCache(tmp_path)
    assert (store.stats()["files"], store.stats()["damaged"]) == (3, 0)
    store.compact()
    assert all((tmp_path / name).exists() for name in others) and not (tmp_path / left).exists()
    assert store.stats()["files"] == 1 and not store.lookup(keys_of(range(30)))[1].any()
