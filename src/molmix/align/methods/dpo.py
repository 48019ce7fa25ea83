"""DPO: direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290; TRL).

The loss of a pair is ``-log sigmoid(beta * ((log p - log r)(chosen) - (log p - log r)(rejected)))`` with the policy p
and the reference r. The other losses of TRL's trainer are its variants.
"""

from typing import Any, ClassVar

from molmix.align.methods._shared import MODERN_LORA, PAPER_LORA, Alignment, Variant, preset

LOSS = {"beta": 0.1, "loss_type": ["sigmoid"]}
SCHEDULE = {"learning_rate": 5e-6, "lr_scheduler_type": "cosine", "warmup_steps": 0.1}


def _loss(name: str, **more: float) -> dict[str, Any]:
    return {"loss_type": [name], **more}


class Dpo(Alignment):
    """Direct preference optimisation."""

    dataset_type = "preference"
    token_columns = ("prompt_ids", "chosen_ids")
    has_reference = True
    formula = "−log σ(β m)"
    paper = "Rafailov et al. 2023, arXiv 2305.18290"
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
        "modern": preset(8, 4, LOSS, SCHEDULE, MODERN_LORA),
        # SFT on the chosen texts beside the loss keeps their probability high, which DPO alone lowers. Its weight is
        # that of Llama 3 (Grattafiori et al. 2024, arXiv 2407.21783); Pang et al. 2024 (arXiv 2404.19733) use 1.
        "sft_mix": preset(
            8, 4, {"beta": 0.1, "loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.2]}, SCHEDULE, MODERN_LORA
        ),
    }
    VARIANTS: ClassVar[dict[str, Variant]] = {
        "hinge": Variant(
            "sequence likelihood calibration (SLiC)",
            "max(0, 1 − β m)",
            "Zhao et al. 2023, arXiv 2305.10425",
            _loss("hinge"),
        ),
        "ipo": Variant(
            "identity preference optimisation",
            "(m̄ − 1 / (2 β))²",
            "Azar et al. 2023, arXiv 2310.12036",
            _loss("ipo"),
        ),
        "exo_pair": Variant(
            "efficient exact optimisation",
            "KL(q ‖ [1 − ε, ε]), q = [σ(β m), σ(−β m)], ε = `label_smoothing`",
            "Ji et al. 2024, arXiv 2402.00856",
            _loss("exo_pair", label_smoothing=1e-3),
        ),
        "nca_pair": Variant(
            "noise contrastive alignment",
            "−log σ(β c) − ½ log σ(−β c) − ½ log σ(−β r)",
            "Chen et al. 2024, arXiv 2402.05369",
            _loss("nca_pair"),
        ),
        "robust": Variant(
            "robust DPO, for labels of which a share ε is wrong",
            "(−(1 − ε) log σ(β m) + ε log σ(−β m)) / (1 − 2 ε), ε = `label_smoothing`",
            "Chowdhury et al. 2024, arXiv 2403.00409",
            _loss("robust", label_smoothing=0.1),
        ),
        "bco_pair": Variant(
            "binary classifier optimisation, on pairs and without its reward shift",
            "−log σ(β c) − log σ(−β r)",
            "Jung et al. 2024, arXiv 2404.04656",
            _loss("bco_pair"),
        ),
        "sppo_hard": Variant(
            "self-play preference optimisation",
            "(c − 1 / (2 β))² + (r + 1 / (2 β))²",
            "Wu et al. 2024, arXiv 2405.00675",
            _loss("sppo_hard"),
        ),
        "aot": Variant(
            "alignment via optimal transport",
            "−log σ(β (sort(log p(chosen) − log p(rejected)) − sort(log q(chosen) − log q(rejected))))",
            "Melnyk et al. 2024, arXiv 2406.05882",
            _loss("aot"),
        ),
        "aot_unpaired": Variant(
            "alignment via optimal transport, unpaired",
            "−log σ(β (sort(c) − sort(r)))",
            "Melnyk et al. 2024, arXiv 2406.05882",
            _loss("aot_unpaired"),
        ),
        "apo_zero": Variant(
            "anchored preference optimisation, for chosen texts that are better than the policy's",
            "1 − σ(β c) + σ(β r)",
            "D'Oosterlinck et al. 2024, arXiv 2408.06266",
            _loss("apo_zero"),
        ),
        "apo_down": Variant(
            "anchored preference optimisation, for chosen texts that are worse than the policy's",
            "σ(β c) + 1 − σ(β m)",
            "D'Oosterlinck et al. 2024, arXiv 2408.06266",
            _loss("apo_down"),
        ),
        "discopop": Variant(
            "discovered preference optimisation",
            "−(1 − g) log σ(β m) + g exp(−β m), g = σ(β m / `discopop_tau`)",
            "Lu et al. 2024, arXiv 2406.08414",
            _loss("discopop"),
        ),
        "sigmoid_norm": Variant(
            "length-normalised DPO",
            "−log σ(β m̄)",
            "Lambert et al. 2024 (Tulu 3), arXiv 2411.15124",
            _loss("sigmoid_norm", beta=5.0),
        ),
    }
