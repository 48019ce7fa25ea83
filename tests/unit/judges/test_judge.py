"""`from molmix import Judge`: its numbers are those of the stages, its messages are clear."""

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import torch

from molmix import Judge
from molmix.core.errors import MolmixError
from molmix.core.files import read_table, write_table
from molmix.judges.decompose.tables import decompose_tables
from molmix.judges.kinds import parse_judge, score_captions
from molmix.judges.nli.inference import predict_tables
from molmix.models.manifests import write_manifest
from tests.nli_models import make_model

REFERENCES = [
    "The molecule is a dye. It has two rings.",
    ["The molecule is a metabolite.", "It is long and it is a fungal metabolite."],
    "It contains two rings.",
]
CAPTIONS = ["The molecule contains two rings.", "", "It is a dye. It is a fungal metabolite."]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("nli") / "tiny", "bert")


def by_stages(folder: Path, model: Path, settings: dict, store: Path) -> pd.DataFrame:
    """The scores as the jobs of the graph make them."""
    judge = parse_judge(settings)
    lists = [[item] if isinstance(item, str) else item for item in REFERENCES]
    ids = ["a", "b", "c"]
    write_table(folder / "test.parquet", pa.table({"id": ids, "references": lists}))
    write_table(folder / "predictions.parquet", pa.table({"id": ids, "text": CAPTIONS}))
    decomposer = {"backend": judge.decomposed_by} if judge.decomposed_by else None
    for captions, units in (("test", judge.reference_units), ("predictions", judge.generated_units)):
        decompose_tables(
            captions=[folder / f"{captions}.parquet"],
            outs=[folder / f"{captions}-atoms.parquet"],
            units=units,
            settings=decomposer,
            cache=store / "atoms",
            model=None,
        )
    write_manifest(folder / "manifest.json", {"id": "nli"}, model)
    predict_tables(
        atoms={"t": (folder / "test-atoms.parquet", folder / "predictions-atoms.parquet")},
        outs={"t": folder / "nli.parquet"},
        model=folder / "manifest.json",
        cache=store / "nli",
        **judge.asking,
    )
    return score_captions(settings, read_table(folder / "nli.parquet")).drop_columns("id").to_pandas()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("atomic", {}),
        ("atomic", {"operation": "max"}),
        ("atomic", {"premises": "infuse"}),
        ("summac_zs", {}),
        ("fulldoc", {}),
    ],
)
def test_numbers_and_cache_are_those_of_the_stages(kind: str, settings: dict, model: Path, tmp_path: Path) -> None:
    own = Judge(kind, nli=model, store=tmp_path / "store", **settings)
    scores = own.score(REFERENCES, CAPTIONS)
    cached = sorted((tmp_path / "store/nli").rglob("*.pairs"))
    pd.testing.assert_frame_equal(
        scores, by_stages(tmp_path, model, {"kind": kind, **settings}, tmp_path / "store"), check_exact=True
    )
    assert sorted((tmp_path / "store/nli").rglob("*.pairs")) == cached != []  # the stages had nothing to compute
    means = own.compute(predictions=CAPTIONS, references=REFERENCES)
    assert means == pytest.approx(scores[list(means)].mean().to_dict(), nan_ok=True)


@pytest.mark.parametrize("kind", ["atomic", "summac_zs", "fulldoc", "minicheck"])
def test_identical_text_is_entailed_whatever_the_model_says(kind: str, model: Path, tmp_path: Path) -> None:
    judge = Judge(kind, nli=model, store=tmp_path)
    scores = judge.score(["The molecule is a primary alcohol."], ["the molecule is a  primary alcohol"])
    assert scores.iloc[0, 0] == 1  # atomic F1, consistency
    assert "e 1.0000  n 0.0000  c 0.0000" in judge.explain(0)


def test_the_paper_s_metric_asks_about_identical_text(model: Path, tmp_path: Path) -> None:
    scores = Judge("cross_nli", nli=model, store=tmp_path).score(["It is a dye."], ["It is a dye."])
    assert 0 < scores["coverage"][0] < 1


def test_numbers_are_compared_as_numbers(model: Path, tmp_path: Path) -> None:
    texts = ["The molecule has two rings."], ["The molecule has three rings."]
    assert Judge(nli=model, store=tmp_path).score(*texts)["atomic_f1"][0] == 0
    assert Judge(nli=model, store=tmp_path, exact="none").score(*texts)["atomic_f1"][0] > 0


def test_an_explanation_shows_atoms_pairs_and_sums(model: Path, tmp_path: Path) -> None:
    judge = Judge(nli=model, store=tmp_path)
    with pytest.raises(MolmixError, match="nothing was scored yet"):
        judge.explain(0)
    scores = judge.score(REFERENCES, CAPTIONS)
    text = judge.explain(2)
    assert "The molecule is a fungal metabolite." in text and "reference → generated" in text
    for column in ("atomic_precision", "atomic_recall", "hallucination", "coverage"):
        assert f"= {scores[column][2]:.4f}, the mean" in text
    assert "run snakemake again" not in text
    assert "no pairs" in judge.explain(1)
    with pytest.raises(MolmixError, match="from 0 to 2"):
        judge.explain(3)


@pytest.mark.parametrize(
    ("references", "captions", "message"),
    [
        (["A dye."], ["A dye.", "A drug."], "1 reference for 2 captions"),
        ([], [], "captions: is empty"),
        (["A dye."], [None], r"captions\[0\]: is null"),
        ([None], ["A dye."], r"references\[0\]: is null"),
        ([[]], ["A dye."], r"references\[0\]: is an empty list"),
        ([" "], ["A dye."], r"references\[0\]: is ' '"),
        ("A dye.", "A dye.", "give a list of texts"),
        ({"A dye.": 1}, {"A drug.": 1}, "give a list of texts"),
        (pd.DataFrame({"A dye.": ["A drug."]}), ["A drug."], "references: is a table.*\n.*columns"),
        (["A dye."], ["\ud83d"], "half a character"),
    ],
)
def test_bad_texts_are_refused(references, captions, message: str, model: Path, tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match=message):
        Judge(nli=model, store=tmp_path).score(references, captions)


def test_bad_settings_are_refused(model: Path, tmp_path: Path) -> None:
    for settings, message in (
        ({"kind": "atomc"}, "did you mean 'atomic'"),
        ({"operation": "maxx"}, "operation.*did you mean 'max'"),
        ({"decomposer": "rule"}, "did you mean 'rules'"),
        ({"nli": tmp_path / "nowhere"}, "no local folder"),
        ({"labels": "entailment,neutral,contradiction"}, "labels: is the text"),
    ):
        with pytest.raises(MolmixError, match=message):
            Judge(**{"nli": model, "store": tmp_path} | settings)


def test_labels_are_asked_for_and_never_guessed(model: Path, tmp_path: Path) -> None:
    nameless = shutil.copytree(model, tmp_path / "nameless")
    config = json.loads((nameless / "config.json").read_text())
    config["id2label"] = {str(number): f"LABEL_{number}" for number in range(3)}
    config["label2id"] = {label: int(number) for number, label in config["id2label"].items()}
    (nameless / "config.json").write_text(json.dumps(config))
    with pytest.raises(MolmixError, match=r"LABEL_0(.|\n)*`labels`"):
        Judge(nli=nameless, store=tmp_path / "store")
    with pytest.raises(MolmixError, match="has 3 classes, not 2"):
        Judge(nli=nameless, store=tmp_path / "store", labels=["entailment", "neutral"])
    named = Judge(nli=nameless, store=tmp_path / "store", labels=["entailment", "neutral", "contradiction"])
    known = Judge(nli=model, store=tmp_path / "store")
    pd.testing.assert_frame_equal(named.score(REFERENCES, CAPTIONS), known.score(REFERENCES, CAPTIONS))


def test_the_import_is_light() -> None:
    code = "import sys, molmix; print(sorted({'torch', 'pandas', 'numpy', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def says_entailment(model: Path, folder: Path) -> Path:
    """A copy of a model that answers every pair with entailment."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    classifier = AutoModelForSequenceClassification.from_pretrained(model)
    classifier.classifier.weight.data.zero_()
    classifier.classifier.bias.data = 9.0 * (torch.arange(3) == classifier.config.label2id["ENTAILMENT"])
    classifier.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def test_a_judge_that_cannot_read_the_references_warns_once_or_refuses(model: Path, tmp_path: Path) -> None:
    references = [f"The molecule is dye {number}. It has {number} rings." for number in range(8)]
    agreeable = says_entailment(model, tmp_path / "agreeable")
    judge = Judge(nli=agreeable, store=tmp_path / "store")
    with pytest.warns(
        UserWarning,
        match=r"`atomic` is not licensed for any score on these references: .*100 % of 200 pairs .* entailment",
    ):
        scores = judge.score(references, references)
    assert judge.licence is not None and judge.licence.atoms == 16 and judge.licence.null_entailed == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pd.testing.assert_frame_equal(judge.score(references, references), scores)
    with pytest.warns(UserWarning, match="is not licensed for any score"):  # other references are checked anew
        judge.score([*references, "It is a wax."], [*references, ""])
    with pytest.warns(UserWarning, match="only 2 reference atoms and 0 pairs of atoms of different molecules"):
        judge.score(["It is a dye. It has two rings."], [""])
    with pytest.raises(MolmixError, match="not licensed"):
        Judge(nli=agreeable, store=tmp_path / "store", strict=True).score(references, references)


def test_texts_that_are_cut_are_told(model: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="1 of 2 captions have pairs of texts that are longer than `max_length`"):
        Judge(nli=model, store=tmp_path / "store", max_length=16).score(
            ["It is a dye.", "It is a wax."], ["It is a " + "very " * 40 + "old dye.", "It is a wax."]
        )
