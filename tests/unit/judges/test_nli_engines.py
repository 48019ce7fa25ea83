"""Engines of NLI models: their answers, their caches, their agreement with PyTorch in float32, what is refused."""

from pathlib import Path

import numpy as np
import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json
from molmix.judges.nli.agreement import TOLERANCE, Agreement, compare, sample
from molmix.judges.nli.cache import VALUE, describe_caches
from molmix.judges.nli.cached_model import CachedModel
from molmix.judges.nli.engines import ENGINES
from molmix.judges.nli.inference import distinct_pairs, predict_pairs
from molmix.judges.nli.settings import MadeNli
from molmix.models.manifests import write_manifest
from tests.nli_models import PAIRS, make_model

# Largest differences from float32. Here int8 has matrices of 32 columns, and batches of very different pairs. In
# bfloat16, these random weights of DeBERTa's shape differ by .04 with torch, too, and by .07 with other threads; wrong
# distances made .36.
TOLERANCES = {"float32": 1e-5, "bfloat16": 0.1, "int8": 0.2}
FORMATS = [(name, dtype) for name, engine in ENGINES.items() for dtype in engine.dtypes]


def needs(engine: str) -> None:
    if not ENGINES[engine].is_installed():
        pytest.skip(f"the packages of the engine {engine} are not installed: pip install 'molmix[{engine}]'")


@pytest.fixture(scope="module", params=["bert", "roberta", "deberta-v2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of each shape."""
    return make_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """The manifest of a small model."""
    weights = make_model(tmp_path / "model/weights", "bert")
    write_manifest(tmp_path / "model/manifest.json", {"id": "tiny"}, weights)
    return tmp_path / "model/manifest.json"


# ---- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("engine", "dtype"), FORMATS)
def test_every_engine_gives_the_answers_of_torch(folder: Path, engine: str, dtype: str) -> None:
    from molmix.judges.nli.model import NliModel

    needs(engine)
    exact = NliModel.load(folder).score(PAIRS)
    model = NliModel.load(folder, engine=engine, dtype=dtype, batch_tokens=300)
    scores = model.score(PAIRS)
    np.testing.assert_allclose(scores.probabilities, exact.probabilities, atol=TOLERANCES[dtype])
    np.testing.assert_array_equal(scores.truncated, exact.truncated)
    one = np.concatenate([model.score([pair]).probabilities for pair in PAIRS[::7]])
    np.testing.assert_allclose(one, exact.probabilities[::7], atol=TOLERANCES[dtype])
    assert len(model.score([]).probabilities) == 0


def test_padded_batches_change_no_answer_of_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU."""
    from molmix.judges.nli.model import NliModel

    exact = NliModel.load(folder).score(PAIRS).probabilities
    monkeypatch.setattr(type(ENGINES["torch"]), "pads", lambda self, device: True)
    np.testing.assert_allclose(NliModel.load(folder).score(PAIRS).probabilities, exact, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "dtype"), [one for one in FORMATS if one[0] != "torch"])
def test_real_captions_are_judged_alike(shared: Path, tmp_path: Path, engine: str, dtype: str) -> None:
    weights = shared / "models/nli-minilm"
    if not weights.is_dir():
        pytest.skip("no small NLI model")
    needs(engine)
    write_manifest(tmp_path / "manifest.json", {"id": "minilm"}, weights)
    rows = (shared / "data/chebi20/test.tsv").read_text(encoding="utf-8").splitlines()[1:31]
    texts = [row.split("\t")[2].split(". ")[0] for row in rows]
    pairs = [(texts[at], texts[(at + step) % len(texts)]) for at in range(len(texts)) for step in (0, 1)]
    model = CachedModel(tmp_path / "manifest.json", tmp_path / "store", engine=engine, dtype=dtype)
    agreement = model.measure_agreement(distinct_pairs(pairs))
    assert agreement is not None and agreement.pairs == len(set(pairs))
    assert agreement.is_exact == (dtype == "float32")
    assert agreement.changed <= {"float32": 0.0, "bfloat16": 0.02, "int8": 0.05}[dtype]


# ---- caches and agreement ------------------------------------------------------------------------------------------


def test_agreement_is_the_largest_difference_and_the_share_of_changed_labels() -> None:
    values = np.zeros(4, VALUE)
    values["entailment"], values["contradiction"] = [0.9, 0.1, 0.2, 0.0], [0.1, 0.8, 0.2, 0.0]
    exact = values.copy()
    exact["entailment"][2], exact["contradiction"][0] = 0.7, 0.05  # neither .6 becomes entailment .7
    agreement = compare("onnx", "int8", values, exact)
    assert agreement == Agreement("onnx", "int8", 4, 0.5, 0.25) and not agreement.is_exact
    assert "by at most 0.5, and 25.0 % of the labels change" in agreement.describe()
    assert compare("onnx", "float32", values, values).is_exact
    assert sample(3).tolist() == [0, 1, 2] and len(sample(10_000)) == 128 and sample(10_000)[-1] == 9_999


def test_formats_agree_with_float32_and_have_caches_of_their_own(manifest: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert CachedModel(manifest, store, dtype="float32").measure_agreement(distinct_pairs(PAIRS)) is None
    agreement = CachedModel(manifest, store, dtype="bfloat16").measure_agreement(distinct_pairs(PAIRS))
    assert agreement is not None and agreement.dtype == "bfloat16"
    assert TOLERANCE < agreement.largest < TOLERANCES["bfloat16"]
    _, *rows = describe_caches(store, compact=False)
    assert sorted(row[1:3] for row in rows) == [("torch", "bfloat16"), ("torch", "float32")]


def test_auto_takes_an_exact_engine_and_later_jobs_the_same_one(manifest: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    given = {"model": manifest, "cache": store, "name": "test", "dtype": "float32"}

    def cached() -> dict[str, int]:
        _, *rows = describe_caches(store, compact=False)
        return {row[1]: int(row[6].replace(",", "")) for row in rows}

    exact = predict_pairs(PAIRS[:20], **given)
    predict_pairs(PAIRS[:20], **given, engine="auto")
    assert set(cached()) == {"torch"}  # torch has these answers already
    values = predict_pairs(PAIRS, **given, engine="auto")
    np.testing.assert_allclose(values["entailment"][:20], exact["entailment"], atol=TOLERANCE)
    faster = [name for name in ENGINES if name != "torch" and ENGINES[name].is_installed()]
    recorded = list(store.glob("*/agreement.json"))
    assert len(recorded) == min(len(faster), 1)
    if not faster:
        pytest.skip("no engine but torch is installed: pip install 'molmix[openvino]'")
    chosen = read_json(recorded[0])["engine"]
    assert chosen in faster
    assert (values["entailment"] == predict_pairs(PAIRS, **given, engine=chosen)["entailment"]).all()
    before = cached()
    # A later job reads what was found: here, that the engine is not exact.
    wrong = Agreement(**read_json(recorded[0]) | {"largest": 0.1})
    recorded[0].write_text(recorded[0].read_text().replace(str(read_json(recorded[0])["largest"]), str(wrong.largest)))
    predict_pairs([("A dye.", "A ring.")], **given, engine="auto")
    assert cached()[chosen] == before[chosen]


def test_auto_is_torch_in_bfloat16(manifest: Path, tmp_path: Path) -> None:
    predict_pairs(PAIRS[:3], model=manifest, cache=tmp_path / "store", name="test", dtype="bfloat16", engine="auto")
    _, row = describe_caches(tmp_path / "store", compact=False)
    assert row[1:3] == ("torch", "bfloat16")


# ---- what is refused -----------------------------------------------------------------------------------------------


def test_an_engine_that_is_not_installed_is_named_with_its_package(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(ENGINES["openvino"]), "packages", ("no-such-package",))
    with pytest.raises(
        MolmixError, match=r"'openvino' is asked for, and no-such-package is not installed here"
    ) as told:
        CachedModel(manifest, tmp_path / "store", engine="openvino")
    assert "pip install no-such-package (the extra `openvino` of molmix)" in str(told.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dtype": "int8"}, "'int8' needs an engine that computes in it: onnx"),
        (
            {"dtype": "bfloat16", "engine": "onnx"},
            "'bfloat16' needs an engine that computes in it: openvino or torch",
        ),
        ({"engine": "tensorrt"}, "tensorrt"),
    ],
)
def test_a_config_with_an_engine_that_lacks_the_format_is_refused(given: dict, words: str) -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as told:
        MadeNli.model_validate({"kind": "made", **given})
    assert words in str(told.value)


def test_jobs_of_the_default_engine_get_the_same_settings_as_before() -> None:
    assert "engine" not in MadeNli(kind="made").asked()
    assert MadeNli(kind="made", engine="auto").asked()["engine"] == "auto"
