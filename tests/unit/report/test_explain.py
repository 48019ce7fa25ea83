"""`molmix explain`: sums are the scores, it suggests near names, texts from models cannot steer a terminal."""

import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from molmix import cli
from molmix.config import loading
from molmix.core.errors import MolmixError, escape_control
from molmix.core.files import read_table, write_table
from molmix.core.origin import recording
from molmix.data.corpus import TEST
from molmix.judges.matrices import PairMatrices
from molmix.metrics.score import write_scores
from molmix.pipeline.origins import origin_of_job
from molmix.report.explain import explain, worst
from molmix.report.explorer import build_explorer

STUDY = """
run: tiny
data: {tests: {id: {source: {kind: file, path: references.tsv}}}}
systems: [{name: ours, predictions: {id: {path: ours.txt}}}]
judges:
  first: {kind: atomic}
  max: {kind: atomic, operation: max}
  mean: {kind: atomic, operation: mean}
  zs: {kind: summac_zs}
  whole: {kind: fulldoc}
"""
JUDGES = ("first", "max", "mean", "zs", "whole")
HARD = "\x1b[2Jred\u202eevil\nnext שלום 👩‍🔬 العربية"
REFERENCE = "The molecule has one ring. It has a role as a dye."
# id: what the system wrote, its units, the reference's
CAPTIONS = {
    "plain": ("The molecule has one ring, two ester groups. It is a polar molecule.", list("abc"), list("pqrst")),
    "silent": ("", [], ["p"]),
    "hard": (HARD, [HARD, "b"], [HARD]),
    "unmet": ("Text.", ["a"], []),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one system, scored by the real `score`; the probabilities are drawn."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "study.yaml").write_text(STUDY)
    study, run = loading.load(folder / "study.yaml"), folder / "results/tiny"
    given = {"molecule": "CCO", "references": [REFERENCE], "rows": [0], "ids": ["x"], "properties": None}
    known = {"facts": ["ring=1", "role=dye"], "truth": ["ring=1", "role=dye", "polarity=polar"]}
    write_table(run / "data/tests/id.parquet", [{"id": name} | given | known for name in CAPTIONS], TEST)
    texts = [text for text, *_ in CAPTIONS.values()]
    answers = pa.table({"id": list(CAPTIONS), "text": texts, "finish": ["stop", "stop", "length", "stop"]})
    write_table(run / "predictions/ours/id.parquet", answers)
    for units in ("rules", "sentences-over-10", "whole"):
        for author, side in (("ours", 1), ("reference", 2)):
            atoms = pa.array([caption[side] for caption in CAPTIONS.values()], pa.list_(pa.string()))
            columns = {"id": list(CAPTIONS), "atoms": atoms, "fallback": [name == "hard" for name in CAPTIONS]}
            write_table(run / f"atoms/{units}/{author}/id.parquet", pa.table(columns))
    sizes = [(len(said), len(wanted)) for _, said, wanted in CAPTIONS.values()]
    rng = np.random.default_rng(0)
    for judge in JUDGES:
        # What remains of entailment is shared between contradiction and neutral.
        forward, backward = ([rng.random(rows * columns) for rows, columns in sizes] for _ in "fb")
        lists = [forward, [(1 - e) * 0.9 for e in forward], backward, [(1 - e) * 0.5 for e in backward]]
        columns = dict(zip(PairMatrices.__dataclass_fields__, lists, strict=True))
        counts = dict(zip(("n_generated", "n_reference"), zip(*sizes, strict=True), strict=True))
        table = {"id": list(CAPTIONS)} | {name: pa.array(count, pa.int32()) for name, count in counts.items()}
        table |= {"n_truncated": pa.array([0, 0, 1, 0], pa.int32())}
        table |= {name: pa.array(cells, pa.list_(pa.float32())) for name, cells in columns.items()}
        write_table(run / f"nli/{judge}/ours/id.parquet", pa.table(table))
    options = {"judges": {name: judge.model_dump() for name, judge in study.judges.items()}, "domain": "molecules"}
    write_scores(
        test=run / "data/tests/id.parquet",
        direction="mol2cap",
        predictions=run / "predictions/ours/id.parquet",
        judged={judge: run / f"nli/{judge}/ours/id.parquet" for judge in JUDGES},
        text2mol=None,
        out=run / "scores/ours/id.parquet",
        options=options | study.metrics.options(),
    )
    return folder


@pytest.fixture
def told(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """What `explain` says of one caption."""
    monkeypatch.chdir(folder)
    study = loading.load(folder / "study.yaml")
    return lambda metric, caption="plain": list(explain(study, metric, "ours", "id", caption))


@pytest.fixture
def stored(folder: Path):
    """The scores of one caption."""
    rows = {row["id"]: row for row in read_table(folder / "results/tiny/scores/ours/id.parquet").to_pylist()}
    return lambda metric, caption="plain": rows[caption][metric]


def sum_of(lines: list[str], metric: str) -> tuple[list[float], int, float]:
    """The terms, the number that they are divided by, and the result of the line that makes the score."""
    line = next(line for line in lines if line.startswith(f"{metric} = "))
    found = re.search(r"= \((.+)\) / (\d+) = (-?\d\.\d{4})", line)
    assert found, line
    terms = found[1].replace(" + ", " ").replace(" − ", " -").split()
    return [float(term) for term in terms], int(found[2]), float(found[3])


@pytest.mark.parametrize("caption", ["plain", "hard"])
@pytest.mark.parametrize(
    "metric",
    [
        *(f"{prefix}{score}" for prefix in ("", "max.", "mean.") for score in ("hallucination", "coverage")),
        "zs.consistency",
        "whole.consistency",
    ],
)
def test_sums_are_the_stored_scores(metric: str, caption: str, told, stored) -> None:
    lines = told(metric, caption)
    terms, count, result = sum_of(lines, metric)
    assert len(terms) == count and sum(terms) / count == pytest.approx(stored(metric, caption), abs=1e-4)
    assert result == pytest.approx(stored(metric, caption), abs=1e-4)
    assert lines[0].endswith(f"{result:.4f} ({'lower' if 'hallu' in metric else 'higher'} is better)")
    assert not any("other settings" in line for line in lines)


def test_f1_is_told_from_its_parts(told, stored) -> None:
    lines = told("atomic_f1")
    assert lines[0].endswith(f"{stored('atomic_f1'):.4f} (higher is better)")
    formula = "2 × atomic_precision × atomic_recall / (atomic_precision + atomic_recall)"
    assert f"atomic_f1 = {formula} = {stored('atomic_f1'):.4f}" in lines
    for part, atoms in (("atomic_precision", 3), ("atomic_recall", 5)):
        terms, count, result = sum_of(told(part), part)
        assert len(terms) == count == atoms and result == pytest.approx(stored(part), abs=1e-4)
        for term in terms:
            assert any(f"match {term:.4f}  " in line for line in lines)


def test_every_atom_has_the_verdict_that_is_counted(told, stored) -> None:
    for prefix in ("", "max.", "mean."):
        for verdict in ("supported", "contradicted", "unsupported"):
            lines = told(f"{prefix}{verdict}")
            marked = [line for line in lines if re.match(rf" +\d+  {verdict} ", line)]
            assert len(marked) / 3 == pytest.approx(stored(f"{prefix}{verdict}"))
            assert f"{prefix}{verdict} = {len(marked)} of 3 generated atoms = {len(marked) / 3:.4f}" in lines


def test_the_pairs_that_decide_are_those_of_the_matrices(told, folder: Path) -> None:
    row = read_table(folder / "results/tiny/nli/max/ours/id.parquet").to_pylist()[0]
    entailment, contradiction = (np.reshape(row[f"forward_{name}"], (3, 5)) for name in ("entailment", "contradiction"))
    lines = told("max.hallucination")
    for atom in range(3):
        index = contradiction[atom].argmax()
        here = lines.index(next(line for line in lines if line.startswith(f"   {atom + 1}  ")))
        there = next(row for row in range(here, len(lines)) if "contradicted most by" in lines[row])
        assert lines[there].endswith(f"reference {index + 1}: {'pqrst'[index]}")
        e, c = entailment[atom, index], contradiction[atom, index]
        assert lines[there + 1].strip() == f"reference → generated  e {e:.4f}  n {1 - e - c:.4f}  c {c:.4f}"
    covered = np.reshape(row["backward_entailment"], (3, 5))
    for atom in range(5):
        line = next(line for line in lines if re.match(rf"   {atom + 1}  (covered|missed)", line))
        assert f"entailment {covered[:, atom].max():.4f}  {'pqrst'[atom]}" in line
        after = lines[lines.index(line) + 1].strip()
        assert (
            after == f"entailed most by generated {covered[:, atom].argmax() + 1}: {'abc'[covered[:, atom].argmax()]}"
        )


@pytest.mark.parametrize("metric", ["atomic_f1", "hallucination", "unsupported", "coverage", "zs.consistency"])
@pytest.mark.parametrize("caption", ["silent", "unmet"])
def test_a_side_without_atoms_is_said(metric: str, caption: str, told) -> None:
    text = "\n".join(told(metric, caption))
    assert "no pairs: docs/metrics.md" in text
    assert ("undefined" in text.splitlines()[0]) == ((metric in ("atomic_f1", "coverage")) == (caption == "unmet"))


def test_facts(told, stored) -> None:
    lines = told("f1")
    assert lines[lines.index("stated, and in the reference: 1") + 1] == "  ring=1"
    assert lines[lines.index("stated and true, though not in the reference: 1") + 1] == "  polarity=polar"
    assert lines[lines.index("stated, and not true: 1") + 1] == "  ester group=2"
    assert lines[lines.index("missing: in the reference, and not stated: 1") + 1] == "  role=dye"
    assert f"precision = 2/3 = {stored('precision'):.4f} (true of those stated)" in lines
    assert f"recall    = 1/2 = {stored('recall'):.4f} (stated of those in the reference)" in lines


def test_bleu_from_its_counts(told, stored) -> None:
    line = next(line for line in told("bleu2") if line.startswith("bleu2 = "))
    assert float(line.split()[-1]) == pytest.approx(stored("bleu2"), abs=1e-4) and stored("bleu2") > 0
    assert any("some length of n-gram has no match" in line for line in told("bleu4", "hard"))
    assert "without counts" in "\n".join(told("meteor"))


def test_metrics_that_leave_no_sum(folder: Path, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    more = """
  conv: {kind: summac_conv, weights: conv.bin}
metrics: {properties: {taxonomy: taxonomy.json}}
"""
    (tmp_path / "study.yaml").write_text(STUDY.rstrip() + more)
    (tmp_path / "taxonomy.json").write_text('{"Sensory": [{"odor": ["minty", "fresh"]}, {"taste": ["sweet"]}]}')
    run = tmp_path / "results/tiny"
    shutil.copytree(run / "nli/zs", run / "nli/conv")
    scores = read_table(run / "scores/ours/id.parquet").append_column("conv.consistency", pa.array([0.25] * 4))
    stated, due = ["Sensory__odor__minty", "Sensory__taste__sweet"], ["Sensory__odor__minty"]
    for name, cell in (("property_precision", 0.5), ("properties_stated", stated), ("properties_due", due)):
        scores = scores.append_column(name, pa.array([cell] * 4))
    write_table(run / "scores/ours/id.parquet", scores)
    study = loading.load(Path("study.yaml"))
    conv = list(explain(study, "conv.consistency", "ours", "id", "plain"))
    assert sum("entailed most by reference" in line for line in conv) == 3
    assert "conv.consistency = 0.2500" in conv and any(line.startswith("Learned layers") for line in conv)
    properties = list(explain(study, "property_precision", "ours", "id", "plain"))
    assert properties[properties.index("stated, not due: 1") + 1] == "  Sensory__taste__sweet"
    assert "precision = 1/2, recall = 1/1" in properties


def test_stale_probabilities_are_noticed(told, folder: Path) -> None:
    path = folder / "results/tiny/nli/first/ours/id.parquet"
    whole = read_table(path)
    index = whole.column_names.index("forward_contradiction")
    write_table(path, whole.set_column(index, "forward_contradiction", whole["forward_entailment"]))
    try:
        assert any("made with other settings or pairs" in line for line in told("hallucination"))
        write_table(path, whole.take([2, 1, 0, 3]).set_column(0, "id", whole["id"]))
        with pytest.raises(MolmixError, match="was made of other units"):
            told("hallucination")
    finally:
        write_table(path, whole)


# ---- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("halucination", "ours", "id", "plain"), "no metric 'halucination'\n  Hint: did you mean 'hallucination'?"),
        (("hallucination", "ous", "id", "plain"), "no model 'ous'\n  Hint: did you mean 'ours'?"),
        (("hallucination", "ours", "idd", "plain"), "no test set 'idd'\n  Hint: did you mean 'id'?"),
        (("hallucination", "ours", "id", "plan"), "no caption 'plan'\n  Hint: did you mean 'plain'?"),
        (("valid", "ours", "id", "plain"), "'valid' is not measured on 'id'\n  Hint: measured are: atomic_f1, "),
    ],
)
def test_wrong_names_are_mended(names: tuple[str, ...], message: str, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(MolmixError, match=re.escape(message)):
        list(explain(loading.load(folder / "study.yaml"), *names))


def test_captions_that_are_not_scored_yet(tmp_path: Path, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MolmixError, match="not scored yet"):
        list(worst(loading.load(folder / "study.yaml"), "coverage", "ours", "id"))


def test_without_an_id_the_worst_are_listed(folder: Path, stored, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    study = loading.load(folder / "study.yaml")
    for metric, better in (("coverage", "higher"), ("hallucination", "lower")):
        first, *lines = worst(study, metric, "ours", "id", most=2)
        values = {name: stored(metric, name) for name in CAPTIONS if stored(metric, name) is not None}
        ranked = sorted(values, key=values.__getitem__, reverse=better == "lower")
        assert [line.split()[0] for line in lines[1:3]] == ranked[:2]
        assert f"the 2 worst of {len(values)} ({better} is better" in first
        assert "; 1 undefined)" in first


# ---- the terminal ------------------------------------------------------------------------------------------------


def test_texts_from_models_cannot_steer_a_terminal(folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    arguments = ["explain", "hallucination", "ours", "id"]
    for more in ([], ["hard"]):
        result = CliRunner().invoke(cli.app, [*arguments, *more, "--configfile", "study.yaml"])
        assert result.exit_code == 0, result.output
        assert r"\x1b[2Jred\u202eevil\nnext שלום 👩‍🔬 العربية" in result.output
        assert not {"\x1b", "\u202e"} & {*result.output}
    assert "(finish: length)" in result.output and "1 of the pairs were cut" in result.output
    assert "made by `rules`" in result.output


def test_visible() -> None:
    assert escape_control("a\tb\r\x00\x9b\u2028\ud800") == r"a\tb\r\x00\x9b\u2028\ud800"
    assert escape_control("שלום 👩‍🔬 é 分子") == "שלום 👩‍🔬 é 分子"


def test_scores_of_other_captions_than_are_there_are_refused(folder: Path, monkeypatch, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    study, captions = loading.load(Path("study.yaml")), Path("results/tiny/predictions/ours/id.parquet")
    with recording(origin_of_job("score", {"model": "ours"}, {}, [captions])):
        scores = Path("results/tiny/scores/ours/id.parquet")
        write_table(scores, read_table(scores))
    assert list(worst(study, "bleu4", "ours", "id"))
    answers = read_table(captions).to_pylist()
    write_table(captions, pa.Table.from_pylist([row | {"text": "Another."} for row in answers]))
    with pytest.raises(MolmixError, match=r"was made from another results/tiny/predictions/ours/id\.parquet"):
        list(worst(study, "bleu4", "ours", "id"))
    with pytest.raises(MolmixError, match="was made from another"):
        build_explorer(study, Path("pages"))
