"""Check that two models can be merged: same architecture, same config, same shapes and same tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from molmix.core.errors import fault
from molmix.core.files import file_digest
from molmix.models.weights import Weights

# Config keys that do not change the output of the same weights for the same tokens. All other keys are compared: an
# unknown key may change an answer.
NO_EFFECT = re.compile(
    r"_name_or_path|name_or_path|transformers_version|torch_dtype|dtype|use_cache|use_return_dict|return_dict"
    r"|(bos|eos|pad|sep|decoder_start|forced_bos|forced_eos)_token_id|tokenizer_class|vocab_size"
    r"|.*dropout.*|.*_pdrop|.*layerdrop.*|initializer_.*|.*_initializer_.*|pretraining_tp|max_position_embeddings"
    r"|output_(attentions|hidden_states|router_logits|scores)|router_aux_loss_coef"
    r"|id2label|label2id|num_labels|problem_type|finetuning_task|task_specific_params|chunk_size_feed_forward|use_bfloat16"
)
TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
TOKENIZER += ["tokenizer.model", "spiece.model", "vocab.json", "vocab.txt", "merges.txt"]
SPECIAL = ["bos_token", "eos_token", "unk_token", "pad_token"]

Difference = tuple[str, Any, Any]


def check_compatible(first: Weights, second: Weights) -> None:
    """Refuse two models whose weights do not have the same meaning.

    Raises:
        MolmixError: they differ. It names the first different config key, tensor or token, with both values.
    """
    if first.folder == second.folder:
        return
    for what, one, other in _differences(first, second):
        raise fault(
            second.folder,
            f"{what} is {other}, but {one} in {first.folder}",
            "merge models of one architecture, shape and tokenizer",
        )


def _differences(first: Weights, second: Weights) -> Iterator[Difference]:
    configs = _config(first.folder), _config(second.folder)
    yield from _compare(sorted({*configs[0], *configs[1]}), *configs)
    yield from _compare(sorted(first.shapes | second.shapes), first.shapes, second.shapes)
    if _same_files(first.folder, second.folder):  # avoids reading tokenizers, which takes seconds
        return
    one, other = _tokenizer(first.folder), _tokenizer(second.folder)
    words = one.get_vocab(), other.get_vocab()
    for word, first_id, second_id in _compare(sorted({*words[0], *words[1]}), *words):
        yield f"the id of token {word!r}", first_id, second_id
    # A special token of only one of them (mostly the padding token) does not change the meaning of weights.
    special = one.special_tokens_map, other.special_tokens_map
    yield from _compare([name for name in SPECIAL if all(name in tokens for tokens in special)], *special)


def _compare(names: Iterable[str], one: dict[str, Any], other: dict[str, Any]) -> Iterator[Difference]:
    for name in names:
        if one.get(name) != other.get(name):
            yield name, one.get(name, "absent"), other.get(name, "absent")


def _config(folder: Path) -> dict[str, Any]:
    """Config values that change the output of the weights.

    They are read with transformers: its defaults make older and newer files comparable.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise fault(folder / "config.json", f"cannot be read ({error})", "name a model of a known type") from None
    return {name: value for name, value in config.to_dict().items() if not NO_EFFECT.fullmatch(name)}


def _same_files(first: Path, second: Path) -> bool:
    digests = [
        {name: file_digest(folder / name) for name in TOKENIZER if (folder / name).exists()}
        for folder in (first, second)
    ]
    return digests[0] == digests[1]


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise fault(folder, f"holds no readable tokenizer ({error})", "name a model that brings one") from None
