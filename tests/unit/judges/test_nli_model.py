"""NLI models: label order, batches, number formats, over-long pairs, what is refused."""

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molmix.config import documentation, loading
from molmix.config.files import check_files
from molmix.core.errors import MolmixError
from molmix.judges.nli import number_format
from molmix.judges.nli.labels import label_order
from tests.nli_models import PAIRS, POSITIONS, TOKENIZERS, make_model, rows_computed

LABELS = ["entailment", "neutral", "contradiction"]
SHAPES = ["bert", "roberta", "deberta-v2"]


@pytest.fixture(scope="module", params=SHAPES)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of each shape."""
    return make_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_models_of_tests_have_one_vocabulary(shape: str) -> None:
    assert TOKENIZERS[shape]().get_vocab() == TOKENIZERS[shape]().get_vocab()


# ---- many at once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2)])
def test_many_at_once_say_what_a_plain_forward_pass_says_of_one(folder: Path, dtype: str, tolerance: float) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from molmix.judges.nli.model import NliModel

    scores = NliModel.load(folder, batch_tokens=300, dtype=dtype).score(PAIRS)
    assert scores.probabilities.dtype == np.float32 and scores.probabilities.shape == (len(PAIRS), 3)
    np.testing.assert_allclose(scores.probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.ptp(scores.probabilities, axis=0).min() > 0.1  # the answers differ, or this test says nothing
    plain = AutoModelForSequenceClassification.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, split_special_tokens=True)
    room = POSITIONS - 2 * (plain.config.model_type == "roberta")
    for (premise, hypothesis), answer, truncated in zip(PAIRS, *scores, strict=True):
        pair = [premise], [hypothesis]  # in lists, or an empty second text is taken for none
        inputs = tokenizer(*pair, return_tensors="pt", truncation="longest_first", max_length=room)
        with torch.inference_mode():
            expected = plain(**inputs).logits[0].float().softmax(-1).numpy()
        np.testing.assert_allclose(answer, expected, atol=tolerance)
        assert truncated == (len(tokenizer(*pair)["input_ids"][0]) > room)
    assert 10 < scores.truncated.sum() < 20  # those with the long text among them


def test_company_changes_nothing(folder: Path) -> None:
    from molmix.judges.nli.model import NliModel

    model = NliModel.load(folder)
    together = model.score(PAIRS).probabilities
    alone = np.concatenate([model.score([pair]).probabilities for pair in PAIRS])
    halves = [model.score(PAIRS[start::2]).probabilities for start in (0, 1)]
    for start in (0, 1):
        np.testing.assert_allclose(together[start::2], halves[start], atol=1e-6)
    np.testing.assert_allclose(together, alone, atol=1e-6)
    # Kept to five digits, the answers are the same ones; see molmix.judges.nli.model for why.
    assert np.array_equal(together.round(5), alone.round(5))
    assert len(model.score([]).probabilities) == 0


def test_every_pair_is_computed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from molmix.judges.nli.model import NliModel

    model = NliModel.load(folder, batch_tokens=300)
    seen = rows_computed(monkeypatch)
    model.score(PAIRS)
    assert sum(seen) == len(PAIRS)


def test_few_rows_are_multiplied_as_many_are() -> None:
    import torch

    from molmix.judges.nli.torch_forward import EvenRows

    torch.manual_seed(0)
    layer, rows = torch.nn.Linear(768, 96), torch.randn(3, 67, 768)
    with torch.inference_mode(), EvenRows():
        together = layer(rows)
        for count in (1, 2, 3):
            for own, expected in ((rows[:count], together[:count]), (rows[0, :count], together[0, :count])):
                assert layer(own).shape == expected.shape
                torch.testing.assert_close(layer(own), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("change", [{}, {"position_buckets": -1}, {"share_att_key": False}])
def test_debertas_unused_distances_change_no_bit(change: dict) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from molmix.judges.nli.torch_forward import Distances
    from tests.nli_models import SHAPES as SETTINGS

    torch.manual_seed(0)
    shape = SETTINGS["deberta-v2"] | {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2} | change
    config = AutoConfig.for_model("deberta-v2", vocab_size=50, max_position_embeddings=POSITIONS, **shape)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    lengths = (1, 2, 7, 12, 13, 40, POSITIONS)
    inputs = [{"input_ids": torch.randint(50, (3, length))} for length in lengths]
    with torch.inference_mode():
        plain = [model(**one).logits for one in inputs]
        distances = Distances(model)
        for length, one, expected in zip(lengths, inputs, plain, strict=True):
            distances.fit(length)
            torch.testing.assert_close(model(**one).logits, expected, atol=1e-6, rtol=0)
    assert len(model.base_model.encoder.get_rel_embedding()) <= 2 * POSITIONS


# ---- number formats ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("has", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_the_format_is_chosen_by_the_hardware(has: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert number_format.resolve_dtype("bfloat16") == "bfloat16"
    monkeypatch.setattr(number_format, "_gpu_has_bfloat16", lambda: False)
    monkeypatch.setattr(number_format, "cpu_has_bfloat16", lambda: has)
    assert number_format.resolve_dtype("auto") == expected
    with pytest.raises(MolmixError, match="float16"):
        number_format.resolve_dtype("float16")


def test_without_a_gpu_torch_is_not_asked(tmp_path: Path) -> None:
    assert not number_format._gpu_has_bfloat16(tmp_path)


# ---- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["entailment", "neutral", "contradiction"], [0, 1, 2]),
        (["CONTRADICTION", "NEUTRAL", "ENTAILMENT"], [2, 1, 0]),
        (["Entail", "Contradict", "Neutral"], [0, 2, 1]),
        (["entailment", "not_entailment"], [0, 1]),
        (["not entailment", "entailment"], [1, 0]),
        (["non-entailment", "entailment"], [1, 0]),
        (["NOT-ALIGNED", "ALIGNED"], [1, 0]),
        (["unsupported", "supported"], [1, 0]),
    ],
)
def test_labels_are_read_by_name(labels: list[str], order: list[int]) -> None:
    assert label_order(dict(enumerate(labels)), "here") == order


@pytest.mark.parametrize(
    "labels",
    [["LABEL_0", "LABEL_1"], ["neutral"], ["entailment"], ["entailment", "entails"], ["entailment", "joy"]],
)
def test_a_model_without_an_entailment_label_is_refused(labels: list[str]) -> None:
    with pytest.raises(MolmixError, match=labels[0]):
        label_order(dict(enumerate(labels)), "here")


def check_before_a_run(folder: Path, **settings: Any) -> None:
    content = copy.deepcopy(documentation.DEMO)
    content["nli"] = {"embedded": {"kind": "made"}, "m": {"kind": "pretrained", "id": str(folder)} | settings}
    check_files(loading.parse(content))


def test_a_language_model_is_refused_before_a_run(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(vocab_size=32, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    LlamaForCausalLM(shape).save_pretrained(tmp_path)
    with pytest.raises(
        MolmixError, match=r"nli\.m\.id: .*is a LlamaForCausalLM, and an NLI model is a sequence classif"
    ):
        check_before_a_run(tmp_path, labels=LABELS)


def test_a_classifier_of_unnamed_classes_is_refused_before_a_run(tmp_path: Path) -> None:
    unnamed = make_model(tmp_path / "unnamed", "bert", ("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(MolmixError, match=r"nli\.m\.labels: missing, and .* does not say what its classes mean"):
        check_before_a_run(unnamed)
    check_before_a_run(unnamed, labels=LABELS)
    check_before_a_run(make_model(tmp_path / "named", "bert"))


def test_a_two_label_model_never_contradicts(tmp_path: Path) -> None:
    from molmix.judges.nli.model import NliModel

    model = NliModel.load(make_model(tmp_path, "bert", ("not_entailment", "entailment")))
    probabilities = model.score(PAIRS).probabilities
    assert (probabilities[:, 2] == 0).all() and (probabilities[:, :2] > 0).all()


def test_classes_without_names_are_named(tmp_path: Path) -> None:
    from molmix.judges.nli.model import NliModel

    bare = make_model(tmp_path / "bare", "bert", ("class_0", "class_1"))
    named = shutil.copytree(bare, tmp_path / "named")
    config = (named / "config.json").read_text()
    (named / "config.json").write_text(config.replace("class_0", "neutral").replace("class_1", "entailment"))
    with pytest.raises(MolmixError, match="class_0, class_1"):
        NliModel.load(bare)
    with pytest.raises(MolmixError, match="2 classes, not 3"):
        NliModel.load(bare, labels=["entailment", "neutral", "contradiction"])
    models = NliModel.load(named), NliModel.load(bare, labels=["neutral", "entailment"])
    assert np.array_equal(*(model.score(PAIRS).probabilities for model in models))


# ---- what is refused -----------------------------------------------------------------------------------------------


def test_weights_without_a_classifier_are_refused(tmp_path: Path) -> None:
    from transformers import BertModel

    from molmix.judges.nli.model import NliModel

    folder = make_model(tmp_path, "bert")
    BertModel.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(MolmixError, match="classifier"):
        NliModel.load(folder)
    with pytest.raises(MolmixError, match="holds no config"):
        NliModel.load(tmp_path / "nowhere")


def test_answers_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from molmix.judges.nli.model import NliModel

    folder = make_model(tmp_path, "bert")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"] *= float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(MolmixError, match="NaN"):
        NliModel.load(folder).score(PAIRS[:2])


def test_texts_of_any_length_are_cut_and_counted(folder: Path) -> None:
    from molmix.judges.nli.model import NliModel

    model = NliModel.load(folder)
    long, short = "The molecule is a dye. " * 20_000, "The molecule is a dye."
    scores = model.score([(long, long), (long, short), (short, long), (short, short)])
    assert scores.truncated.tolist() == [True, True, True, False]
    # What is beyond the model's reach makes no difference.
    cut = model.score([(long[:5000], long[:5000]), (long[:5000], short), (short, long[:5000])])
    np.testing.assert_array_equal(scores.probabilities[:3], cut.probabilities)


# ---- odd tokenizers ----------------------------------------------------------------------------------------------


def make_decoder(folder: Path, *, between: bool, padding: bool) -> Path:
    """A tiny Llama that classifies, with or without a token between the two texts, and a padding token."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoModelForSequenceClassification, LlamaConfig, PreTrainedTokenizerFast

    words = ["<s>", "<pad>", "<unk>", *sorted({word for pair in PAIRS for text in pair for word in text.split()})]
    bare = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    pair = "<s> $A <s> $B" if between else "<s> $A $B"
    bare.post_processor = processors.TemplateProcessing(single="<s> $A", pair=pair, special_tokens=[("<s>", 0)])
    special = {"bos_token": "<s>", "unk_token": "<unk>"} | ({"pad_token": "<pad>"} if padding else {})
    PreTrainedTokenizerFast(tokenizer_object=bare, **special).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=POSITIONS, initializer_range=0.5, bos_token_id=0, eos_token_id=0,
        pad_token_id=1 if padding else None, id2label=dict(enumerate(["entailment", "neutral", "contradiction"])),
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    return folder


def test_a_decoder_without_padding_token_says_what_one_with_it_says(tmp_path: Path) -> None:
    from molmix.judges.nli.model import NliModel

    plain = NliModel.load(make_decoder(tmp_path / "plain", between=True, padding=False)).score(PAIRS)
    padded = NliModel.load(make_decoder(tmp_path / "padded", between=True, padding=True)).score(PAIRS)
    np.testing.assert_allclose(plain.probabilities, padded.probabilities, atol=1e-6)
    assert np.ptp(plain.probabilities, axis=0).min() > 0.01


def test_a_tokenizer_that_runs_the_two_texts_together_is_refused(tmp_path: Path) -> None:
    from molmix.judges.nli.model import NliModel

    with pytest.raises(MolmixError, match=r"puts nothing between the two texts of a pair\n  Hint: name a model"):
        NliModel.load(make_decoder(tmp_path, between=False, padding=True))
