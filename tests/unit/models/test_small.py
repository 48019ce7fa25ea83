"""Models made in the graph: the seam between prompt and answer, what each task sees, and the same bytes each time."""

from itertools import chain
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

import molmix.models.small
from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_table
from molmix.data.prompts import answer, prompt
from molmix.models.loading import load
from molmix.models.small import encode, make_tokenizer, train_initial
from tests.unit.core.test_tracking import logged, scalars

TEMPLATES = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}
MOLECULES = [
    head + middle + tail
    for head in ("CC", "[NH3+]C", "N#CC")
    for middle in ("(=O)O", "c1ccccc1", "C[C@@H](F)")
    for tail in ("C", "Cl", "S(=O)(=O)N", "C(=O)[O-]")
]
PAIRS = [
    (molecule, f'The molecule has {len(molecule)} "pieces", {"not " * (number % 2)}1,2-diol-like; it\'s {number % 5}.')
    for number, molecule in enumerate(MOLECULES)
]
SETTINGS = {
    "kind": "made", "task": "unpaired", "epochs": 1.0, "learning_rate": 3e-3, "batch_size": 8, "hidden_size": 32,
    "layers": 2, "heads": 2, "vocabulary": 320, "prompts": TEMPLATES,
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(PAIRS, TEMPLATES, 320)


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.parquet"
    write_table(path, pa.table({"molecule": [pair[0] for pair in PAIRS], "caption": [pair[1] for pair in PAIRS]}))
    return path


def make(out: Path, train: Path, parent: Path | None = None, seed: int = 7, **settings) -> Path:
    train_initial(
        model_id=out.name,
        train=train,
        parent=parent,
        out=out,
        settings=SETTINGS | settings,
        seed=seed,
        threads=1,
        trackers=["tensorboard"],
        curves=out.parent / "tensorboard" / out.name,
    )
    return out / "manifest.json"


@pytest.fixture(scope="module")
def base(tmp_path_factory, train) -> Path:
    return make(tmp_path_factory.mktemp("models") / "base", train)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- tokenizer --------------------------------------------------------------------------------------------------


def seam_holds(tokenizer, head: str, tail: str) -> bool:
    tails = tokenizer(tail, add_special_tokens=False)["input_ids"]
    return tokenizer(head)["input_ids"] + tails == tokenizer(head + tail)["input_ids"]


def test_prompt_and_answer_tokenize_the_same_apart_and_together(tokenizer):
    for molecule, caption in PAIRS:
        assert seam_holds(tokenizer, prompt(TEMPLATES["mol2cap"], "mol2cap", molecule), answer(caption))
        assert seam_holds(tokenizer, prompt(TEMPLATES["cap2mol"], "cap2mol", caption), answer(molecule))


@given(source=st.text(), target=st.text(min_size=1), tail=st.sampled_from([":", " ", "\n", "'", "é", "=> "]))
def test_the_seam_holds_for_any_text(tokenizer, source, target, tail):
    if target := answer(target).strip():
        assert seam_holds(tokenizer, source + tail, " " + target)


@given(text=st.text())
def test_any_text_can_be_written_and_read_back(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids[1:], clean_up_tokenization_spaces=False) == text


def test_special_tokens_are_distinct_and_only_the_first_is_added(tokenizer):
    special = (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id)
    assert len(set(special)) == 4
    ids = tokenizer("Molecule: CCO")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id and not set(special) & set(ids[1:])
    assert len(tokenizer) == 320


def test_a_tokenizer_reads_back_as_it_was(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    for text in PAIRS[0]:
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert again.special_tokens_map == tokenizer.special_tokens_map


# ---- what a task sees -------------------------------------------------------------------------------------------


def test_unpaired_texts_never_hold_a_pair(tokenizer):
    rows = encode(tokenizer, PAIRS, "unpaired", TEMPLATES)
    texts = [tokenizer.decode(ids) for ids, _ in rows]
    alone = [f"<s>Molecule: {molecule}</s>" for molecule, _ in PAIRS]
    assert texts == alone + [f"<s>Caption: {caption}</s>" for _, caption in PAIRS]
    assert {free for _, free in rows} == {1}


@pytest.mark.parametrize("task", ["mol2cap", "cap2mol"])
def test_a_direction_bears_loss_on_the_answer_and_its_end_only(tokenizer, task):
    for (molecule, caption), (ids, free) in zip(PAIRS, encode(tokenizer, PAIRS, task, TEMPLATES), strict=True):
        source, target = (molecule, caption) if task == "mol2cap" else (caption, molecule)
        assert tokenizer.decode(ids[:free]) == "<s>" + prompt(TEMPLATES[task], task, source)
        assert tokenizer.decode(ids[free:]) == f" {target}</s>"


def test_padding_and_prompt_bear_no_loss():
    ids, labels = molmix.models.small._padded([([1, 5, 6, 2], 2), ([1, 2], 1)], 0)
    assert ids.tolist() == [[1, 5, 6, 2], [1, 2, 0, 0]]
    assert labels.tolist() == [[-100, -100, 6, 2], [-100, 2, -100, -100]]


def test_an_epoch_sees_every_row_once_in_batches_of_like_length():
    rows = [([1] * (3 + number % 40), 1) for number in range(1000)]
    batches = molmix.models.small._batches(rows, 8, seed=7)
    first, second = ([next(batches) for _ in range(125)] for _ in range(2))
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(1000))
    assert first != second
    assert sum(max(lengths) - min(lengths) for lengths in ([len(rows[p][0]) for p in b] for b in first)) < 125 * 8


# ---- training ---------------------------------------------------------------------------------------------------


def test_a_model_is_the_same_bytes_for_the_same_seed(base, train, tmp_path):
    make(tmp_path / "base", train)
    assert files(tmp_path / "base") == files(base.parent)
    make(tmp_path / "base", train, seed=8)
    assert read_json(tmp_path / "base" / "manifest.json")["weights"] != read_json(base)["weights"]


def test_the_manifest_says_how_it_went(base, train):
    facts, log = read_json(base), read_table(base.parent / "log.parquet").to_pylist()
    assert facts["kind"] == "initial" and facts["method"] == "made" and facts["parents"] == []
    assert facts["rows"] == {"texts": 72, "dropped_too_long": 0}
    assert facts["steps"] == len(log) == 9
    assert scalars(base.parents[1] / "tensorboard" / "base")["train/loss"] == logged(
        base.parent / "log.parquet", "loss"
    )
    assert log[-1]["step"] == 9 and log[-1]["epoch"] == 1.0
    rates = [entry["learning_rate"] for entry in log]
    assert rates == sorted(rates, reverse=True) and rates[0] == SETTINGS["learning_rate"] and rates[-1] > 0


def test_a_child_goes_on_from_its_parent(base, train, tmp_path):
    child = make(tmp_path / "child", train, base, task="mol2cap", epochs=6.0)
    facts, log = read_json(child), read_table(tmp_path / "child" / "log.parquet").to_pylist()
    assert facts["parents"] == ["base"]
    assert facts["inputs"]["parent"] == read_json(base)["weights"]["digest"]
    assert log[0]["loss"] > 1.5 * facts["final_loss"]
    assert (tmp_path / "child/weights/tokenizer.json").read_bytes() == (
        base.parent / "weights/tokenizer.json"
    ).read_bytes()
    mine, parents = load(child)[0].state_dict(), load(base)[0].state_dict()
    assert mine.keys() == parents.keys() and not any(torch.equal(mine[name], parents[name]) for name in mine)


def test_texts_that_do_not_fit_are_dropped_and_counted(train, tmp_path):
    rows = read_table(train).to_pylist()
    rows[3]["caption"] = "7 " * 600
    write_table(tmp_path / "long.parquet", pa.Table.from_pylist(rows))
    facts = read_json(make(tmp_path / "model", tmp_path / "long.parquet"))
    assert facts["rows"] == {"texts": 72, "dropped_too_long": 1}
    write_table(tmp_path / "none.parquet", pa.Table.from_pylist([{"molecule": "7 " * 600, "caption": "7 " * 600}]))
    with pytest.raises(MolmixError, match=r"none\.parquet: none of its 2 texts"):
        make(tmp_path / "model", tmp_path / "none.parquet")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 3}, r"initial\.model\.heads: 3 heads do not divide a hidden_size of 32"),
        ({"learning_rate": 1e30}, r"initial\.model: the loss is nan at step \d+\n  Hint: lower its `learning_rate`"),
    ],
)
def test_what_cannot_be_trained_is_refused(train, tmp_path, settings, message):
    with pytest.raises(MolmixError, match=message):
        make(tmp_path / "model", train, **settings)
    assert not (tmp_path / "model" / "manifest.json").exists()


def test_a_manifest_never_stands_beside_half_a_model(train, tmp_path, monkeypatch):
    manifest = make(tmp_path / "model", train)

    def die(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(molmix.models.small, "write_table", die)
        make(tmp_path / "model", train, seed=8)
    assert not manifest.exists()
    make(tmp_path / "model", train, seed=8)
    assert {path.name for path in manifest.parent.iterdir()} == {"weights", "log.parquet", "manifest.json"}
