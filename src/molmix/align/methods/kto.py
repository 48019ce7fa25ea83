"""KTO: Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306; TRL).

Texts are judged one by one: a chosen text's loss is ``1 - sigmoid(beta * (log p/r - z))``, a rejected one's
``1 - sigmoid(beta * (z - log p/r))``, with the policy p, the reference r and z, an estimate of their KL
divergence from the batch's own texts under each other's prompts. Every pair makes two rows, which are
shuffled with the seed: TRL reads them in order, since z is bound to it.
"""

from __future__ import annotations

from typing import Any

from molmix.align import lora

SHAPE = "unpaired"
HELD = ("prompt_ids", "completion_ids")
REFERENCE = True
# With one row there is no other prompt to put its text under, and z is the row's own log-ratio.
SMALLEST_BATCH = 2

PRESETS: dict[str, dict[str, Any]] = {
    # The authors' code. Different here: 2 x 32 rows for 1 x 64, which TRL now refuses (see `SMALLEST_BATCH`),
    # and weights are 4-bit only where `quantize` says so.
    "paper": {
        "trl": {
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 32,
            "max_length": 1024,
            "beta": 0.1,
            "learning_rate": 5e-5,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0.1,
            "max_grad_norm": 0.3,
            "gradient_checkpointing": False,
        },
        "lora": lora.PAPER,
    },
    # 5e-6 is ten times TRL's example for full fine-tuning (5e-7), and the same as for DPO, which TRL advises.
    # z is estimated from the per-device batch, so that one is kept as large as memory allows.
    "modern": {
        "trl": {
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 16,
            "gradient_accumulation_steps": 2,
            "max_length": 1024,
            "beta": 0.1,
            "learning_rate": 5e-6,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0.1,
            "gradient_checkpointing": False,
        },
        "lora": lora.MODERN,
    },
}


def config() -> Any:
    """TRL's config class."""
    from trl import KTOConfig

    return KTOConfig


def trainer(arguments: dict[str, Any], **parts: Any) -> Any:
    """TRL's trainer.

    Args:
        arguments: of :func:`config`.
        parts: ``model``, ``ref_model`` (None: the start, which is the policy with its adapter off),
            ``processing_class``, ``train_dataset``, ``eval_dataset``, ``peft_config``, ``callbacks``.
    """
    from trl import KTOTrainer

    return KTOTrainer(args=config()(**arguments), **parts)
