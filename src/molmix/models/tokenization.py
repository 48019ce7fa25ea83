"""Tokenize prompts and decode answers, in the same way for training, generation and decomposition.

Importing this file is cheap.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from molmix.core.errors import fault

# Tokens that only structure a text, by their names in tokenizers.
CORE = ("bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token")
# Pattern of control tokens without such a name: <|im_start|>, <extra_id_0>, <|reserved_special_token_3|>.
CONTROL = re.compile(r"<[^<>\s]*>")


def tokenize_prompts(
    tokenizer: Any, prompts: Sequence[str], where: object, *, encoder_decoder: bool = False
) -> list[list[int]]:
    """Token ids of prompts, with the special tokens that the tokenizer adds to a text.

    Args:
        tokenizer: from transformers.
        prompts: any texts.
        where: source of the prompts, for messages.
        encoder_decoder: whether the model reads the prompt with an encoder, which needs EOS.

    Raises:
        MolmixError: a prompt begins with BOS twice; or it ends with EOS, so that the model would answer to a text that
            has ended.
    """
    if not prompts:
        return []
    rows: list[list[int]] = tokenizer(list(prompts), verbose=False)["input_ids"]
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if bos is not None and any(ids[:2] == [bos, bos] for ids in rows):
        what = f"a prompt begins with {tokenizer.bos_token!r} twice: the template spells it, and the tokenizer adds it"
        raise fault(where, what, f"remove {tokenizer.bos_token!r} from the templates in `prompts`")
    if eos is not None and not encoder_decoder and any(len(ids) > 1 and ids[-1] == eos for ids in rows):
        what = f"a prompt ends with {tokenizer.eos_token!r}, after which a model answers as to an ended text"
        hint = "set `add_eos_token` to false in a copy of its tokenizer_config.json, and take the token out of the "
        raise fault(where, what, hint + "post-processor in tokenizer.json and of the templates in `prompts`")
    return rows


def end_tokens(generation_config: Any, tokenizer: Any, where: object) -> list[int]:
    """Ids of the tokens that end an answer, sorted.

    These are the ends in the model's own GenerationConfig (a chat model's end of turn), and the tokenizer's EOS, which
    training adds to every text. If the two differ, an aligned model ends with the second.

    Raises:
        MolmixError: there are none.
    """
    stated = generation_config.eos_token_id
    found = {stated} if isinstance(stated, int) else set(stated or ())
    if tokenizer.eos_token_id is not None:
        found.add(tokenizer.eos_token_id)
    if not found:
        hint = "set `eos_token` in its tokenizer_config.json, or `eos_token_id` in its generation_config.json"
        raise fault(where, "neither its tokenizer nor its generation_config.json has an EOS: no answer would end", hint)
    return sorted(found)


def decode_answer(tokenizer: Any, tokens: Sequence[int], ends: Collection[int]) -> str:
    """Text of an answer without control tokens, and without the space between prompt and answer.

    It drops the tokens of :data:`CORE`, and special tokens that end an answer or match :data:`CONTROL`. Special tokens
    of a domain's vocabulary (``Cl``, ``[nH]``) are text and stay.

    Args:
        tokenizer: from transformers.
        tokens: generated ids.
        ends: see :func:`end_tokens`.
    """
    dropped = {getattr(tokenizer, f"{name}_id", None) for name in CORE}
    dropped |= {
        number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special and (number in ends or CONTROL.fullmatch(token.content))
    }
    kept = [token for token in tokens if token not in dropped]
    return str(tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)).removeprefix(" ")
