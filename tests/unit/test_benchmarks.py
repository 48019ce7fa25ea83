"""`make bench`, and the scripts of `benchmarks/` that are started with arguments."""

import runpy
import sys
from pathlib import Path

import pytest
from benchmarks import __main__ as bench

SCRIPTS = ("decomposers", "grounded", "long_captions", "premises", "retrieval")


def called(script: str, *arguments: str) -> None:
    """Run a script as ``python -m benchmarks.<script>`` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, *arguments])
        runpy.run_module(f"benchmarks.{script}", run_name="__main__")


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("arguments", [[], ["missing.tsv", "other.tsv", "nli"]])
def test_wrong_arguments_end_with_one_message_and_the_usage(
    script: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        called(script, *arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"usage: python -m benchmarks.{script}")
    assert ("missing.tsv cannot be read" if arguments else "required: ") in said


def test_a_table_without_a_column_is_refused_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "captions.tsv"
    table.write_text("SMILES\ttext\nC\tA gas.\n")
    with pytest.raises(SystemExit):
        called("grounded", str(table))
    assert "captions.tsv has no column description; it has SMILES, text" in capsys.readouterr().err


def test_retrieval_writes_a_file_for_each_system(tmp_path: Path) -> None:
    """Quotes in a caption stay: the tables have no quoting."""
    rows = [("CCO", 'An "alcohol".'), ("CCN", "An amine."), ("c1ccccc1", "An arene.")]
    for name, some in (("train", rows), ("test", [("CCCO", "Another alcohol.")])):
        text = "".join("\t".join(row) + "\n" for row in [("SMILES", "description"), *some])
        (tmp_path / f"{name}.tsv").write_text(text)
    called("retrieval", *(str(tmp_path / name) for name in ("train.tsv", "test.tsv", "out")))
    assert (tmp_path / "out/nearest-100.tsv").read_text() == 'SMILES\toutput\nCCCO\tAn "alcohol".\n'
    assert len([*(tmp_path / "out").iterdir()]) == 4


def test_a_section_that_fails_does_not_lose_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    monkeypatch.setattr(bench, "SECTIONS", ("absent", "common"))
    with pytest.raises(SystemExit, match="failed: absent, common"):
        bench.main()
    said = capsys.readouterr()
    rows = [line for line in said.out.splitlines() if "failed" in line]
    assert [row.split()[1:4] for row in rows] == [
        ["absent:", "failed", "(ModuleNotFoundError)"],
        ["common:", "failed", "(AttributeError)"],
    ]
    assert "[bench] absent (1 of 2) begins" in said.err and "[bench] common ended after" in said.err


def test_the_table_stands_between_the_comments_of_the_page() -> None:
    page = bench.PAGE.read_text(encoding="utf-8")
    before, after = page.split("<!-- make bench -->\n")[0], page.split("<!-- end -->")[1]
    assert bench.with_table(page, "| a |\n") == f"{before}<!-- make bench -->\n| a |\n<!-- end -->{after}"
