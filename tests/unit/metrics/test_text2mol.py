"""Text2Mol against its formula, on small random weights in the published layout."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_table
from molmix.metrics import Answers, Options
from molmix.metrics.families.text2mol import measure
from molmix.metrics.text2mol_model import FEATURES, load_text2mol, read_features, text2mol, write_similarities
from tests.graph.conftest import snakemake  # noqa: F401 (a fixture)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "molecule", "is", "an", "acid", "##ic", "base"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
HIDDEN = 20
# The published state dict beside the text encoder: name and shape, with SciBERT's 768 and the hidden 600 made small.
LAYOUT = {
    "temp": (1,),
    "text_hidden1.weight": (FEATURES, SIZES["hidden_size"]),
    "text_hidden1.bias": (FEATURES,),
    "mol_hidden1.weight": (HIDDEN, FEATURES),
    "mol_hidden1.bias": (HIDDEN,),
    "mol_hidden2.weight": (HIDDEN, HIDDEN),
    "mol_hidden2.bias": (HIDDEN,),
    "mol_hidden3.weight": (FEATURES, HIDDEN),
    "mol_hidden3.bias": (FEATURES,),
    "ln1.weight": (FEATURES,),
    "ln1.bias": (FEATURES,),
    "ln2.weight": (FEATURES,),
    "ln2.bias": (FEATURES,),
}
TEXTS = ["the molecule is an acid", "acidic", "", "the molecule is an acid", "the base is [PAD] acidic", "acid " * 400]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Config and vocabulary as SciBERT's folder has them: no weights, no model type."""
    folder = tmp_path_factory.mktemp("scibert")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    (folder / "config.json").write_text(json.dumps({"vocab_size": len(WORDS), **SIZES}))
    return folder


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    encoder = BertModel(BertConfig(vocab_size=len(WORDS), **SIZES))
    state = {name: torch.randn(shape) for name, shape in LAYOUT.items()}
    state |= {f"text_transformer_model.{name}": value * 5 for name, value in encoder.state_dict().items()}
    return state | {"text_transformer_model.embeddings.position_ids": torch.arange(512)[None]}


@pytest.fixture(scope="module")
def weights(state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "final_weights.320.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def features() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(5)
    return {smiles: generator.normal(size=FEATURES).astype(np.float32) for smiles in ("CC(=O)O", "CN", "CCO")}


def by_formula(text: str, vector: np.ndarray, state: dict[str, torch.Tensor]) -> float:
    """The cosine of one text, padded to 256 tokens as the published script does, out of plain matrix products."""
    words = [word for word in text.replace("acidic", "acid ##ic").split() if word]
    ids = [WORDS.index(word) for word in ["[CLS]", *words[:254], "[SEP]"]]
    padding = [0] * (256 - len(ids))
    encoder = BertModel(BertConfig(vocab_size=len(WORDS), **SIZES)).eval()
    prefix = "text_transformer_model."
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    own.pop("embeddings.position_ids")
    encoder.load_state_dict(own)
    w = {name: value.double().numpy() for name, value in state.items()}
    with torch.no_grad():
        pooled = encoder(
            torch.tensor([ids + padding]), attention_mask=torch.tensor([[1] * len(ids) + padding])
        ).pooler_output[0]
    caption = w["text_hidden1.weight"] @ pooled.double().numpy() + w["text_hidden1.bias"]
    molecule = np.maximum(w["mol_hidden1.weight"] @ vector + w["mol_hidden1.bias"], 0)
    molecule = np.maximum(w["mol_hidden2.weight"] @ molecule + w["mol_hidden2.bias"], 0)
    molecule = w["mol_hidden3.weight"] @ molecule + w["mol_hidden3.bias"]
    one, two = (
        np.exp(w["temp"]) * ((x - x.mean()) / np.sqrt(x.var() + 1e-5) * w[f"{norm}.weight"] + w[f"{norm}.bias"])
        for x, norm in ((molecule, "ln1"), (caption, "ln2"))
    )
    return float(one @ two / np.sqrt((one @ one) * (two @ two)))


@pytest.mark.parametrize("batch_tokens", [1, 40, 16384])
def test_equals_the_formula(weights, folder, features, state, batch_tokens: int) -> None:
    molecules = ["CN", "CC(=O)O", "CCO", "C", "CCO", "CN"]
    similarity, covered = text2mol(
        TEXTS, molecules, weights=weights, text_model=str(folder), features=features, batch_tokens=batch_tokens
    )
    assert covered.tolist() == [True, True, True, False, True, True]
    expected = [
        by_formula(text, features[molecule], state) if molecule in features else np.nan
        for text, molecule in zip(TEXTS, molecules, strict=True)
    ]
    np.testing.assert_allclose(similarity, expected, atol=2e-5)
    assert np.nanstd(similarity) > 0.01


def test_nothing_covered_loads_nothing(folder: Path, tmp_path: Path) -> None:
    similarity, covered = text2mol(["acid"], ["C"], weights=tmp_path / "none", text_model=str(folder), features={})
    assert np.isnan(similarity).all()
    assert not covered.any()


def test_weights_must_have_the_layout(state, folder: Path, tmp_path: Path) -> None:
    def saved(content: dict[str, torch.Tensor]) -> Path:
        save_file({name: value.clone() for name, value in content.items()}, tmp_path / "weights.safetensors")
        return tmp_path / "weights.safetensors"

    model, _ = load_text2mol(saved(state), str(folder))
    assert set(model.state_dict()) == {name for name in state if not name.endswith("position_ids")}
    for broken in (
        {name: value for name, value in state.items() if name != "ln2.bias"},
        {name: value for name, value in state.items() if name != "mol_hidden1.weight"},
        state | {"conv1.weight": torch.ones(3)},
        state | {"text_hidden1.weight": torch.ones(FEATURES, 3)},
    ):
        with pytest.raises(MolmixError, match="no Text2Mol model"):
            load_text2mol(saved(broken), str(folder))
    (tmp_path / "weights.pt").write_bytes(b"no weights")
    with pytest.raises(MolmixError, match="cannot be read as weights"):
        load_text2mol(tmp_path / "weights.pt", str(folder))
    with pytest.raises(MolmixError, match="cannot be read as weights"):
        load_text2mol(tmp_path / "absent.pt", str(folder))


def test_text_model_must_be_whole(weights: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match="revision"):
        load_text2mol(weights, "allenai/scibert_scivocab_uncased")
    with pytest.raises(MolmixError, match=r"no config\.json"):
        load_text2mol(weights, str(tmp_path))
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(MolmixError, match="5 words for a model of 12"):
        load_text2mol(weights, str(tmp_path))


def test_weights_that_run_code_are_refused(folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "boom",))

    torch.save({"temp": Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(MolmixError, match="cannot be read as weights"):
        load_text2mol(tmp_path / "bomb.pt", str(folder))
    assert not (tmp_path / "boom").exists()


def test_broken_weights_give_no_figure(state, folder: Path, features, tmp_path: Path) -> None:
    torch.save(state | {"ln2.bias": torch.full((FEATURES,), torch.nan)}, tmp_path / "nan.pt")
    with pytest.raises(MolmixError, match="NaN"):
        text2mol(["acid"], ["CN"], weights=tmp_path / "nan.pt", text_model=str(folder), features=features)


def test_feature_files(tmp_path: Path) -> None:
    rows = {"OCC": np.arange(FEATURES) / 7, "no molecule": np.ones(FEATURES), "CN": -np.arange(FEATURES) / 3}
    published = [f'{name}\t{" ".join(map(str, row))}\tan "acid"' for name, row in rows.items()]
    (tmp_path / "test.txt").write_text("\n".join(published) + "\n")
    header = ["", "ID", "GT_SMI", *(f"mol2vec-{number:03d}" for number in range(FEATURES))]
    lines = [[str(number), "", name, *map(str, row)] for number, (name, row) in enumerate(rows.items())]
    (tmp_path / "m2v.csv").write_text("\n".join(",".join(line) for line in [header, *lines]) + "\n")
    write_table(
        tmp_path / "m2v.parquet", pa.table({"GT_SMI": list(rows), "mol2vec": [row.tolist() for row in rows.values()]})
    )
    for name in ("test.txt", "m2v.csv", "m2v.parquet"):
        found = read_features(tmp_path / name, "molecule", "GT_SMI")
        assert list(found) == ["CCO", "no molecule", "CN"], name
        np.testing.assert_allclose(found["CN"], rows["CN"], rtol=1e-6)
        assert list(read_features(tmp_path / name, "id", "GT_SMI")) == list(rows)
    (tmp_path / "short.txt").write_text(published[0] + "\nCC\t1.0 2.0\tan acid\n")
    with pytest.raises(MolmixError, match=r"row 2: does not hold 300"):
        read_features(tmp_path / "short.txt", "molecule", "")


def test_one_id_in_two_test_sets_is_two_molecules(weights: Path, folder: Path, features, state, tmp_path: Path) -> None:
    """One file for all test sets gave both molecules with the id 7 the features of one of them."""
    settings = {"weights": str(weights), "text_model": str(folder), "key": "id", "column": "cid"}
    settings |= {"features": {name: str(tmp_path / f"{name}.parquet") for name in ("first", "second")}}
    write_table(tmp_path / "said.parquet", pa.table({"id": ["7"], "text": ["an acid"]}))
    for name, smiles in (("first", "CN"), ("second", "CCO")):
        write_table(tmp_path / f"{name}.parquet", pa.table({"cid": [7], "mol2vec": [features[smiles].tolist()]}))
        write_table(tmp_path / "test.parquet", pa.table({"id": ["7"], "molecule": [smiles]}))
        files = {"test": tmp_path / "test.parquet", "predictions": tmp_path / "said.parquet"}
        write_similarities(name=name, settings=settings, out=tmp_path / "out.parquet", **files)
        (found,) = read_table(tmp_path / "out.parquet")["text2mol"].to_pylist()
        assert found == pytest.approx(by_formula("an acid", features[smiles], state), abs=2e-5)


def test_a_key_that_is_missing_or_twice_is_refused(tmp_path: Path) -> None:
    """A null became the text "None", which a row's id can be; of two rows with one id the last was taken."""
    numbers = [[float(number)] * FEATURES for number in range(3)]
    for keys, message in (
        ([1, None, 2], r"row 2: its id is null"),
        (["a", " ", "b"], r"row 2: its id is ' '"),
        (["a", "b", "a"], r"row 3: a second molecule has the id 'a'"),
    ):
        write_table(tmp_path / "m2v.parquet", pa.table({"id": keys, "mol2vec": numbers}))
        with pytest.raises(MolmixError, match=message):
            read_features(tmp_path / "m2v.parquet", "id", "id")
    (tmp_path / "test.txt").write_text("\t" + " ".join(["1.0"] * FEATURES) + "\tan acid\n")
    with pytest.raises(MolmixError, match=r"row 1: its molecule is ''"):
        read_features(tmp_path / "test.txt", "molecule", "")


def test_from_files_to_the_metric(weights: Path, folder: Path, features, state, tmp_path: Path) -> None:
    texts, molecules = ["acidic", "an acid", "the base"], ["CN", "CCCC", "CCO"]
    write_table(tmp_path / "test.parquet", pa.table({"id": ["a", "b", "c"], "molecule": molecules}))
    write_table(tmp_path / "m2v.parquet", pa.table({"molecule": list(features), "mol2vec": list(features.values())}))
    settings = {"weights": str(weights), "text_model": str(folder), "features": str(tmp_path / "m2v.parquet")}

    def write(ids: list[str]) -> pa.Table:
        write_table(tmp_path / "said.parquet", pa.table({"id": ids, "text": texts}))
        out = tmp_path / "out.parquet"
        write_similarities(
            name="one",
            test=tmp_path / "test.parquet",
            predictions=tmp_path / "said.parquet",
            settings=settings,
            out=out,
        )
        return read_table(out)

    table = write(["a", "b", "c"])
    assert table["text2mol"].null_count == 1
    frame = measure(answers(texts, molecules, table))
    assert frame is not None
    assert frame["text2mol_covered"].tolist() == [1, 0, 1]
    assert frame["text2mol"].mean() == pytest.approx(
        np.mean([by_formula("acidic", features["CN"], state), by_formula("the base", features["CCO"], state)]), abs=2e-5
    )
    assert measure(answers(texts, molecules, None)) is None
    with pytest.raises(MolmixError, match="ids are not those"):
        write(["a", "c", "b"])


def answers(texts: list[str], molecules: list[str], table: pa.Table | None) -> Answers:
    none: list[list[str] | None] = [None] * len(texts)
    options = Options(judges={}, vocabulary=None, wordnet=None, domain="molecules")
    references = [[text] for text in texts]
    return Answers("mol2cap", texts, molecules, references, none, none, {}, options, text2mol=table)


@pytest.mark.slow
def test_the_graph_scores_with_it(weights: Path, folder: Path, features, tmp_path: Path, snakemake) -> None:  # noqa: F811
    rows = [{"molecule": smiles, "caption": f"the acid {n}", "id": str(n)} for n, smiles in enumerate(features)]
    (tmp_path / "refs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_table(tmp_path / "m2v.parquet", pa.table({"molecule": list(features), "mol2vec": list(features.values())}))
    columns = {"molecule": "molecule", "caption": "caption", "id": "id"}
    given = {"weights": str(weights), "text_model": str(folder), "features": "m2v.parquet"}
    study = {
        "run": "t2m",
        "data": {"tests": {"one": {"source": {"kind": "file", "path": "refs.jsonl", "columns": columns}}}},
        "systems": [{"name": "same", "predictions": {"one": {"path": "refs.jsonl", "id": "id"}}}],
        "metrics": {"text2mol": given},
    }
    done = snakemake(tmp_path, "results/t2m/text2mol/same/one.parquet", study=study)
    assert done.returncode == 0, done.stdout
    assert read_json(tmp_path / "results/t2m/text_models/text2mol/manifest.json")["source"] == str(folder)
    assert read_table(tmp_path / "results/t2m/text2mol/same/one.parquet")["text2mol"].null_count == 0
