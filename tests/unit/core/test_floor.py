"""The common floor: files written whole, mistakes told in one message, no heavy import where none is needed."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import MARK, read_json, read_table, replace_folder, write_atomically, write_json, write_table
from molmix.core.gpus import check_gpus
from molmix.core.temporary import temporary_folder
from molmix.models.manifests import weights_path, write_manifest
from molmix.models.pretrained import fetch

ROOT = Path(__file__).resolve().parents[3]


# ---- files ----------------------------------------------------------------------------------------------------


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


def test_a_file_that_somebody_added_to_a_folder_of_molmix_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        with replace_folder(tmp_path / "explorer") as part:
            (part / "index.html").touch()
    (tmp_path / "explorer/notes.txt").write_text("mine")
    with (
        pytest.raises(MolmixError, match=r"explorer: holds files that molmix did not write there \('notes\.txt'\)"),
        replace_folder(tmp_path / "explorer"),
    ):
        pass
    assert (tmp_path / "explorer/notes.txt").read_text() == "mine"


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
    """A bit turned over in every byte, a block of zeros at several places, and the file cut short there."""
    for place in range(len(data)):
        yield data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
    for place in range(0, len(data), max(1, len(data) // 10)):
        yield data[:place] + bytes(len(data[place : place + 64])) + data[place + 64 :]
        yield data[:place]


def test_damage_to_any_byte_of_a_table_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path, pa.table({"id": ["a", "b"], "score": [0.5, None], "facts": [["x", "y"], []]}))
    sound, refused = path.read_bytes(), 0
    whole = read_table(path)
    for data in damages(sound):
        path.write_bytes(data)
        try:
            assert read_table(path).equals(whole)  # a seal that looks like none, over sound data
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


def test_tables_of_others_have_no_seal_and_are_read(tmp_path: Path) -> None:
    table = pa.table({"id": ["a"]})
    pq.write_table(table, tmp_path / "theirs.parquet")
    assert read_table(tmp_path / "theirs.parquet").equals(table)


def test_a_seal_does_not_live_on_in_what_is_made_from_its_table(tmp_path: Path) -> None:
    write_table(tmp_path / "a", pa.table({"id": ["a"]}))
    write_table(tmp_path / "b", read_table(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_table(tmp_path / "b").schema.metadata is None


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


def test_no_rows_still_make_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "t", [], pa.schema([("id", pa.string())]))
    assert read_table(tmp_path / "t").column_names == ["id"]


# ---- jobs -----------------------------------------------------------------------------------------------------


def run_job(folder: Path, body: str, resources: str = "{}") -> tuple[subprocess.CompletedProcess[str], str]:
    """Run some lines as a workflow job; returns what became of it, and its log."""
    code = "\n".join(
        [
            "from types import SimpleNamespace",
            "from molmix.pipeline.job import job",
            "from molmix.core.errors import fault",
            "INPUT = ['results/a', 'results/folder', 'results/gone', 'theirs']",
            f"RESOURCES = {resources}",
            "OWN = {'rule': 'align', 'wildcards': {}, 'params': {}}",
            "with job(SimpleNamespace(threads=1, log=['logs/x.log'], input=INPUT, resources=RESOURCES, **OWN)):",
            *(f"    {line}" for line in body.splitlines()),
        ]
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, text=True, capture_output=True, check=False)
    return done, (folder / "logs/x.log").read_text()


def test_chatter_goes_to_the_log(tmp_path: Path) -> None:
    done, log = run_job(tmp_path, "print('loading')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert log == "loading\n"


def test_results_from_the_future_are_dated_back_and_files_of_others_are_not(tmp_path: Path) -> None:
    future = time.time() + 1000
    places = ["results/a", "results/folder/.snakemake_timestamp", "theirs"]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
        os.utime(tmp_path / place, (future, future))
    run_job(tmp_path, "pass")
    assert [(tmp_path / place).stat().st_mtime < future - 500 for place in places] == [True, True, False]


def test_a_mistake_of_the_users_is_one_message(tmp_path: Path) -> None:
    done, log = run_job(tmp_path, "raise fault('data.tsv, row 3', 'the caption is empty', 'fill it in')")
    assert done.returncode == 1
    assert done.stderr == "molmix align: data.tsv, row 3: the caption is empty\n  Hint: fill it in\n"
    assert "Traceback" not in log and "row 3" in log


def test_an_unexpected_error_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    done, log = run_job(tmp_path, "1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr and "logs/x.log" in done.stderr and "Traceback" not in done.stderr
    assert "Traceback" in log


def test_a_job_without_its_gpus_says_so_before_it_works(tmp_path: Path) -> None:
    done, log = run_job(tmp_path, "print('loading')", "{'gpu': 64, 'gpu_memory_mb': 40000}")
    assert done.returncode == 1
    assert "hardware.gpus: asks for 64 GPU(s), and PyTorch finds" in done.stderr and "gpu_partition" in done.stderr
    assert "loading" not in log


def test_a_gpu_with_too_little_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    card = SimpleNamespace(name="T4", total_memory=15_800_000_000)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: card)
    check_gpus(2, 15_000)
    with pytest.raises(MolmixError, match=r"gpu_memory_gb: asks for 40 GB, and GPU 0 \(T4\) has 15.8 GB"):
        check_gpus(2, 40_000)


def test_a_full_disk_says_so(tmp_path: Path) -> None:
    done, _ = run_job(tmp_path, "open('/dev/full', 'w').write('x' * 10**6)")
    assert done.returncode == 1
    assert "the disk is full" in done.stderr and "run it again" in done.stderr


# ---- imports --------------------------------------------------------------------------------------------------

HEAVY = ("torch", "transformers", "trl", "mergekit")
LIGHT = {
    "the parse of the Snakefile": (
        "molmix.pipeline.model_table, molmix.data.sources, molmix.pipeline.plan.shapes",
        (*HEAVY, "pandas"),
    ),
    "world.py": ("molmix.data.synthetic.corpus", HEAVY),
    "corpus.py": ("molmix.data.corpus", (*HEAVY, "pandas")),
    "pairs.py": ("molmix.data.preferences", (*HEAVY, "pandas")),
    "generate.py with a full cache": ("molmix.generation.generate", (*HEAVY, "pandas")),
    "decompose.py": ("molmix.judges.decompose", (*HEAVY, "pandas")),
    "nli.py with a full store": ("molmix.judges.nli.inference", (*HEAVY, "pandas")),
    "score.py": (
        "molmix.metrics.score, molmix.metrics.families.captions, molmix.metrics.families.judges, "
        "molmix.metrics.families.molecules",
        HEAVY,
    ),
    "comparisons.py": ("molmix.analysis.comparison.compare", HEAVY),
    "leaderboard.py": ("molmix.analysis.leaderboard", HEAVY),
    "the command line": ("molmix.cli", (*HEAVY, "pandas")),
}


@pytest.mark.parametrize(("modules", "heavy"), LIGHT.values(), ids=LIGHT)
def test_scripts_that_need_no_torch_do_not_import_it(modules: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {modules}; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- pretrained models ----------------------------------------------------------------------------------------


def test_a_local_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match=r"holds no config\.json"):
        fetch(model_id="m", kind="initial", source=str(tmp_path), revision=None, manifest=tmp_path / "m.json")


def test_a_hub_id_without_revision_or_network(tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match="no local folder"):
        fetch(model_id="m", kind="initial", source="some/model", revision=None, manifest=tmp_path / "m.json")


# ---- environments ---------------------------------------------------------------------------------------------


def test_environments_hold_the_locks_pins() -> None:
    sys.path.insert(0, str(ROOT / "envs"))
    import split

    for name, content in split.environments().items():
        assert (ROOT / "envs" / name).read_text() == content, "run `make docs`"
    lock = set((ROOT / "requirements.lock").read_text().splitlines())
    pins = {line.strip(" -") for line in (ROOT / "envs/models.yaml").read_text().splitlines() if "==" in line}
    assert pins and pins <= lock
