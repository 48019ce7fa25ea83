"""The NLI stage: label order, batches, the pair store, the cross matrices, and the small model's training."""

import logging
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from molmix.errors import MolmixError
from molmix.files import read_json, read_table, write_json, write_table
from molmix.nli.run import Pairs, cross
from molmix.nli.store import PairStore, as_values, pair_keys, text_digests

# ---- the store -----------------------------------------------------------------------------------------------------


def keys_of(numbers: range) -> np.ndarray:
    digests = text_digests([f"atom {number}" for number in numbers])
    return pair_keys(digests, digests[::-1])


def values_of(numbers: range) -> np.ndarray:
    share = np.array(numbers) / 1000
    return as_values(np.stack([share, 1 - 2 * share, share], axis=1), np.array(numbers) % 2 == 0)


def fill(folder: Path, numbers: range) -> None:
    """Add a range of pairs, ten at a time."""
    for start in range(numbers.start, numbers.stop, 10):
        some = range(start, start + 10)
        PairStore(folder).add(keys_of(numbers)[start - numbers.start :][:10], values_of(some))


def test_keys_tell_order_and_text_apart() -> None:
    digests = text_digests(["a", "b", "c", "", "\ud800"])
    premises, hypotheses = np.divmod(np.arange(25), 5)
    keys = pair_keys(digests[premises], digests[hypotheses])
    assert len(np.unique(keys, axis=0)) == 25
    assert np.array_equal(keys, pair_keys(digests[premises], digests[hypotheses]))


def test_what_was_added_is_found(tmp_path: Path) -> None:
    fill(tmp_path / "s", range(100))
    wanted = np.concatenate([keys_of(range(100))[30:60], text_digests(["unknown"])])
    values, missing = PairStore(tmp_path / "s").lookup(wanted)
    assert missing.tolist() == [False] * 30 + [True]
    assert np.array_equal(values[:30], values_of(range(100))[30:60])
    assert not PairStore(tmp_path / "s").lookup(keys_of(range(0)))[1].size


def test_a_store_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert PairStore(tmp_path / "s").lookup(keys_of(range(3)))[1].all()
    PairStore(tmp_path / "s").compact()


def test_many_processes_add_at_once(tmp_path: Path) -> None:
    ranges = [range(0, 200), range(100, 300), range(100, 300), range(400, 500)]
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(fill, [tmp_path] * 4, ranges))
    for some in ranges:
        values, missing = PairStore(tmp_path).lookup(keys_of(some))
        assert not missing.any() and np.array_equal(values, values_of(some))
    assert not list(tmp_path.glob(".*"))


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[:-7],
    "cut at a record": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "flipped bit": lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    "longer": lambda data: data + data,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_and_passed_over(damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, range(20))
    victim = min(tmp_path.iterdir())
    victim.write_bytes(DAMAGE[damage](victim.read_bytes()))
    with caplog.at_level(logging.WARNING):
        values, missing = PairStore(tmp_path).lookup(keys_of(range(20)))
    assert missing.sum() == 10 and np.array_equal(values[~missing], values_of(range(20))[~missing])
    assert victim.name in caplog.text


def test_compacting_keeps_every_pair_once(tmp_path: Path) -> None:
    store = PairStore(tmp_path)
    fill(tmp_path, range(100))
    store.add(keys_of(range(100))[:15], values_of(range(15)))
    (tmp_path / "damaged.pairs").write_bytes(b"?")
    assert store.stats() == {"files": 12, "damaged": 1, "pairs": 100, "repeats": 15, "bytes": 115 * 25}
    store.compact()
    assert store.stats() == {"files": 1, "damaged": 0, "pairs": 100, "repeats": 0, "bytes": 2500}
    store.compact()
    values, missing = store.lookup(keys_of(range(100)))
    assert not missing.any() and np.array_equal(values, values_of(range(100)))


def test_a_reader_misses_nothing_while_the_store_is_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, range(50))
    read = Path.read_bytes

    def compact_first(path: Path) -> bytes:
        monkeypatch.setattr(Path, "read_bytes", read)
        PairStore(tmp_path).compact()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", compact_first)
    assert not PairStore(tmp_path).lookup(keys_of(range(50)))[1].any()


# ---- the model -----------------------------------------------------------------------------------------------------

TEXTS = [
    "The molecule is a dye.",
    "The molecule contains two rings and a [SEP] or a </s>.",
    "",
    "It is " + "very, very " * 40 + "long.",
    "染料 é \x07",
]
PAIRS = [(premise, hypothesis) for premise in TEXTS for hypothesis in TEXTS]
THREE = {0: "ENTAILMENT", 1: "neutral", 2: "Contradiction"}


def make_model(folder: Path, shape: str, id2label: dict[int, str] = THREE) -> Path:
    """A tiny classifier of random weights, as a hub model of that shape lies on disk."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

    marks = {"bert": ("[PAD]", "[CLS]", "[SEP]"), "deberta-v2": ("[PAD]", "[CLS]", "[SEP]")}
    pad, start, end = marks.get(shape, ("<pad>", "<s>", "</s>"))
    bare = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    bare.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [start, pad, end, "[UNK]"]  # RoBERTa's padding has id 1
    bare.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special))
    middle = f"{end} {end}" if shape == "roberta" else end
    bare.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {middle} $B:1 {end}:1",
        special_tokens=[(token, bare.token_to_id(token)) for token in (start, end)],
    )
    names = ["input_ids", "attention_mask"] + ["token_type_ids"] * (shape != "roberta")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token=pad, cls_token=start, sep_token=end, unk_token="[UNK]", model_input_names=names
    )
    settings = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]} if shape == "deberta-v2" else {}
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        shape,
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=66,
        type_vocab_size=1 if shape == "roberta" else 2,
        pad_token_id=1,
        initializer_range=0.3,
        id2label=id2label,
        label2id={label: index for index, label in id2label.items()},
        **settings,
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("shape", ["bert", "roberta", "deberta-v2"])
def test_many_at_once_say_what_one_at_a_time_says(shape: str, tmp_path: Path) -> None:
    from molmix.nli.model import NliModel

    folder = make_model(tmp_path, shape)
    model = NliModel.load(folder, max_length=256, batch_tokens=300)
    scores = model.score(PAIRS)
    alone = [model.score([pair]) for pair in PAIRS]
    assert scores.probabilities.dtype == np.float32 and scores.probabilities.shape == (25, 3)
    np.testing.assert_allclose(scores.probabilities, np.concatenate([one.probabilities for one in alone]), atol=1e-5)
    np.testing.assert_allclose(scores.probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.ptp(scores.probabilities, axis=0).min() > 0.01  # the answers differ, or this test says nothing
    # The model has 66 positions (RoBERTa spends two of them), so all pairs with the long text are cut.
    assert scores.truncated.tolist() == [TEXTS[3] in pair for pair in PAIRS]
    assert len(model.score([]).probabilities) == 0


def test_scores_equal_a_plain_forward_pass(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from molmix.nli.model import NliModel

    folder = make_model(tmp_path, "bert", {0: "contradiction", 1: "entailment", 2: "neutral"})
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)("The molecule is a dye.", "It is long.", return_tensors="pt")
    with torch.inference_mode():
        expected = plain(**inputs).logits.softmax(-1)[0].numpy()[[1, 2, 0]]
    scores = NliModel.load(folder).score([("The molecule is a dye.", "It is long.")])
    np.testing.assert_allclose(scores.probabilities[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["entailment", "neutral", "contradiction"], [0, 1, 2]),
        (["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], [2, 1, 0]),
        (["Entail", "Contradict", "Neutral"], [0, 2, 1]),
        (["entailment", "not_entailment"], [0, 1]),
        (["not entailment", "entailment"], [1, 0]),
        (["non-entailment", "entailment"], [1, 0]),
    ],
)
def test_labels_are_read_by_name(labels: list[str], order: list[int]) -> None:
    from molmix.nli.model import label_order

    assert label_order(dict(enumerate(labels)), "here") == order


@pytest.mark.parametrize(
    "labels", [["LABEL_0", "LABEL_1"], ["neutral"], ["entailment", "entails"], ["entailment", "joy"]]
)
def test_a_model_without_an_entailment_label_is_refused(labels: list[str]) -> None:
    from molmix.nli.model import label_order

    with pytest.raises(MolmixError, match=labels[0]):
        label_order(dict(enumerate(labels)), "here")


def test_a_two_label_model_never_contradicts(tmp_path: Path) -> None:
    from molmix.nli.model import NliModel

    model = NliModel.load(make_model(tmp_path, "bert", {0: "not_entailment", 1: "entailment"}))
    probabilities = model.score(PAIRS).probabilities
    assert (probabilities[:, 2] == 0).all() and (probabilities[:, :2] > 0).all()


def test_weights_without_a_classifier_are_refused(tmp_path: Path) -> None:
    from transformers import BertModel

    from molmix.nli.model import NliModel

    folder = make_model(tmp_path, "bert")
    BertModel.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(MolmixError, match="classifier"):
        NliModel.load(folder)
    with pytest.raises(MolmixError, match="cannot be loaded"):
        NliModel.load(tmp_path / "nowhere")


# ---- the stage -----------------------------------------------------------------------------------------------------

ATOMS = pa.schema([("id", pa.string()), ("atoms", pa.list_(pa.string()))])
REFERENCE = {"a": ["The molecule is a dye.", "It is long."], "b": ["It is long."], "c": [], "d": ["The molecule."]}
GENERATED = {"d": [], "b": ["The molecule is a dye.", "The molecule."], "a": ["The molecule."], "c": ["It is long."]}
OTHER = {"a": ["The rings."], "b": ["A dye."], "c": [], "d": []}


def write_atoms(path: Path, atoms: dict[str, list[str]]) -> Path:
    write_table(path, [{"id": name, "atoms": texts} for name, texts in atoms.items()], ATOMS)
    return path


@pytest.fixture
def stage(tmp_path: Path) -> dict:
    """Arguments of a small stage."""
    weights = make_model(tmp_path / "model" / "weights", "bert")
    write_json(tmp_path / "model" / "manifest.json", {"weights": {"path": "weights", "digest": "0123"}})
    tables = (write_atoms(tmp_path / "r.parquet", REFERENCE), write_atoms(tmp_path / "g.parquet", GENERATED))
    assert weights.is_dir()
    return {
        "atoms": {"id": tables},
        "outs": {"id": tmp_path / "out.parquet"},
        "model": tmp_path / "model" / "manifest.json",
        "store": tmp_path / "store",
    }


def test_cells_hold_what_the_model_says(stage: dict) -> None:
    from molmix.nli.model import NliModel

    cross(**stage)
    model = NliModel.load(stage["model"].parent / "weights")
    rows = read_table(stage["outs"]["id"]).to_pylist()
    assert [row["id"] for row in rows] == list(GENERATED)
    assert [(row["n_generated"], row["n_reference"]) for row in rows] == [(0, 1), (2, 1), (1, 2), (1, 0)]
    for row in rows:
        cells = [(given, said) for said in GENERATED[row["id"]] for given in REFERENCE[row["id"]]]
        for direction, step in (("forward", 1), ("backward", -1)):
            expected = model.score([cell[::step] for cell in cells]).probabilities
            assert row[f"{direction}_entailment"] == pytest.approx(expected[:, 0], abs=1e-5)
            assert row[f"{direction}_contradiction"] == pytest.approx(expected[:, 2], abs=1e-5)
        assert row["n_truncated"] == 0


def test_an_empty_a_full_and_a_damaged_store_give_the_same_bytes(stage: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molmix.nli.run.CHUNK", 2)
    out = stage["outs"]["id"]
    cross(**stage)
    first = out.read_bytes()
    (folder,) = stage["store"].iterdir()
    files = sorted(folder.iterdir())
    assert len(files) > 2
    files[0].write_bytes(files[0].read_bytes()[:-1])
    files[1].unlink()
    cross(**stage)
    assert out.read_bytes() == first
    # Now all is there, and the model is not missed.
    (stage["model"].parent / "weights").rename(stage["model"].parent / "gone")
    cross(**stage)
    assert out.read_bytes() == first


def test_neighbours_are_asked_in_the_same_go(stage: dict, tmp_path: Path) -> None:
    other = write_atoms(tmp_path / "other.parquet", OTHER)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1")
    stranger = write_atoms(tmp_path / "stranger.parquet", {"z": ["A dye."]})
    neighbours = {"id": [tmp_path / "absent.parquet", broken, stranger, other]}
    cross(**stage, neighbours=neighbours)
    (stage["model"].parent / "weights").rename(stage["model"].parent / "gone")
    cross(**stage | {"atoms": {"id": (stage["atoms"]["id"][0], other)}}, neighbours=neighbours)
    assert read_table(stage["outs"]["id"])["n_generated"].to_pylist() == [1, 1, 0, 0]


def test_long_pairs_are_counted_from_the_store_too(stage: dict, tmp_path: Path) -> None:
    said = write_atoms(tmp_path / "long.parquet", GENERATED | {"a": [TEXTS[3], "The molecule."]})
    stage["atoms"] = {"id": (stage["atoms"]["id"][0], said)}
    for _ in range(2):
        cross(**stage)
        assert read_table(stage["outs"]["id"])["n_truncated"].to_pylist() == [0, 0, 4, 0]


def test_distinct_pairs_only(tmp_path: Path) -> None:
    many = {f"{number}": REFERENCE["a"] for number in range(50)}
    pairs = Pairs.of(write_atoms(tmp_path / "r.parquet", many), write_atoms(tmp_path / "g.parquet", many))
    premises, hypotheses, places = pairs.distinct
    assert len(premises) == len(hypotheses) == 4
    assert len(places) == 2 * 50 * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "lacks the caption"),
        (lambda rows: [*rows[:-1], {"id": "x", "atoms": []}], "lacks the caption"),
        (lambda rows: [*rows, rows[0]], "more than once"),
    ],
)
def test_ids_that_do_not_match_are_refused(stage: dict, change: Callable, message: str) -> None:
    path = stage["atoms"]["id"][1]
    write_table(path, change(read_table(path).to_pylist()), ATOMS)
    with pytest.raises(MolmixError, match=message):
        cross(**stage)


def test_references_and_the_system_itself_are_no_neighbours(stage: dict, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="molmix.nli.run"):
        cross(**stage, neighbours={"id": list(stage["atoms"]["id"])})
    assert len(caplog.records) == 1


# ---- training ------------------------------------------------------------------------------------------------------


def test_a_small_judge_is_made_measured_and_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from molmix.nli.model import NliModel
    from molmix.nli.train import train

    monkeypatch.setattr("molmix.nli.train.HELD_OUT", 300)
    settings = {"pairs": 1500, "epochs": 0.6, "seed": 3, "threads": 1}
    for name in ("one", "two"):
        train(**settings, min_accuracy=0.2, out=tmp_path / name)
    one, two = (read_json(tmp_path / name / "manifest.json") for name in ("one", "two"))
    assert one["weights"] == two["weights"]
    assert one["kind"] == "nli" and one["rows"] == {"train": 1500, "heldout": 300}
    assert set(one["accuracy"]["by_label"]) == {"entailment", "neutral", "contradiction"}
    model = NliModel.load(tmp_path / "one" / "weights")
    assert model.score([("The molecule is a dye.", "It is a dye.")]).probabilities.sum() == pytest.approx(1)
    with pytest.raises(MolmixError, match=r"min_accuracy.*1\.0 is asked for"):
        train(**settings, min_accuracy=1.0, out=tmp_path / "three")
    assert not (tmp_path / "three" / "manifest.json").exists()


def test_muon_directions_are_orthogonal() -> None:
    import torch

    from molmix.nli.muon import Muon

    for shape in ((8, 8), (16, 8), (8, 16)):
        weight = torch.nn.Parameter(torch.zeros(shape))
        weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        Muon([weight], lr=1.0).step()
        singular = torch.linalg.svdvals(weight.detach()) / max(1, shape[0] / shape[1]) ** 0.5
        assert ((singular > 0.5) & (singular < 1.4)).all()
        assert (weight.detach() * weight.grad).sum() < 0  # downhill


def test_importing_the_light_parts_is_cheap() -> None:
    code = "import sys, molmix.nli.run; print(*{'torch', 'transformers', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
