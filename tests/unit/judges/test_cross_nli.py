"""The judge of "Less for More" against its authors' package, caption by caption, and what is wrong in the package."""

import json
import logging
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from molmix.judges.decompose.answers import Answer, Unusable, read_numbered_lines
from molmix.judges.decompose.prompt import PRESETS, fill
from molmix.judges.kinds import score_captions, titles
from molmix.judges.nli.labels import LABELS
from molmix.judges.nli.model import NliModel
from molmix.judges.nli.settings import CrossNliModel
from tests.nli_models import make_model

NLI, LLM = "cross-encoder/nli-deberta-base", "meta-llama/Meta-Llama-3-8B-Instruct"  # as the package spells them
ORDER = ("contradiction", "entailment", "neutral")
LINES = [
    "1. The molecule is a dye.\n",
    "2. The molecule contains two rings.\n",
    "3. It is long.\n",
    "4. The molecule has a role.\n",
    "Here is the list:\n",
    "7. A very long dye and a metabolite\n",
]
CAPTIONS = [
    {"golden": "The molecule is a dye. It is long.", "generated": "The molecule is a fungal metabolite."},
    {"golden": "It contains two rings.", "generated": "The molecule is very long and contains two rings."},
    {"golden": "The molecule has a role as a metabolite.", "generated": "It is a dye."},
]
CHAT = "{% for message in messages %}user {{ message['content'] }} {% endfor %}"


def _make_llm(folder: Path) -> None:
    """A random Llama that speaks in whole lines, so that what it says is a list."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = sorted({word for caption in CAPTIONS for text in caption.values() for word in text.split()})
    vocabulary = {token: index for index, token in enumerate(["<unk>", "</s>", *LINES, *words])}
    bare = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bare.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="<unk>", eos_token="</s>")
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            initializer_range=0.5,
            eos_token_id=1,
            pad_token_id=1,
        )
    )
    with torch.no_grad():
        model.lm_head.weight[:2] = 0
        model.lm_head.weight[2 + len(LINES) :] = 0
    model.save_pretrained(folder)


def _tell_the_same(folder: Path) -> None:
    """Make the tokenizer number no texts: the package hands its model `input_ids` alone."""
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_input_names": ["input_ids", "attention_mask"]}))


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What makes the package's evaluator, in a folder where its two hub ids are local folders with small models."""
    import torch

    monkeypatch.chdir(tmp_path)  # it writes a log into the current folder when it is imported
    package = pytest.importorskip("cross_nli", reason="the authors' package cross_nli is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # it asks one pair at a time, and many threads wait for each other

    def make(shape: str) -> Any:
        make_model(tmp_path / NLI, shape, ORDER)
        _make_llm(tmp_path / LLM)
        path = tmp_path / "captions.jsonl"
        path.write_text("\n".join(map(json.dumps, CAPTIONS)))
        made = package.Cross_NLI(str(path))
        made.generation_config.max_new_tokens = 6
        # From transformers 5 on, a template gives a mapping unless told otherwise, and the package fails on it.
        made.tokenizer_llm.apply_chat_template = partial(made.tokenizer_llm.apply_chat_template, return_dict=False)
        return made

    yield make
    torch.set_num_threads(threads)


def _run(made: Any, caplog: pytest.LogCaptureFixture) -> tuple[dict[str, list[float]], list[str], tuple[float, float]]:
    """Scores by caption from its log, what its language model answered, and its two figures of the corpus."""
    answers: list[str] = []
    extract = made.atomic_unit_extraction

    def recorded(text: str) -> list[str]:
        answers.extend(said := extract(text))
        return said

    made.atomic_unit_extraction = recorded
    with caplog.at_level(logging.INFO):
        figures = made.evaluation()
    scores = {
        name.lower(): [
            float(found) for found in re.findall(rf"^{name} score: (\S+)$", "\n".join(caplog.messages), re.M)
        ]
        for name in ("Hallucination", "Coverage")
    }
    return scores, answers, figures


def _ours(folder: Path, answers: list[str]) -> dict[str, np.ndarray]:
    """The judge's scores of the atoms in the answers: the reference's and the caption's, in turn."""
    atoms = [read_numbered_lines(_answer(text), "") for text in answers]
    model = NliModel.load(folder, labels=CrossNliModel(kind="cross_nli").labels)
    rows = []
    for number, (golden, generated) in enumerate(zip(atoms[::2], atoms[1::2], strict=True)):
        pairs = [(premise, hypothesis) for hypothesis in generated for premise in golden]
        forward, truncated = model.score(pairs)
        backward = model.score([(hypothesis, premise) for premise, hypothesis in pairs]).probabilities
        assert not truncated.any()  # the package cuts at what the tokenizer says, these small models know less
        rows.append(
            {"id": str(number), "n_generated": len(generated), "n_reference": len(golden)}
            | {
                f"{way}_{label}": said[:, LABELS.index(label)].tolist()
                for way, said in (("forward", forward), ("backward", backward))
                for label in ("entailment", "contradiction")
            }
        )
    scored = score_captions({"kind": "cross_nli"}, pa.Table.from_pylist(rows))
    return {name: scored[name].to_numpy() for name in ("hallucination", "coverage")}


def _answer(text: str) -> Answer:
    return {"text": text, "finish": "stop", "prompt_tokens": 1, "completion_tokens": 1}


@pytest.mark.parametrize("shape", ["deberta-v2", "roberta", "bert"])
def test_scores_are_those_of_the_package(
    shape: str, published: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scores, answers, (hallucination, coverage) = _run(published(shape), caplog)
    assert len(answers) == 2 * len(CAPTIONS) and len(set(answers)) > 2
    if shape == "bert":
        # The package drops what numbers the two texts of a pair. Its own model, a DeBERTa, has no use for it; to a
        # BERT it makes a difference, and the figures agree only where molmix's tokenizer numbers no texts either.
        assert np.abs(_ours(tmp_path / NLI, answers)["hallucination"] - scores["hallucination"]).max() > 1e-3
        _tell_the_same(tmp_path / NLI)
    ours = _ours(tmp_path / NLI, answers)
    for name, values in ours.items():
        assert len(scores[name]) == len(CAPTIONS)
        np.testing.assert_allclose(values, scores[name], atol=1e-6, err_msg=name)
        assert np.ptp(values) > 1e-3
    # Its coverage of the corpus is the mean; its hallucination of the corpus is wrong: that of the last caption,
    # over the number of captions.
    assert coverage == pytest.approx(ours["coverage"].mean(), abs=1e-6)
    assert hallucination == pytest.approx(ours["hallucination"][-1] / len(CAPTIONS), abs=1e-6)
    assert abs(hallucination - ours["hallucination"].mean()) > 1e-3


def test_the_prompt_is_the_packages(published: Any) -> None:
    made, asked = published("roberta"), []
    template = made.tokenizer_llm.apply_chat_template

    def recorded(messages: list[dict[str, str]], **settings: Any) -> Any:
        asked.extend(messages)
        return template(messages, **settings)

    made.tokenizer_llm.apply_chat_template = recorded
    made.atomic_unit_extraction("It is a dye.")
    assert asked == [{"role": "user", "content": fill(PRESETS["cross_nli"], "It is a dye.")}]


def test_atoms_are_the_numbered_lines() -> None:
    text = "Here you are:\n1. It is a dye.\n2.  At pH 7.3 it is red.\n- 3. It is a dye.\n4. \n5) no\n12. It is long"
    assert read_numbered_lines(_answer(text), "") == [
        "It is a dye.",
        "At pH 7.3 it is red.",
        "It is a dye.",
        "It is long",
    ]
    for nothing in ("There are none.", "1.", ""):
        with pytest.raises(Unusable):
            read_numbered_lines(_answer(nothing), "")


def test_several_judges_with_a_title_are_told_apart() -> None:
    one = {"kind": "cross_nli"}
    assert titles({"own": one, "atomic": {"kind": "atomic"}}) == {"own": "Less for More (2024)", "atomic": "atomic"}
    assert titles({"a": one, "b": one}) == {"a": "Less for More (2024): a", "b": "Less for More (2024): b"}
