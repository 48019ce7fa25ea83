"""DPO: direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290; TRL).

The loss of a pair is ``-log sigmoid(beta * ((log p - log r)(chosen) - (log p - log r)(rejected)))`` with the
policy p and the reference r. Other losses of the family are a setting: ``loss_type: ipo``, or ``[sigmoid,
sft]`` with ``loss_weights: [1.0, 0.2]`` to hold the chosen texts' probability up.
"""

from __future__ import annotations

from typing import Any

from molmix.align import lora

SHAPE = "paired"
HELD = ("prompt_ids", "chosen_ids")
REFERENCE = True
SMALLEST_BATCH = 1

PRESETS: dict[str, dict[str, Any]] = {
    # The authors' code. Different here: its run called DPO used `loss_type="kto_pair"`, which TRL has
    # dropped, and this is DPO's own loss; weights are 4-bit only where `quantize` says so.
    "paper": {
        "trl": {
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 64,
            "max_length": 1024,
            "beta": 0.1,
            "loss_type": ["sigmoid"],
            "learning_rate": 5e-5,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0.1,
            "max_grad_norm": 0.3,
            "gradient_checkpointing": False,
        },
        "lora": lora.PAPER,
    },
    # 5e-6 is TRL's own example for LoRA and ten times its example for full fine-tuning (5e-7, also that of
    # Zephyr and Tulu 3); DPO drifts when pushed harder, the chosen text's probability falling with the
    # rejected one's (Razin et al. 2024, arXiv 2410.08847). Batches of 32 pairs as for SFT. The reference's
    # log-probabilities are worked out in each step: over one epoch `precompute_ref_log_probs` saves nothing,
    # over several it does.
    "modern": {
        "trl": {
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": 4,
            "max_length": 1024,
            "beta": 0.1,
            "loss_type": ["sigmoid"],
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
    from trl import DPOConfig

    return DPOConfig


def trainer(arguments: dict[str, Any], **parts: Any) -> Any:
    """TRL's trainer.

    Args:
        arguments: of :func:`config`.
        parts: ``model``, ``ref_model`` (None: the start, which is the policy with its adapter off),
            ``processing_class``, ``train_dataset``, ``eval_dataset``, ``peft_config``, ``callbacks``.
    """
    from trl import DPOTrainer

    return DPOTrainer(args=config()(**arguments), **parts)
