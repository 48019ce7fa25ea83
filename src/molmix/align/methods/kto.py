"""KTO: Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306; TRL).

Texts are judged one by one: a chosen text's loss is ``1 - sigmoid(beta * (log p/r - z))``, a rejected one's
``1 - sigmoid(beta * (z - log p/r))``, with the policy p, the reference r and z, an estimate of their KL divergence from
the batch's own texts after each other's prompts. Every pair makes two rows, which are shuffled with the seed: TRL reads
them in order, because z depends on which rows share a batch.
"""

from typing import Any, ClassVar

from molmix.align.methods._shared import MODERN_LORA, PAPER_LORA, Alignment, preset

LOSS = {"beta": 0.1}


class Kto(Alignment):
    """Kahneman-Tversky optimisation."""

    dataset_type = "unpaired-preference"
    token_columns = ("prompt_ids", "completion_ids")
    has_reference = True
    # With one row there is no other prompt to put its text after, and z is the row's own log-ratio.
    smallest_batch = 2
    reserved: ClassVar[dict[str, str]] = {
        "train_sampling_strategy": "KTO estimates its divergence from rows that stay side by side, in one order"
    }
    config_class = "trl.KTOConfig"
    trainer_class = "trl.KTOTrainer"

    PRESETS: ClassVar[dict[str, dict[str, dict[str, Any]]]] = {
        # The authors' code. Different here: 2 x 32 rows instead of 1 x 64, which TRL refuses today (see
        # `smallest_batch`), and weights are 4-bit only where `quantize` is true.
        "paper": preset(
            2,
            32,
            LOSS,
            {"learning_rate": 5e-5, "lr_scheduler_type": "cosine", "warmup_steps": 0.1, "max_grad_norm": 0.3},
            PAPER_LORA,
        ),
        # 5e-6 is ten times TRL's example for full fine-tuning (5e-7), and the same as for DPO, which TRL advises. z is
        # estimated from the per-device batch, so that batch is as large as memory allows.
        "modern": preset(
            16, 2, LOSS, {"learning_rate": 5e-6, "lr_scheduler_type": "cosine", "warmup_steps": 0.1}, MODERN_LORA
        ),
    }
