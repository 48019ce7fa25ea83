"""Judge validation of test sets whose references leave nothing, or little, to plant."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from molmix.analysis.judge_validation.validate import compare_judges, measure_judges, plant_tables
from molmix.core.files import read_table, write_json, write_table
from molmix.judges.kinds.atomic import Atomic
from molmix.metrics.families.captions import caption_scores
from molmix.metrics.tokenize import load_metric_tokenizer
from molmix.report.plots.judges import draw_judges

JUDGES = {"atomic": Atomic(kind="atomic").model_dump()}
OPTIONS = {"judges": JUDGES, "vocabulary": None, "wordnet": None, "domain": "molecules"}
CELLS = [f"{way}_{what}" for way in ("forward", "backward") for what in ("entailment", "contradiction")]


def planted(folder: Path, name: str, references: list[str], systems: dict[str, Path] | None = None) -> Path:
    """The planted captions of a test set."""
    rows = [
        {"id": f"m{number}", "references": [text], "facts": None, "truth": None}
        for number, text in enumerate(references)
    ]
    write_table(folder / f"{name}.parquet", pa.Table.from_pylist(rows))
    out = folder / f"{name}.captions.parquet"
    plant_tables(
        tests={name: folder / f"{name}.parquet"},
        systems={system: {name: path} for system, path in (systems or {}).items()},
        references={name: folder / f"{name}.references.parquet"},
        captions={name: out},
        molecules=10,
        doses=[1],
        seed=1,
    )
    return out


def judged(folder: Path, captions: Path, units: int) -> Path:
    """Probabilities of captions and references with so many atoms each."""
    ids = read_table(captions)["id"]
    cells = {name: [[0.1] * units * units] * len(ids) for name in CELLS}
    table = {"id": ids, "n_generated": [units] * len(ids), "n_reference": [units] * len(ids)}
    types = {name: pa.array(values, pa.list_(pa.float32())) for name, values in cells.items()}
    path = folder / f"{captions.stem}.nli.parquet"
    write_table(path, pa.table(table | types))
    return path


@pytest.mark.parametrize(
    ("references", "units", "said"),
    [
        (["...", "...."], 0, "punct: no error could be planted, as no reference has a statement to edit."),
        (
            ["The molecule is a dye."],
            1,
            "punct, edited references: does it see the error? (AUROC within pairs, 1 molecule)",
        ),
    ],
    ids=["no statement", "one molecule"],
)
def test_where_there_is_little_to_plant(references: list[str], units: int, said: str, tmp_path: Path) -> None:
    captions = planted(tmp_path, "punct", references)
    write_json(tmp_path / "corpus.json", {"counts": {}})
    pictured = measure_judges(
        options=OPTIONS,
        tests={"punct": tmp_path / "punct.references.parquet"},
        captions={"punct": captions},
        judged={"atomic": {"punct": judged(tmp_path, captions, units)}},
        scores={"punct": tmp_path / "scores.parquet"},
        table=tmp_path / "judges",
        resamples=100,
        level=0.95,
        seeds=[1],
        config="c0ffee",
        corpus=tmp_path / "corpus.json",
    )
    assert said in (tmp_path / "judges.md").read_text()
    table = pd.read_csv(tmp_path / "judges.csv")
    table = table[table["column"].str.startswith("atomic")]  # those of text know what "..." is
    assert table[["auroc_low", "change_low"]].isna().all().all()  # nothing, or one molecule: no interval
    draw_judges(pictured["punct"], svg=tmp_path / "a.svg", png=tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0


@pytest.mark.slow
def test_captions_of_systems_are_edited_and_systems_ranked(tmp_path: Path) -> None:
    """A good, a fair and a bad system: a score that follows BLEU tells them apart and ranks them as BLEU does."""
    references = [
        f"The molecule is a dye of kind {number}. It is toxic. It has a role as a drug." for number in range(30)
    ]
    ids = [f"m{number}" for number in range(30)]
    texts = {"good": references, "fair": [text.replace(" It is toxic.", "") for text in references]}
    texts["bad"] = ["The molecule is a gas." for _ in references]
    files: dict[str, Path] = {}
    for rank, (system, own) in enumerate(texts.items()):
        frame = caption_scores([[text] for text in references], own, load_metric_tokenizer(None), None)
        noise = np.random.default_rng(rank).normal(0, 0.1, 30)
        frame = frame.assign(id=ids, text=own, finish="stop", hallucination=0.3 * rank + noise, coverage=0.5)
        files[system] = tmp_path / f"{system}.parquet"
        write_table(files[system], pa.Table.from_pandas(frame, preserve_index=False))
    captions = planted(tmp_path, "real", references, files)
    assert set(read_table(captions)["author"].to_pylist()) == {
        "reference",
        "good",
        "fair",
    }  # "bad" states nothing right
    write_json(tmp_path / "corpus.json", {"counts": {}})
    common = {"options": OPTIONS, "resamples": 100, "level": 0.95, "seeds": [1], "config": "c0ffee"}
    measure_judges(
        tests={"real": tmp_path / "real.references.parquet"},
        captions={"real": captions},
        judged={"atomic": {"real": judged(tmp_path, captions, 2)}},
        scores={"real": tmp_path / "scores.parquet"},
        table=tmp_path / "judges",
        corpus=tmp_path / "corpus.json",
        **common,
    )
    table = pd.read_csv(tmp_path / "judges.csv")
    assert set(table["author"]) == {"reference", "system"} and {"BLEU-4", "ROUGE-L", "METEOR"} <= set(table["column"])
    harm = table[(table["author"] == "reference") & (table["kind"] == "harmful") & (table["column"] == "ROUGE-L")]
    assert (harm["paired_auroc"] == 1).all()
    compare_judges(
        planted={"real": tmp_path / "scores.parquet"},
        scores={"real": files},
        licences={},
        tables={name: tmp_path / name for name in ("agreement", "rankings", "licences")},
        corpus=tmp_path / "corpus.json",
        **common,
    )
    ranked = pd.read_csv(tmp_path / "rankings.csv").set_index("column")
    assert list(ranked.index) == ["hallucination", "coverage", "bleu4", "rougeL", "meteor"]
    assert (ranked["pairs"] == 3).all() and (ranked["systems"] == 3).all()
    assert list(ranked["told_apart"]) == [3, 0, 3, 3, 3]
    assert list(ranked["spearman_bleu4"].fillna(0)) == [1, 0, 1, 1, 1]
    assert "hallucination | 3 | 3 | 3 | 1.00" in (tmp_path / "rankings.md").read_text()
