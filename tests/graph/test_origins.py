"""A table is never made from results of other settings or files, whatever Snakemake knows of them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.commands import SNAKEFILE, run_command

pytestmark = pytest.mark.slow
MOLECULES = ("CCO", "CCN", "CCC", "CCCl")
STUDY = {
    "run": "r",
    "data": {"tests": {"t": {"source": {"kind": "file", "path": "t.tsv"}, "direction": "cap2mol"}}},
    "systems": [{"name": name, "predictions": {"t": {"path": f"{name}.txt"}}} for name in ("a", "b")],
}
TABLES = Path("results/r/tables")


@pytest.fixture(scope="module", autouse=True)
def one_job_server(job_server: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in job_server.items():
            patch.setenv(name, value)
        yield


def snakemake(folder: Path, *arguments: str, done: bool) -> str:
    """What a run prints; it ends well, or not."""
    words = ("tables", *SNAKEFILE, "--cores", "1", "--configfile", "study.yaml", *arguments)
    found = run_command("snakemake", *words, folder=folder)
    assert (found.returncode == 0) is done, found.stdout
    return found.stdout


def configure(folder: Path, unparsable: str = "drop") -> None:
    study = STUDY | {"data": STUDY["data"] | {"unparsable": unparsable}}  # type: ignore[operator]
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two systems that write molecules."""
    folder = tmp_path_factory.mktemp("run")
    configure(folder)
    (folder / "t.tsv").write_text("molecule\tcaption\n" + "".join(f"{one}\tIt is {one}.\n" for one in MOLECULES))
    (folder / "a.txt").write_text("\n".join(MOLECULES) + "\n")
    (folder / "b.txt").write_text("\n".join(reversed(MOLECULES)) + "\n")
    snakemake(folder, done=True)
    return folder


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    """The run, copied as people copy results: without Snakemake's records."""
    shutil.copytree(original, tmp_path / "copy", ignore=shutil.ignore_patterns(".snakemake"))
    return tmp_path / "copy"


def test_a_copy_with_another_setting_is_refused(copy: Path) -> None:
    assert "Nothing to be done" in snakemake(copy, "-n", done=True)
    configure(copy, unparsable="keep")
    for arguments in (["-n"], []):
        said = snakemake(copy, *arguments, done=False)
        assert "was made by corpus() with settings that are not today's" in said and "--forcerun results/r/data" in said
    # The hint is right: the same command with it makes the table anew.
    snakemake(copy, "--forcerun", "results/r/data/tests/t.parquet", done=True)
    assert "Nothing to be done" in snakemake(copy, "-n", done=True)


def test_a_table_over_captions_of_others_is_refused(copy: Path) -> None:
    answers = copy / "results/r/predictions"
    shutil.copy(answers / "a/t.parquet", answers / "b/t.parquet")
    os.utime(answers / "b/t.parquet", (0, 0))
    (copy / TABLES / "leaderboard.csv").unlink()
    said = snakemake(copy, done=False)
    assert "scores/b/t.parquet: was made from another results/r/predictions/b/t.parquet" in said
    assert not (copy / TABLES / "leaderboard.csv").exists()


def test_a_source_that_was_replaced_by_an_older_file_is_refused(original: Path, copy: Path) -> None:
    shutil.copytree(original / ".snakemake", copy / ".snakemake")
    (copy / "b.txt").write_text("\n".join(MOLECULES) + "\n")
    os.utime(copy / "b.txt", (0, 0))
    said = snakemake(copy, "-n", done=False)
    assert (
        "b.txt: is not the file that results/r/models/b/manifest.json was made from" in said and "touch b.txt" in said
    )
    (copy / "b.txt").touch()
    snakemake(copy, done=True)
