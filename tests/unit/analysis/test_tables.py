"""Tables for people hold what was put in, whatever it is, and say where they come from."""

import math
import os
from pathlib import Path

import pandas as pd
import pytest

from molmix.analysis.provenance import commit_of, counts, joins, precision, provenance
from molmix.analysis.tables import Cell, Grid, figure, latex, latex_text, markdown, write_csv
from molmix.core.errors import MolmixError
from molmix.core.files import write_json

NASTY = r"a_b|c*d`e`<script>&%$#{}~^\ "


def test_markdown_is_escaped() -> None:
    page = markdown(NASTY, [Grid(NASTY, ["m", "x ↑"], [[Cell(NASTY), Cell(".5", bold=True, star=True)]])], ["note"])
    assert "<script>" not in page and "&lt;script&gt;" in page
    row = page.splitlines()[6]
    assert row.replace("\\|", "").count("|") == 3
    assert row.endswith(r"| **.5\*** |")


def test_latex_is_escaped_and_balanced() -> None:
    text = latex([Grid(NASTY, ["m", "x ↑"], [[Cell("[1]"), Cell("−.5 ±.1", bold=True, star=True)]])], ["50 % of\nit"])
    assert r"\caption{a\_b\textbar{}c*d" in text and r"\&\%\$\#\{\}\textasciitilde{}\textasciicircum{}" in text
    assert r"{}[1] & \textbf{$-$.5 $\pm$.1}$^{*}$ \\" in text
    assert "% 50 % of it" in text
    body = text.replace(r"\{", "").replace(r"\}", "")
    assert body.count("{") == body.count("}") and text.isascii()
    assert latex_text("\\") == r"\textbackslash{}"


def test_a_short_row_is_filled() -> None:
    assert "| a |  |  |" in markdown("t", [Grid("g", ["m", "x", "y"], [[Cell("a")]])], [])


def test_figures_as_they_are_read() -> None:
    assert figure(0.5, 0.4, 0.7) == ".500 ±.150"
    assert figure(10.5, 9.5, 11.5) == "10.500 ±1.000"
    assert figure(-0.25, signed=True) == "−.250"
    assert figure(0.25, 0.2, 0.3, signed=True) == "+.250 ±.050"
    assert figure(math.nan) == "–"
    assert figure(0.5, math.nan, math.nan) == ".500 ±–"  # of one molecule


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_no_csv_holds_a_formula(cell: str, tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"model": ["a"], "x": [-0.5]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "model,x\na,-0.5\n"
    with pytest.raises(MolmixError, match="spreadsheets run"):
        write_csv(pd.DataFrame({"model": [cell]}), tmp_path / "u.csv")
    assert not (tmp_path / "u.csv").exists()


def test_what_stands_below_a_table(tmp_path: Path) -> None:
    frame = pd.DataFrame({"finish": ["stop", "missing", "stop"], "repeated": False})
    frame = frame.assign(empty=[False, False, True], cut=[True, False, True])
    frame = frame.assign(**{"fallback": False, "minicheck.fallback": [True, True, False]})
    counted = counts("id", {"a": frame, "b": frame.iloc[[0, 0, 2]]}, {("a", "x"): 3, ("b", "x"): 1})
    corpus = tmp_path / "manifest.json"
    train = {"read": 9, "repeated_dropped": 2, "removed_in_tests.id": 1, "rows": 6, "molecules": 5, "digest": "0123"}
    train["leakage"] = {"tests.id": {"exact": 1, "stereo": 0, "parent": 2}}
    write_json(corpus, {"leakage": "exact", "counts": {"train": train, "subset": {"fraction": 0.1, "rows": 2}}})
    whole = {"config": "c0ffee", "seeds": [7, 8], "corpus": corpus, "resamples": 1000, "permutations": 5000}
    lines = provenance(**whole, counted=counted)
    text = "\n".join(lines)
    assert "id: 3 molecules, 2 models; molecules without a caption, counted as empty ones: a 1;" in text
    assert "empty captions: a 1, b 1; captions cut at the limit of tokens: a 2, b 3; judge" in text
    assert "repetition" not in text and "id: captions that" not in text
    assert "judge `minicheck`: captions that, or whose reference, `rules` split because the decomposer's" in text
    assert "answer could not be used: a 2, b 2; undefined" in text
    assert "left out of means: x 2." in text
    assert all(part in text for part in ("c0ffee", "molmix 0.", "seeds 7, 8", "1000", "5000", "numpy"))
    assert "train (read 9, repeated dropped 2, removed in tests.id 1, 6 rows kept, 5 molecules kept)" in text
    assert "Leakage, in rows (removed up to `exact`): train shares with tests.id 1 exact, 0 stereo, 2 parent." in text
    assert "subset (2 rows kept)" in text and f"{os.cpu_count()} cores" in text
    assert lines == provenance(**whole, counted=counted)
    assert "bootstrap" not in "".join(provenance(config="c0ffee", seeds=[7], corpus=corpus))


def test_the_number_type_and_what_it_erased_stand_below_a_table() -> None:
    models = [
        {"id": "merged", "erased": {"bfloat16": 0.02}},
        {"id": "sft", "erased": {"bfloat16": 0.31}},
        {"id": "start"},
    ]
    assert precision([], models) == []
    (line,) = precision(["float32", "float32"], models)
    assert line.startswith("All models wrote with weights in float32;")
    half, lost = precision(["bfloat16"], models)
    assert "in bfloat16;" in half
    assert lost == "Share of the difference from its start that the cast to bfloat16 erased: sft 31%."


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
    git = tmp_path / ".git"
    git.mkdir()
    (git / "HEAD").write_text("0123abc\n")
    assert commit_of(tmp_path) == "0123abc"
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert commit_of(tmp_path) is None  # nothing committed yet
    (git / "packed-refs").write_text("# pack-refs\n111 refs/heads/other\n222 refs/heads/main\n")
    assert commit_of(tmp_path) == "222"
    (git / "refs/heads").mkdir(parents=True)
    (git / "refs/heads/main").write_text("333\n")
    assert commit_of(tmp_path) == "333"
    linked = git / "worktrees/w"
    linked.mkdir(parents=True)
    (linked / "HEAD").write_text("ref: refs/heads/main\n")
    (linked / "commondir").write_text("../..\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w/.git").write_text(f"gitdir: {linked}\n")
    assert commit_of(tmp_path / "w") == "333"


def test_captions_that_are_copies_of_references_or_are_not_used_are_counted() -> None:
    some = {"joined": 40, "copies": 3, "no reference for it": 2, "another caption for the same molecule": 1}
    every = {"id": "all", "joined": {"test": {"joined": 40, "copies": 40}}}
    counted, warnings = joins([every, {"id": "model"}, {"id": "some", "joined": {"test": some}}])
    assert counted == [
        "Captions of files that are not used: some on test (no reference for it 2, another caption for the same "
        "molecule 1).",
        "Captions that equal a reference letter by letter: all on test 40 of 40, some on test 3 of 40.",
    ]
    assert len(warnings) == 1 and warnings[0].startswith("`all` on test: nearly all of its captions are copies")
    assert joins([{"id": "model"}]) == ([], [])
