"""KTO: Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306; TRL).

Each text has its own loss: ``1 - sigmoid(beta * (log p/r - z))`` for a chosen text and
``1 - sigmoid(beta * (z - log p/r))`` for a rejected text, with the policy p and the reference r. z estimates their KL
divergence from the texts of the batch, each after the prompt of another row. Every pair gives two rows, which are
shuffled with the seed. TRL reads them in this order, because z depends on the rows of a batch.
"""

from typing import Any, ClassVar

from molmix.align.methods._shared import MODERN_LORA, PAPER_LORA, Alignment, Variant, preset

LOSS = {"beta": 0.1}


class Kto(Alignment):
    """Kahneman-Tversky optimisation."""

    dataset_type = "unpaired-preference"
    token_columns = ("prompt_ids", "completion_ids")
    has_reference = True
    formula = "1 − σ(β (c − z)) and 1 − σ(β (z − r)), z: the estimated KL divergence of policy and reference"
    paper = "Ethayarajh et al. 2024, arXiv 2402.01306"
    # A batch of one row has no other prompt for its text, so z would be the row's own log-ratio.
    smallest_batch = 2
    reserved: ClassVar[dict[str, str]] = {
        "train_sampling_strategy": "KTO estimates its divergence from rows that stay side by side, in one order"
    }
    config_class = "trl.KTOConfig"
    trainer_class = "trl.KTOTrainer"

    PRESETS: ClassVar[dict[str, dict[str, dict[str, Any]]]] = {
        # From the code of the paper's authors. Differences: 2 x 32 rows instead of 1 x 64, which TRL refuses today (see
        # `smallest_batch`); weights are 4-bit only if `quantize` is true.
        "paper": preset(
            2,
            32,
            LOSS,
            {"learning_rate": 5e-5, "lr_scheduler_type": "cosine", "warmup_steps": 0.1, "max_grad_norm": 0.3},
            PAPER_LORA,
        ),
        # 5e-6 is ten times TRL's example for full fine-tuning (5e-7), and the same as for DPO, as TRL advises. z is
        # estimated from the per-device batch, so this batch is as large as memory allows.
        "modern": preset(
            16, 2, LOSS, {"learning_rate": 5e-6, "lr_scheduler_type": "cosine", "warmup_steps": 0.1}, MODERN_LORA
        ),
    }
    VARIANTS: ClassVar[dict[str, Variant]] = {
        "apo_zero_unpaired": Variant(
            "anchored preference optimisation, on single texts",
            "1 − σ(β c) and σ(β r)",
            "D'Oosterlinck et al. 2024, arXiv 2408.06266",
            {"loss_type": "apo_zero_unpaired"},
        )
    }
