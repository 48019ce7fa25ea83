"""Bad input as a person meets it: one message of `snakemake`, no traceback, no job, no change to an earlier result."""

import copy
from pathlib import Path
from typing import Any

import pytest

from molmix.config.loading import read_yaml
from molmix.core.errors import MolmixError
from molmix.pipeline.setup import ready
from molmix.pipeline.status.graph import jobs
from tests.badinput.studies import BASE, write_files
from tests.graph.conftest import snakemake  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow


def study(**changes: Any) -> dict[str, Any]:
    """The study with some sections replaced."""
    return copy.deepcopy(BASE) | changes


def of_file(path: str) -> dict[str, Any]:
    """Sections of a study whose one test set is a file."""
    source = {"kind": "file", "path": path, "columns": {"molecule": "SMILES", "caption": "description"}}
    return {"data": BASE["data"] | {"tests": {"t": {"source": source}}}, "systems": []}


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "key": ({"algn": {}}, ["algn: unknown key", "did you mean 'align'?"]),
    "value": ({"seeds": [-1]}, ["seeds.0: -1 is refused"]),
    "infinity": ({"statistics": {"level": float("inf")}}, ["statistics.level: inf is refused", "finite"]),
    "name": ({"run": "../../up"}, ["run: '../../up' is no safe name"]),
    "shared folder": ({"run": "store"}, ["run: 'store'", "something else"]),
    "terminal": ({"run": "\x1b[31mred"}, ["run: '\\x1b[31mred' is no safe name"]),
    "key in an address": (
        {"decomposers": {"llm": {"backend": "openai", "base_url": "http://u:hunter2@h/v1", "model": "m"}}},
        ["decomposers.llm.base_url", "without a user"],
    ),
    "encoding": (of_file("latin.tsv"), ["latin.tsv, line 3", "is not UTF-8"]),
    "row": (of_file("ragged.tsv"), ["ragged.tsv, row 2", "3 fields"]),
    "blank": (of_file("blank.tsv"), ["blank.tsv, row 1: the caption is ''"]),
    "archive": (of_file("cut.tsv.gz"), ["cut.tsv.gz", "cannot be read"]),
    "braces": (of_file("{x}.tsv"), ["data.tests.t.source.path", "braces"]),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with good files, bad files and an earlier result."""
    write_files(tmp_path)
    head = b"SMILES\tdescription\n"
    (tmp_path / "latin.tsv").write_bytes(head + b"C\tA gas.\nCC\t" + "é\n".encode("latin-1"))
    (tmp_path / "ragged.tsv").write_bytes(head + b"C\tA gas.\nCC\tA\tgas.\n")
    (tmp_path / "blank.tsv").write_bytes(head + b"C\t\n")
    (tmp_path / "cut.tsv.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (tmp_path / "results/base/tables").mkdir(parents=True)
    (tmp_path / "results/base/tables/leaderboard.csv").write_text("model\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listing(folder: Path) -> dict[str, int]:
    """Files and their times."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if ".snakemake" not in path.parts}


@pytest.mark.parametrize(("changes", "expected"), REFUSED.values(), ids=REFUSED)
def test_the_command_refuses_in_one_message(changes, expected, folder: Path, snakemake) -> None:  # noqa: F811
    (folder / "study.yaml").touch()
    before = listing(folder / "results")
    done = snakemake(folder, study=study(**changes))
    assert done.returncode != 0
    assert "Traceback" not in done.stdout and "hunter2" not in done.stdout and "\x1b[31mred" not in done.stdout
    assert all(part in done.stdout for part in expected), done.stdout
    assert done.stdout.count("Hint: ") == 1
    assert listing(folder / "results") == before and not (folder / "logs").exists()


def test_a_run_without_the_key_of_a_server_stops_before_its_first_job(folder: Path, snakemake) -> None:  # noqa: F811
    server = {"kind": "llm", "base_url": "http://localhost:1/v1", "model": "m", "key_variable": "NO_SUCH_KEY"}
    changes = study(judges=BASE["judges"] | {"mine": server})
    before = listing(folder / "results")
    done = snakemake(folder, study=changes)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "judges.mine.key_variable: the environment variable NO_SUCH_KEY holds no key" in done.stdout
    assert done.stdout.count("Hint: ") == 1
    assert listing(folder / "results") == before and not (folder / "logs").exists()
    assert snakemake(folder, "-n", study=changes).returncode == 0


ACCEPTED: dict[str, dict[str, Any]] = {
    "as it is": {},
    "no judges": {"judges": {}},
    "one seed": {"seeds": [2**32 - 1]},
    "no merges": {"merge": {}, "align": {"sft": {"method": "sft", "starts": ["mol2cap"]}}, "universal": {}},
    "systems alone": {
        "data": {"tests": {"mine": BASE["data"]["tests"]["mine"]}},
        "initial": {},
        "universal": {},
        "preferences": None,
        "align": {},
        "merge": {},
        "systems": [{"name": "s", "predictions": {"mine": {"path": "a 'b' & $(touch pwned).txt"}}}],
    },
    "names of one letter": {
        "run": "r",
        "initial": {"agnostic": BASE["initial"]["agnostic"], "mol2cap": {"kind": "made", "task": "mol2cap"}},
        "universal": {},
        "align": {name: spec | {"starts": ["mol2cap"]} for name, spec in BASE["align"].items()},
    },
    "null where it may stand": {"data": BASE["data"] | {"validation": None}, "metrics": {"vocabulary": None}},
    "text": {"domain": "text"},
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_what_is_accepted_makes_a_plan(changes: dict[str, Any], folder: Path) -> None:
    import yaml

    (folder / "a 'b' & $(touch pwned).txt").write_text("A gas.\n" * 3)
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study(**changes), sort_keys=False))
    _, table = ready(read_yaml(path), [path], read_files=True)
    planned = jobs(path, [])
    assert {job.name for job in planned if job.rule == "score"} == set(table)
    assert all(".." not in output for job in planned for output in job.outputs)
    assert not list(folder.rglob("pwned"))


@pytest.mark.parametrize("text", [None, b"\xff\xfe", b"run: \xe9"], ids=["missing", "UTF-16", "latin-1"])
def test_what_snakemake_cannot_read_itself(text: bytes | None, folder: Path) -> None:
    """Snakemake reads the file first and has only its own words for it; `molmix models` says what is wrong."""
    from typer.testing import CliRunner

    from molmix.cli import app

    if text is not None:
        (folder / "odd.yaml").write_bytes(text)
    done = CliRunner().invoke(app, ["models", "--configfile", "odd.yaml"])
    assert isinstance(done.exception, MolmixError) and "odd.yaml" in str(done.exception)
