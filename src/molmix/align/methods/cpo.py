"""CPO: contrastive preference optimisation (Xu et al. 2024, arXiv 2401.08417; TRL, experimental).

The loss of a batch is the mean over its pairs of ``-log sigmoid(beta * (log p(chosen) - log p(rejected)))``:
DPO under a reference that finds every text as likely as any other (the paper calls it uniform; ``reference: uniform``
of DPO goes by tokens), plus `cpo_alpha` times the mean over all tokens of ``-log p(chosen)``, which clones the chosen
texts. ``cpo_alpha: 0.0`` leaves the former alone.
"""

from __future__ import annotations

import copy
from typing import Any

from molmix.align import lora

SHAPE = "paired"
HELD = ("chosen_input_ids",)
REFERENCE = False
SMALLEST_BATCH = 1

PRESETS: dict[str, dict[str, Any]] = {
    # The authors' code, which sets no learning rate: 5e-5, linear to zero, was TRL's default in mid-2024
    # (0.8, 0.9); today's is 1e-6. Different here: weights are 4-bit only where `quantize` says so.
    "paper": {
        "trl": {
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 64,
            "max_length": 1024,
            "beta": 0.1,
            "loss_type": "sigmoid",
            "cpo_alpha": 1.0,
            "learning_rate": 5e-5,
            "lr_scheduler_type": "linear",
            "gradient_checkpointing": False,
        },
        "lora": lora.PAPER,
    },
    # CPO's authors trained LoRA at 1e-4 and TRL's example says 8e-5: more than DPO's, since the cloning term
    # is SFT and holds the policy in place. Batches of 32 pairs as for SFT.
    "modern": {
        "trl": {
            "num_train_epochs": 1.0,
            "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": 4,
            "max_length": 1024,
            "beta": 0.1,
            "loss_type": "sigmoid",
            "cpo_alpha": 1.0,
            "learning_rate": 8e-5,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 0.1,
            "gradient_checkpointing": False,
        },
        "lora": lora.MODERN,
    },
}


def config() -> Any:
    """TRL's config class."""
    from trl.experimental.cpo import CPOConfig

    return CPOConfig


def trainer(arguments: dict[str, Any], **parts: Any) -> Any:
    """TRL's trainer.

    Args:
        arguments: of :func:`config`.
        parts: ``model``, ``processing_class``, ``train_dataset``, ``eval_dataset``, ``peft_config`` and
            ``callbacks``.
    """
    from trl.experimental.cpo import CPOTrainer

    tokenizer = copy.deepcopy(parts.pop("processing_class"))
    # This trainer puts the BOS token in front of every text, also where the tokenizer has one and does not
    # use it (GPT-2's kind); the other trainers, and generation, do what the tokenizer does.
    if tokenizer("x")["input_ids"][0] != tokenizer.bos_token_id:
        tokenizer.bos_token = None
    return CPOTrainer(args=config()(**arguments), processing_class=tokenizer, **parts)
