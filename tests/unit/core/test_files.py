"""Files and folders: written whole or not at all, damage is noticed, foreign files are kept."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import MARK, read_json, read_table, replace_folder, write_atomically, write_json, write_table
from molmix.core.temporary import temporary_folder


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    write_json(path, {"n": 1})
    with pytest.raises(RuntimeError), write_atomically(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"n": 1}
    assert [p.name for p in path.parent.iterdir()] == ["b.json"]


def test_files_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
        with replace_folder(tmp_path / "f") as part:
            (part / "private").write_text("x")
            (part / "private").chmod(0o600)
    finally:
        os.umask(old)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "f" / "private").stat().st_mode & 0o777 == 0o640


def listed(folder: Path) -> set[str]:
    """Names of what a folder holds, but for the mark."""
    return {path.name for path in folder.iterdir()} - {MARK}


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    with replace_folder(folder) as part:
        (part / "old").touch()
    with pytest.raises(RuntimeError), replace_folder(folder) as part:
        (part / "new").touch()
        raise RuntimeError
    assert listed(folder) == {"old"}
    with replace_folder(folder) as part:
        (part / "new").touch()
    assert listed(folder) == {"new"}
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]


def test_a_folder_that_molmix_did_not_make_is_never_replaced(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/thesis.tex").write_text("years")
    monkeypatch.chdir(tmp_path / "thesis")
    for path in (tmp_path / "thesis", Path(), Path(".."), Path("thesis.tex")):
        with pytest.raises(MolmixError, match="name another folder"), replace_folder(path):
            raise AssertionError("refused before any work is done")
    assert (tmp_path / "thesis/thesis.tex").read_text() == "years"
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "thesis.tex"]


def test_a_file_that_somebody_added_to_a_folder_below_is_kept(tmp_path: Path) -> None:
    folder, notes = tmp_path / "explorer", tmp_path / "explorer/data/notes.txt"
    for _ in range(2):
        with replace_folder(folder) as part:
            (part / "data").mkdir()
            (part / "data/index.js").touch()
    notes.write_text("mine")
    with pytest.raises(MolmixError, match=r"data/notes\.txt"), replace_folder(folder):
        raise AssertionError("refused before any work is done")
    (folder / MARK).write_text('"data"\n')  # of an earlier version
    with replace_folder(folder):
        pass
    assert not notes.exists()


def test_a_file_that_somebody_added_to_a_folder_of_molmix_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        with replace_folder(tmp_path / "explorer") as part:
            (part / "index.html").touch()
    (tmp_path / "explorer/data").mkdir()
    (tmp_path / "explorer/data/notes.txt").write_text("mine")
    with (
        pytest.raises(
            MolmixError, match=r"explorer: holds files that molmix did not write there \('data/notes\.txt'\)"
        ),
        replace_folder(tmp_path / "explorer"),
    ):
        pass
    assert (tmp_path / "explorer/data/notes.txt").read_text() == "mine"


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "weights").symlink_to(tmp_path / "disk")
    for name in ("old", "new"):
        with replace_folder(tmp_path / "weights") as part:
            (part / name).touch()
    assert (tmp_path / "weights").is_symlink() and listed(tmp_path / "disk") == {"new"}


def test_an_empty_folder_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RuntimeError), temporary_folder(tmp_path / "empty", "work"):
        raise RuntimeError
    with pytest.raises(RuntimeError), temporary_folder(tmp_path / "made", "work"):
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_two_jobs_that_make_one_folder_do_not_meet_in_it(tmp_path: Path) -> None:
    """The other one, a process of its own, makes the same at the same time, and both end well."""
    other = f"""
import sys
from pathlib import Path
from molmix.core.files import replace_folder
with replace_folder(Path({str(tmp_path / "weights")!r})) as part:
    (part / "one").write_text("same")
    print("begun", flush=True)
    sys.stdin.readline()
    (part / "two").write_text("same")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", other], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    )
    assert process.stdout.readline() == "begun\n"
    with replace_folder(tmp_path / "weights") as part:
        for name in ("one", "two"):
            (part / name).write_text("same")
    assert listed(tmp_path / "weights") == {"one", "two"}
    process.communicate("go on\n")
    assert process.returncode == 0
    assert listed(tmp_path / "weights") == {"one", "two"}
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_what_a_killed_job_left_is_cleared_away_and_what_another_machine_works_in_is_not(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    mine = socket.gethostname()
    left = [f".weights.{mine}-{gone.pid}.part", ".weights.elsewhere-7.part"]
    theirs = [f".weights.{mine}-{os.getppid()}.part", ".weights.there-7.part", f".weights.other.{mine}-x.part"]
    for name in left + theirs:
        (tmp_path / name).mkdir()
        if name in left[1:]:
            os.utime(tmp_path / name, (0, 0))
    with replace_folder(tmp_path / "weights"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"weights", *theirs}


def test_the_same_facts_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_json(tmp_path / name, {"x": 1.0, "y": "ü"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("reader", "content"), [(read_json, b"{"), (read_table, b"PAR1"), (read_json, b"\xff")])
def test_damaged_files_are_named_with_the_mend(tmp_path: Path, reader, content) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(MolmixError, match="add `--forcerun "):
        reader(tmp_path / "x")


def damages(data: bytes) -> Iterator[bytes]:
    """A bit turned over in every byte, a block of zeros at several offsets, and the file cut short there."""
    for offset in range(len(data)):
        yield data[:offset] + bytes([data[offset] ^ 1 << offset % 8]) + data[offset + 1 :]
    for offset in range(0, len(data), max(1, len(data) // 10)):
        yield data[:offset] + bytes(len(data[offset : offset + 64])) + data[offset + 64 :]
        yield data[:offset]


def test_damage_to_any_byte_of_a_table_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, pa.table({"id": ["a", "b"], "score": [0.5, None], "facts": [["x", "y"], []]}))
    sound, refused = path.read_bytes(), 0
    whole = read_table(path)
    for data in damages(sound):
        path.write_bytes(data)
        try:
            assert read_table(path).equals(whole)  # a checksum that no longer looks like one, over sound data
        except MolmixError as error:
            refused += str(path) in str(error) and "add `--forcerun " in str(error)
    assert refused > 0.95 * len(sound)


def test_damage_to_any_byte_of_a_manifest_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    facts = {"id": "m", "steps": 12, "loss": 0.25, "weights": {"digest": "00ff"}, "parents": ["é"]}
    write_json(path, facts, checksum=True)
    sound, refused = path.read_bytes(), 0
    assert read_json(path) == facts
    for data in damages(sound):
        path.write_bytes(data)
        try:
            assert {name: value for name, value in read_json(path).items() if name in facts} == facts
        except MolmixError as error:
            refused += str(path) in str(error) and "add `--forcerun " in str(error)
    assert refused > 0.8 * len(sound)


def test_tables_of_others_have_no_checksum_and_are_read(tmp_path: Path) -> None:
    table = pa.table({"id": ["a"]})
    pq.write_table(table, tmp_path / "theirs.parquet")
    assert read_table(tmp_path / "theirs.parquet").equals(table)


def test_a_process_that_read_a_table_ends_without_a_crash(tmp_path: Path) -> None:
    """Threads of Arrow free what they read late. Here they are so slow that they do it while Python ends.

    Memory that belongs to a Python object cannot be freed then: with it, the process ended by SIGABRT.
    """
    path = tmp_path / "table.parquet"
    write_table(path, pa.table({column: [1, 2] for column in "abcdefgh"}))
    code = f"""
import os, sys, time
import pyarrow.parquet as pq
from molmix.core.files import read_table

class Slow:
    def __del__(self):
        time.sleep(0.1)  # Python ends, and threads that wait for it go on

os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
pq.ParquetFile({str(path)!r}).read()  # starts the threads
for thread in map(int, os.listdir("/proc/self/task")):
    if thread != os.getpid():
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
sys.modules["slow"] = Slow()
sys.setswitchinterval(1000)
read_table({str(path)!r})
end = time.monotonic() + 0.1
while time.monotonic() < end:  # the threads come to what they free, and wait for Python
    pass
"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_checksum_does_not_live_on_in_what_is_made_from_its_table(tmp_path: Path) -> None:
    write_table(tmp_path / "a", pa.table({"id": ["a"]}))
    write_table(tmp_path / "b", read_table(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_table(tmp_path / "b").schema.metadata is None


def test_no_rows_still_make_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "t", [], pa.schema([("id", pa.string())]))
    assert read_table(tmp_path / "t").column_names == ["id"]
