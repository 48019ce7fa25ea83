"""CPO: contrastive preference optimisation (Xu et al. 2024, arXiv 2401.08417), and other losses without a reference.

The loss of a batch has two terms. The first is the mean over its pairs of
``-log sigmoid(beta * (log p(chosen) - log p(rejected)))``. This is DPO with a reference that gives every text the same
probability. The paper calls this reference uniform; ``reference: uniform`` of DPO is uniform over tokens. The second
term is `cpo_alpha` times the mean over all tokens of ``-log p(chosen)`` (behaviour cloning of the chosen texts).
``cpo_alpha: 0.0`` removes the second term. The trainer is molmix's own (:mod:`molmix.align.contrastive`).
"""

from typing import Any, ClassVar

from molmix.align.methods._shared import MODERN_LORA, PAPER_LORA, Alignment, Variant, preset

LOSS = {"beta": 0.1, "loss_type": "sigmoid", "cpo_alpha": 1.0}


class Cpo(Alignment):
    """Contrastive preference optimisation."""

    dataset_type = "preference"
    token_columns = ("chosen_input_ids",)
    has_reference = False
    formula = "−log σ(β (c − r)) + SFT"
    paper = "Xu et al. 2024, arXiv 2401.08417"
    config_class = "molmix.align.contrastive.ContrastiveConfig"
    trainer_class = "molmix.align.contrastive.ContrastiveTrainer"
    bytes_on_4_bit = 4  # its trainer leaves the adapter in float32

    PRESETS: ClassVar[dict[str, dict[str, dict[str, Any]]]] = {
        # From the code of the paper's authors. It sets no learning rate: the default of TRL 0.8 and 0.9 (mid-2024) was
        # 5e-5, linear to zero; today it is 1e-6. Difference: weights are 4-bit only if `quantize` is true.
        "paper": preset(1, 64, LOSS, {"learning_rate": 5e-5, "lr_scheduler_type": "linear"}, PAPER_LORA),
        # CPO's authors trained LoRA at 1e-4, and TRL's example has 8e-5. This is higher than for DPO, because the
        # cloning term is SFT and limits the drift of the policy. Batches of 32 pairs, as for SFT.
        "modern": preset(
            8, 4, LOSS, {"learning_rate": 8e-5, "lr_scheduler_type": "cosine", "warmup_steps": 0.1}, MODERN_LORA
        ),
    }
    VARIANTS: ClassVar[dict[str, Variant]] = {
        # SimPO's authors trained Llama 3 8B at 5e-7 to 1e-6 with beta 2 to 2.5, and gamma / beta from 0.3 to 0.5. Ten
        # times that rate for LoRA.
        "simpo": Variant(
            "simple preference optimisation",
            "−log σ(β (c̄ − r̄) − γ), γ = `simpo_gamma`",
            "Meng et al. 2024, arXiv 2405.14734",
            {"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 1.0, "cpo_alpha": 0.0},
            {"learning_rate": 8e-6},
        ),
        # From the settings of AlphaPO's authors for Llama 3 8B: beta 2.5, gamma / beta 0.1, alpha 0.25.
        "alphapo": Variant(
            "SimPO with another reward",
            "−log σ(β (w(c̄) − w(r̄)) − γ), w(x) = (1 − exp(−α x)) / α, α = `alpha`",
            "Gupta et al. 2025, arXiv 2501.03884",
            {"loss_type": "alphapo", "beta": 2.5, "simpo_gamma": 0.25, "alpha": 0.25, "cpo_alpha": 0.0},
            {"learning_rate": 8e-6},
        ),
        # TRL's example of LoRA has the same learning rate as for CPO.
        "orpo": Variant(
            "odds ratio preference optimisation",
            "−β log σ(o(c̄) − o(r̄)) + SFT, o(x) = x − log(1 − exp(x))",
            "Hong et al. 2024, arXiv 2403.07691",
            {"loss_type": "orpo", "beta": 0.1, "cpo_alpha": 1.0},
        ),
    }
