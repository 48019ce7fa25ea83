"""The model that an alignment starts from, and the one that it is held against."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

from molmix.errors import fault
from molmix.models import default_device, default_dtype, load, weights_path

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_start(manifest: Path, quantize: bool) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a start, and its tokenizer with a padding token.

    Args:
        manifest: of the start, a model with full weights.
        quantize: load it in 4 bits.

    Raises:
        MolmixError: it cannot be loaded, is no decoder-only model, or cannot be trained on this machine.
    """
    device = default_device()
    if device == "cuda" and torch.cuda.device_count() > 1:
        raise fault(
            "CUDA_VISIBLE_DEVICES",
            f"{torch.cuda.device_count()} GPUs are visible, and an alignment runs on one",
            "make one visible: export CUDA_VISIBLE_DEVICES=0",
        )
    if quantize:
        model, tokenizer = _quantized(manifest, device)
    else:
        model, tokenizer = load(manifest)
    if model.config.is_encoder_decoder:
        raise fault(manifest, "is an encoder-decoder model", "align decoder-only models (Llama's kind)")
    _pad(tokenizer, manifest)
    return model, tokenizer


def _quantized(manifest: Path, device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The start in 4-bit nf4 with double quantisation (QLoRA, Dettmers et al. 2023, arXiv 2305.14314)."""
    if device != "cuda":
        raise fault("quantize", "4-bit weights need a CUDA GPU, and there is none", "set `quantize: false`")
    if not find_spec("bitsandbytes"):
        raise fault("quantize", "the package bitsandbytes is not installed", "pip install bitsandbytes")
    four_bit = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    folder = weights_path(manifest)
    model = AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=four_bit, dtype=torch.bfloat16, device_map={"": 0}, use_safetensors=True
    )
    return model, AutoTokenizer.from_pretrained(folder)


def _pad(tokenizer: PreTrainedTokenizerBase, manifest: Path) -> None:
    """Give the tokenizer a padding token of its own.

    Padding with EOS is the common way out and a trap: what masks padding by its id also masks the end that
    the model has to learn. A new token would resize the embeddings and part the adapter from its start. Taken
    is what the vocabulary has and no text uses: a spare padding token (Llama 3.1), ``<unk>`` (Llama 2,
    Meditron), or a reserved one (Llama 3).
    """
    if tokenizer.eos_token is None:
        raise fault(manifest, "its tokenizer has no EOS token", "set `eos_token` in its tokenizer_config.json")
    if tokenizer.pad_token_id not in (None, tokenizer.eos_token_id):
        return
    added = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    spare = [
        *(token for token in added if "pad" in token.lower()),
        *([tokenizer.unk_token] if tokenizer.unk_token not in (None, tokenizer.eos_token) else []),
        *(token for token in added if "reserved" in token.lower()),
    ]
    if not spare:
        raise fault(
            manifest,
            "its tokenizer has no token to pad with but EOS, which has to be learned",
            "set `pad_token` in its tokenizer_config.json to a token that no text uses",
        )
    tokenizer.pad_token = spare[0]


def reference_model(reference: str, manifest: Path, seed: int) -> PreTrainedModel | None:
    """The model that the preference loss holds the policy against.

    Args:
        reference: ``start`` (None is returned: the policy with its adapter off), ``random`` (the start's shape with
            weights drawn with the seed), or ``uniform`` (every token as likely as any other, whatever came before, so
            that a text's log-probability is ``-tokens * log(vocabulary)``).
        manifest: of the start.
        seed: of random weights.
    """
    if reference == "start":
        return None
    device = default_device()
    dtype, config = default_dtype(device), AutoConfig.from_pretrained(weights_path(manifest))
    if reference == "uniform":
        return _uniform(config.get_text_config().vocab_size).to(dtype).to(device).eval()  # type: ignore[arg-type]
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config, dtype=dtype).to(device).eval()


def _uniform(vocabulary: int) -> PreTrainedModel:
    """A model whose logits are all 0, of the least size: of the start, only its vocabulary counts."""
    least: dict[str, Any] = {"hidden_size": 2, "intermediate_size": 2, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **least))
    torch.nn.init.zeros_(model.lm_head.weight)
    return model
