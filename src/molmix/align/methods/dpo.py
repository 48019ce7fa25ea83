"""DPO: direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290; TRL).

The loss of a pair is ``-log sigmoid(beta * ((log p - log r)(chosen) - (log p - log r)(rejected)))`` with the policy p
and the reference r. Settings select other losses of the family: ``loss_type: ipo``, or ``[sigmoid, sft]`` with
``loss_weights: [1.0, 0.2]``, which keeps the probability of the chosen texts high.
"""

from typing import Any, ClassVar

from molmix.align.methods._shared import MODERN_LORA, PAPER_LORA, Alignment, preset

LOSS = {"beta": 0.1, "loss_type": ["sigmoid"]}


class Dpo(Alignment):
    """Direct preference optimisation."""

    dataset_type = "preference"
    token_columns = ("prompt_ids", "chosen_ids")
    has_reference = True
    config_class = "trl.DPOConfig"
    trainer_class = "trl.DPOTrainer"

    PRESETS: ClassVar[dict[str, dict[str, dict[str, Any]]]] = {
        # From the code of the paper's authors. Differences: their DPO run used `loss_type="kto_pair"`, which TRL has
        # removed, and this preset has DPO's own loss; weights are 4-bit only if `quantize` is true.
        "paper": preset(
            1,
            64,
            LOSS,
            {"learning_rate": 5e-5, "lr_scheduler_type": "cosine", "warmup_steps": 0.1, "max_grad_norm": 0.3},
            PAPER_LORA,
        ),
        # 5e-6 is TRL's own example for LoRA, and ten times its example for full fine-tuning (5e-7, as in Zephyr and
        # Tulu 3). With a higher rate DPO drifts: the probability of the chosen text falls with that of the rejected one
        # (Razin et al. 2024, arXiv 2410.08847). Batches of 32 pairs, as for SFT. The reference's log-probabilities are
        # computed in each step: `precompute_ref_log_probs` saves time only with several epochs.
        "modern": preset(
            8, 4, LOSS, {"learning_rate": 5e-6, "lr_scheduler_type": "cosine", "warmup_steps": 0.1}, MODERN_LORA
        ),
    }
