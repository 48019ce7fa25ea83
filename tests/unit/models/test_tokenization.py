"""One token has one meaning: where training ends a text generation stops, and both see the same prompt."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from molmix.align.dataset import prepare_rows
from molmix.core.errors import MolmixError
from molmix.models.small import make_tokenizer
from molmix.models.tokenization import decode_answer, end_tokens, tokenize_prompts

TEMPLATES = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}


@pytest.fixture
def tokenizer() -> Any:
    return make_tokenizer([("CCO", "The molecule is a dye.")], TEMPLATES, 300)


def end_texts_with_eos(tokenizer: Any) -> Any:
    from tokenizers import processors

    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return tokenizer


def ending(eos: Any) -> Any:
    return SimpleNamespace(eos_token_id=eos)


# ---- prompts --------------------------------------------------------------------------------------------------


def test_a_prompt_has_one_bos_and_no_eos(tokenizer: Any) -> None:
    (ids,) = tokenize_prompts(tokenizer, ["Molecule: CCO\nCaption:"], "prompts")
    assert ids[0] == 1 and not {1, 2} & set(ids[1:])
    assert tokenize_prompts(tokenizer, [], "prompts") == []


def test_a_template_that_spells_bos_is_refused(tokenizer: Any) -> None:
    with pytest.raises(MolmixError, match=r"prompts: a prompt begins with '<s>' twice"):
        tokenize_prompts(tokenizer, ["<s>Molecule: CCO\nCaption:"], "prompts")


def test_a_prompt_that_ends_with_eos_is_refused_but_for_an_encoder(tokenizer: Any) -> None:
    end_texts_with_eos(tokenizer)
    with pytest.raises(MolmixError, match=r"prompts: a prompt ends with '</s>'"):
        tokenize_prompts(tokenizer, ["Molecule: CCO\nCaption:"], "prompts")
    (ids,) = tokenize_prompts(tokenizer, ["Molecule: CCO\nCaption:"], "prompts", encoder_decoder=True)
    assert ids[-1] == 2


@pytest.mark.parametrize("case", ["eos", "bos"])
def test_training_refuses_the_same_prompts(tokenizer: Any, tmp_path: Path, case: str) -> None:
    if case == "eos":
        end_texts_with_eos(tokenizer)
    prompt = ("<s>" if case == "bos" else "") + "Molecule: CCO\nCaption:"
    row = {"split": "train", "id": "1", "direction": "mol2cap", "prompt": prompt}
    row |= {"chosen": " It is a dye.", "rejected": " It is a fuel."}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "pairs.parquet")
    with pytest.raises(MolmixError, match=rf"a prompt {'ends' if case == 'eos' else 'begins'} with"):
        prepare_rows(tmp_path / "pairs.parquet", tokenizer, "prompt-completion", 100, 1)


# ---- answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stated", "ends"), [(None, [2]), (2, [2]), (9, [2, 9]), ([9, 2], [2, 9]), ([], [2])])
def test_answers_end_at_the_tokenizers_eos_too(tokenizer: Any, stated: Any, ends: list[int]) -> None:
    assert end_tokens(ending(stated), tokenizer, "model") == ends


def test_a_model_without_any_eos_is_refused(tokenizer: Any) -> None:
    tokenizer.eos_token = None
    assert end_tokens(ending(9), tokenizer, "model") == [9]
    with pytest.raises(MolmixError, match=r"model: neither its tokenizer nor its generation_config.json has an EOS"):
        end_tokens(ending(None), tokenizer, "model")


def test_special_tokens_of_a_domain_are_text(tokenizer: Any) -> None:
    """A vocabulary of SMILES adds them as special, so that they are not cut."""
    tokenizer.add_special_tokens({"additional_special_tokens": ["Cl", "[nH]", "<|im_end|>", "<extra_id_0>"]})
    ids = [1, *tokenizer(" c1cc[nH]c1Cl", add_special_tokens=False)["input_ids"]]
    ids += tokenizer.convert_tokens_to_ids(["<extra_id_0>", "<|im_end|>", "</s>", "<pad>"])
    assert decode_answer(tokenizer, ids, [2]) == "c1cc[nH]c1Cl"
    assert tokenizer.decode(ids, skip_special_tokens=True) != "c1cc[nH]c1Cl"
