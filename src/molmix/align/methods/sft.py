"""SFT: supervised fine-tuning on the chosen texts, with loss on the completion and its end alone (TRL)."""

from __future__ import annotations

from typing import Any

from molmix.align import lora

SHAPE = "prompt_completion"
HELD = ("input_ids",)
REFERENCE = False
SMALLEST_BATCH = 1

PRESETS: dict[str, dict[str, Any]] = {
    # The authors' code. Not set there: max_grad_norm, which was and is 1.0 by default. Different here:
    # weights are 4-bit only where `quantize` says so, and the loss of a step is the mean over all tokens of
    # its 64 rows, where transformers of 2024 took the mean of the rows' means.
    "paper": {
        "trl": {
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 64,
            "max_length": 1024,
            "learning_rate": 2e-4,
            "lr_scheduler_type": "constant",
            "gradient_checkpointing": False,
        },
        "lora": lora.PAPER | {"use_dora": True},
    },
    # 2e-4 is ten times TRL's default for full fine-tuning (2e-5), which is LoRA's ratio (Schulman et al.
    # 2025) and TRL's own example. Batches of 32 rows: LoRA loses more to big batches than full fine-tuning
    # (the same). Where memory is short, halve the per-device batch and double the accumulation. Cosine with a
    # warm-up because one short epoch has no time to recover from a rough start. No DoRA: it is slower.
    "modern": {
        "trl": {
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": 4,
            "max_length": 1024,
            "learning_rate": 2e-4,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0.1,
            "gradient_checkpointing": False,
        },
        "lora": lora.MODERN,
    },
}


def config() -> Any:
    """TRL's config class."""
    from trl import SFTConfig

    return SFTConfig


def trainer(arguments: dict[str, Any], **parts: Any) -> Any:
    """TRL's trainer.

    Args:
        arguments: of :func:`config`.
        parts: ``model``, ``processing_class``, ``train_dataset``, ``eval_dataset``, ``peft_config`` and
            ``callbacks``.
    """
    from trl import SFTTrainer

    return SFTTrainer(args=config()(**arguments), **parts)
