"""The explorer's chunks: what they hold is what the tables hold, texts cannot leave them, what is missing is said."""

import json
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from molmix import cli
from molmix.config import loading, schema
from molmix.core.errors import MolmixError
from molmix.core.files import read_table, write_table
from molmix.report.explain import explain
from molmix.report.explorer import build_explorer
from molmix.report.explorer.build import BLOCK, chunk_script
from molmix.report.explorer.drawings import MOST_ATOMS, draw_molecule
from molmix.report.explorer.tables import read_comparisons, read_figures, rounded
from tests.runs import write_run, write_tables

HARD = '</script><script>alert(1)</script> "\u2028\u2029 שלום 👩‍🔬 =HYPERLINK("x")'
STUDY = """
run: small
data:
  tests:
    id: {source: {kind: file, path: r.tsv}}
    back: {source: {kind: file, path: r.tsv}, direction: cap2mol}
systems:
  - {name: ours, predictions: {id: {path: o.txt}, back: {path: o.txt}}}
  - {name: theirs, predictions: {id: {path: t.txt}, back: {path: t.txt}}}
judges:
  first: {kind: atomic}
  mean: {kind: atomic, operation: mean}
  whole: {kind: fulldoc}
statistics: {resamples: 100}
"""
SMILES = ["CCO", "c1ccccc1", "CC(=O)O", "CCN"]
REFERENCE = "The molecule has one ring. It has a role as a dye."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two systems on more molecules than a block holds, and its tables."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "study.yaml").write_text(STUDY)
    rows = [(f"m{n}", SMILES[n % 4], [REFERENCE] if n != 2 else [""]) for n in range(BLOCK + 5)]
    texts = [f"The molecule has {n % 3} rings. It is small." for n in range(len(rows))]
    texts[:2] = [HARD, ""]
    molecules = ["CCO" if n % 2 else "not a molecule" for n in range(len(rows))]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        study = loading.load(Path("study.yaml"))
        answers = {
            "id": {"ours": texts, "theirs": texts[::-1]},
            "back": {"ours": molecules, "theirs": molecules[::-1]},
        }
        write_run(
            study,
            {"id": rows, "back": rows[:9]},
            {"id": answers["id"], "back": {s: t[:9] for s, t in answers["back"].items()}},
        )
        write_tables(study)
    return folder


@pytest.fixture
def run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> schema.Config:
    """A copy of the run in the working folder."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return loading.load(Path("study.yaml"))


def chunk(name: str, folder: Path = Path("out")) -> Any:
    """What a chunk hands over."""
    text = (folder / f"data/{name}.js").read_text(encoding="ascii")
    found = re.fullmatch(r'molmix\.chunk\("([^"]+)",(.*)\);\n', text)
    assert found and found[1] == name
    return json.loads(found[2])


def test_scores_and_evidence_are_those_of_the_tables(run: schema.Config) -> None:
    assert build_explorer(run, Path("out")) == []
    index, scores = chunk("index"), chunk("t0/s1/scores")
    table = read_table("results/small/scores/theirs/id.parquet")
    for number, metric in enumerate(index["metrics"]):
        column = metric["column"]
        if column in table.column_names:
            want = table[column].to_pylist()
            got = scores["values"][number]
            assert [w is None for w in rounded(want, 6)] == [g is None for g in got]
            assert all(g is None or abs(g - w) < 1e-6 for g, w in zip(got, want, strict=True)), column
    assert scores["texts"] == table["text"].to_pylist()
    pairs = read_table("results/small/nli/first/theirs/id.parquet").to_pylist()
    for row in (3, BLOCK + 2):
        judged = chunk(f"t0/s1/j0-{row // BLOCK}")
        matrices = judged["matrices"][row % BLOCK]
        assert np.allclose(np.array(matrices[3]) / 1000, pairs[row]["backward_contradiction"], atol=6e-4)
        value = dict(zip([m["column"] for m in index["metrics"]], scores["values"], strict=True))
        assert np.mean(judged["contradiction"][row % BLOCK]) == pytest.approx(value["hallucination"][row], abs=1e-4)
        assert np.mean(judged["coverage"][row % BLOCK]) == pytest.approx(value["coverage"][row], abs=1e-4)
        assert np.mean(judged["match"][row % BLOCK]) == pytest.approx(value["atomic_precision"][row], abs=1e-4)
        assert np.mean(judged["recall"][row % BLOCK]) == pytest.approx(value["atomic_recall"][row], abs=1e-4)
        share = np.mean([verdict == "supported" for verdict in judged["verdicts"][row % BLOCK]])
        assert share == pytest.approx(value["supported"][row])


def test_verdicts_are_those_that_explain_prints(run: schema.Config) -> None:
    build_explorer(run, Path("out"))
    judged = chunk("t0/s0/j0-0")
    lines = [*explain(run, "hallucination", "ours", "id", "m3")]
    for number, (verdict, atom) in enumerate(zip(judged["verdicts"][3], judged["atoms"][3], strict=True), 1):
        assert any(re.match(rf" +{number}  {verdict} .*{re.escape(atom)}", line) for line in lines)
    units = chunk("t0/m0")["units"][0][3]
    for number, (word, atom) in enumerate(zip(judged["covered"][3], units, strict=True), 1):
        assert any(re.match(rf" +{number}  {word} .*{re.escape(atom)}", line) for line in lines)


def test_sides_without_units_have_no_pairs(run: schema.Config) -> None:
    build_explorer(run, Path("out"))
    silent, unmet = (chunk("t0/s0/j0-0") for _ in "ab")
    assert silent["atoms"][1] == [] and silent["matrices"][1] == [] and set(silent["covered"][1]) == {"missed"}
    assert unmet["covered"][2] == [] and set(unmet["verdicts"][2]) == {"unsupported"}


def test_one_way_judges_have_two_matrices_and_the_mean_picks_no_atom(run: schema.Config) -> None:
    build_explorer(run, Path("out"))
    assert len(chunk("t0/s0/j2-0")["matrices"][3]) == 2 and "verdicts" not in chunk("t0/s0/j2-0")
    assert chunk("t0/s0/j1-0")["picks"][3] == []


def test_figures_and_comparisons(run: schema.Config) -> None:
    build_explorer(run, Path("out"))
    index, ours, theirs = chunk("index"), chunk("t0/s0/scores"), chunk("t0/s1/scores")
    names = [metric["column"] for metric in index["metrics"]]
    value, low, high = ours["figures"][names.index("bleu4")]
    assert low <= value <= high
    assert ours["figures"][names.index("supported")] is not None  # a column of the CSV only
    told = [row for row in ours["compared"] + theirs["compared"] if row[0] == names.index("coverage")]
    assert len(told) == 1 and told[0][2] == "best" and told[0][3] == BLOCK + 4  # coverage of `m2` is undefined


def test_tables_with_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("model,other\nNA,b\n")
    with pytest.raises(MolmixError, match="lacks the columns test"):
        read_figures(path, ["bleu4"])
    with pytest.raises(MolmixError, match="lacks the columns difference"):
        read_comparisons(path, ["bleu4"], ["NA"])
    path.write_text("model,test,bleu4,bleu4_low,bleu4_high\nNA,id,0.5,0.25,\n")
    assert read_figures(path, ["bleu4", "f1"]) == {("id", "NA"): [[0.5, 0.25, None], None]}


def test_drawings(run: schema.Config) -> None:
    build_explorer(run, Path("out"))
    drawn = chunk("t1/s0/m0")["drawings"]
    assert drawn[0] == "RDKit cannot read it." and drawn[1].startswith("<svg") and drawn[1].endswith("</svg>")
    assert "script" not in drawn[1] and len(drawn[1]) < 2000
    assert draw_molecule("") == draw_molecule(None) == "There is no molecule."
    assert draw_molecule(HARD) == draw_molecule("I cannot help with that.") == "RDKit cannot read it."
    assert len(chunk("t0/m1")["drawings"]) == 5


@pytest.mark.parametrize("count", [MOST_ATOMS + 1, 2000, 100_000])
def test_a_molecule_of_a_model_that_repeats_itself_is_not_drawn(count: int) -> None:
    """RDKit's layout is cubic: 2,000 atoms hang the explorer, 100,000 crash the process."""
    start = time.monotonic()
    assert f"{count:,}" in draw_molecule("C" * count) and "at most" in draw_molecule("C" * count)
    assert time.monotonic() - start < 2
    assert draw_molecule("C" * MOST_ATOMS).startswith("<svg")


def test_text_cannot_leave_its_chunk(run: schema.Config) -> None:
    build_explorer(run, Path("out"))
    assert chunk("t0/s0/scores")["texts"][0] == HARD
    text = chunk_script("x", {"a": HARD})
    assert "<" not in text and text.isascii() and text.count("\n") == 1


def test_undefined_scores_are_null() -> None:
    assert rounded([float("nan"), None, float("inf"), 0.1234567], 6) == [None, None, None, 0.123457]


def test_names_from_data_are_no_keys_and_no_file_names(run: schema.Config) -> None:
    build_explorer(run, Path("out"))
    names = {path.relative_to("out").as_posix() for path in Path("out").rglob("*.js")}
    assert not any("ours" in name or "id" in Path(name).stem for name in names)
    assert "ours" not in json.dumps([*_keys(chunk("index")), *_keys(chunk("t0/s0/scores"))])


def _keys(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [*node, *(key for value in node.values() for key in _keys(value))]
    return [key for value in node for key in _keys(value)] if isinstance(node, list) else []


def test_an_unfinished_run_says_what_is_missing_and_shows_the_rest(run: schema.Config) -> None:
    root = Path("results/small")
    for path in ("scores/theirs/id.parquet", "nli/whole/ours/id.parquet", "tables/comparisons.csv"):
        (root / path).unlink()
    missing = build_explorer(run, Path("out"))
    assert missing == [
        f"results/small/{path}"
        for path in ("tables/comparisons.csv", "scores/theirs/id.parquet", "nli/whole/ours/id.parquet")
    ]
    index = chunk("index")
    assert index["missing"] == missing
    assert [test["systems"] for test in index["tests"]] == [[0], [0, 1]]
    assert chunk("t0/s0/scores")["judged"][2] is None and not Path("out/data/t0/s0/j2-0.js").exists()
    assert not Path("out/data/t0/s1").exists()
    said = CliRunner().invoke(cli.app, ["explorer", "--configfile", "study.yaml"])
    assert said.exit_code == 0 and "results/small/scores/theirs/id.parquet" in said.output
    assert (root / "work/explorer/index.html").exists()


def test_a_run_without_scores_is_refused(run: schema.Config) -> None:
    shutil.rmtree("results/small/scores")
    with pytest.raises(MolmixError, match="no captions are scored yet"):
        build_explorer(run, Path("out"))


def test_tables_that_are_not_of_one_another_are_refused(run: schema.Config) -> None:
    path = Path("results/small/scores/ours/id.parquet")
    whole = read_table(path)
    write_table(path, whole.slice(1))
    with pytest.raises(MolmixError, match="its ids are not those of"):
        build_explorer(run, Path("out"))
    write_table(path, whole)
    pairs = Path("results/small/nli/first/ours/id.parquet")
    write_table(pairs, read_table(pairs).slice(1))
    with pytest.raises(MolmixError, match="was made of other units"):
        build_explorer(run, Path("out"))


def test_the_footer_says_where_it_comes_from(run: schema.Config) -> None:
    build_explorer(run, Path("out"))
    lines = "\n".join(chunk("index")["provenance"])
    assert run.digest() in lines and f"{BLOCK + 5} molecules, 2 models" in lines and "coverage 2" in lines


@pytest.mark.parametrize("out", ["thesis", ".", "results/small"])
def test_a_folder_that_molmix_did_not_make_is_left_alone(run: schema.Config, out: str) -> None:
    """`molmix explorer --out DIR` emptied any folder: a thesis, a whole run, the working folder."""
    Path("thesis").mkdir()
    Path("thesis/chapter.tex").write_text("years of work")
    files = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    said = CliRunner().invoke(cli.app, ["explorer", "--configfile", "study.yaml", "--out", out])
    assert said.exit_code != 0 and isinstance(said.exception, MolmixError)
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == files
    build_explorer(run, Path("new"))
    assert build_explorer(run, Path("new")) == []  # its own folder is replaced
