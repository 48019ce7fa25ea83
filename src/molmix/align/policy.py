"""The models of an alignment: the policy with a tokenizer that can pad, the adapter, and the reference model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig

from molmix.align import distributed
from molmix.align.methods._shared import check_bitsandbytes
from molmix.core.errors import fault
from molmix.models.loading import (
    check_adapter,
    default_device,
    default_dtype,
    load,
    load_config,
    load_folder,
    load_tokenizer,
)
from molmix.models.lora_folding import full_folder, weights_of
from molmix.models.manifests import adapter_path, start_manifest

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_policy(
    manifest: Path, quantize: bool, adapter: str = "new"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the model to train, and its tokenizer with a padding token.

    Args:
        manifest: manifest of the start.
        quantize: whether to load it in 4 bits.
        adapter: ``new``: the start, with its adapters folded in, on which TRL puts a new adapter; ``continued``: the
            start with its adapter, which can be trained; ``none``: the start, with all weights in float32.

    Raises:
        MolmixError: it cannot be loaded, is no decoder-only model, or cannot be trained on this machine.
    """
    device = default_device()
    # transformers would split the batches of a single process over all visible GPUs.
    if device == "cuda" and torch.cuda.device_count() > 1 and distributed.process_count() == 1:
        raise fault(
            "CUDA_VISIBLE_DEVICES",
            f"{torch.cuda.device_count()} GPUs are visible, and this alignment runs on one",
            "make one visible: export CUDA_VISIBLE_DEVICES=0, or use more: `hardware: {gpus: {align: …}}`",
        )
    under = start_manifest(manifest) if adapter == "continued" else manifest
    if quantize:
        model, tokenizer = _quantized(under, device)
    else:
        model, tokenizer = load(under, torch.float32 if adapter == "none" else None)
    if model.config.is_encoder_decoder:
        raise fault(manifest, "is an encoder-decoder model", "align decoder-only models (Llama's kind)")
    set_padding_token(tokenizer, manifest)
    if adapter == "continued":
        from peft import PeftModel

        folder = adapter_path(manifest)
        check_adapter(folder, Path(str(model.name_or_path)))
        model = PeftModel.from_pretrained(model, folder, is_trainable=True)  # type: ignore[assignment, arg-type]
    return model, tokenizer


def _quantized(manifest: Path, device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The start in 4-bit nf4 with double quantisation (QLoRA, Dettmers et al. 2023, arXiv 2305.14314)."""
    if device != "cuda":
        raise fault("quantize", "4-bit weights need a CUDA GPU, and there is none", "set `quantize: false`")
    check_bitsandbytes("quantize")
    four_bit = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    with full_folder(manifest) as folder:
        model = load_folder(
            folder,
            bytes_per_weight=0.6,  # 4 bits and their scales; embeddings stay in bfloat16
            device=device,
            quantization_config=four_bit,
            dtype=torch.bfloat16,
            device_map={"": torch.cuda.current_device()},
        )
        return model, load_tokenizer(folder, model)


def set_padding_token(tokenizer: PreTrainedTokenizerBase, manifest: Path) -> None:
    """Give the tokenizer a padding token that is not EOS.

    Code that masks padding by its id would also mask EOS, which the model must learn. A new token would resize the
    embeddings, and the adapter would no longer fit its start. So the padding token is a token of the vocabulary that no
    text uses: a spare padding token (Llama 3.1), ``<unk>`` (Llama 2, Meditron), or a reserved token (Llama 3).

    Raises:
        MolmixError: the tokenizer has no EOS, or no such token.
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
            "its tokenizer has no token to pad with except EOS, which has to be learned",
            "set `pad_token` in its tokenizer_config.json to a token that no text uses",
        )
    tokenizer.pad_token = spare[0]


def lora_config(settings: dict[str, Any]) -> LoraConfig:
    """PEFT's config of an adapter.

    Args:
        settings: all keys of :class:`molmix.align.methods._shared.Lora`.
    """
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings["r"],
        lora_alpha=settings["alpha"],
        lora_dropout=settings["dropout"],
        target_modules=settings["target_modules"],
        use_dora=settings["use_dora"],
        use_rslora=settings["use_rslora"],
        init_lora_weights=settings.get("init_lora_weights", True),
        modules_to_save=settings.get("modules_to_save"),
    )


def check_whole_layers(model: Any, names: Sequence[str], where: object) -> None:
    """Refuse to train whole layers that share their weights with another one: they would differ after the training.

    Raises:
        MolmixError: a layer has tied weights.
    """
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    if not model.config.get_text_config().tie_word_embeddings:
        return
    for path, layer in model.named_modules():
        if any(layer is end for end in ends) and path.rpartition(".")[2] in names:
            what = f"{path} is trained as a whole, and this model's embedding and output layer are one"
            raise fault(where, what, "remove it from `lora.modules_to_save`, or set `adapter: none`")


def reference_model(reference: str, manifest: Path, seed: int, adapter: str = "new") -> PreTrainedModel | None:
    """The model that the preference loss compares the policy with.

    Args:
        reference: ``start``, ``random`` (the start's shape with random weights from the seed), or ``uniform`` (all
            tokens are equally likely in every context, so the log-probability of a text is
            ``-tokens * log(vocabulary)``).
        manifest: manifest of the start.
        seed: seed of random weights.
        adapter: as in :func:`load_policy`; ``mutating`` for a new one whose initial weights are taken out of the
            policy's.

    Returns:
        None if TRL has the reference in the policy: the start is the policy with its adapter off, or with a copy of the
        adapter that is continued.
    """
    if reference == "start":
        return load(manifest)[0].requires_grad_(False) if adapter in ("none", "mutating") else None
    device = default_device()
    config = load_config(weights_of(manifest).folder)
    if reference == "uniform":  # logits that are all 0 need only the start's vocabulary, so the model is small
        least: dict[str, Any] = {"hidden_size": 2, "intermediate_size": 2, "num_hidden_layers": 1}
        config = LlamaConfig(vocab_size=config.get_text_config().vocab_size, num_attention_heads=1, **least)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=default_dtype(device)).to(device).eval()
    if reference == "uniform":
        torch.nn.init.zeros_(model.lm_head.weight)
    return model
