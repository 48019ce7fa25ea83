"""SFT: supervised fine-tuning on the chosen texts; the loss is over the completion and its end token (TRL)."""

from typing import Any, ClassVar

from molmix.align.methods._shared import MODERN_LORA, PAPER_LORA, Alignment, preset


class Sft(Alignment):
    """Supervised fine-tuning on the chosen texts."""

    dataset_type = "prompt-completion"
    token_columns = ("input_ids",)
    has_reference = False
    config_class = "trl.SFTConfig"
    trainer_class = "trl.SFTTrainer"

    PRESETS: ClassVar[dict[str, dict[str, dict[str, Any]]]] = {
        # The authors' code. It does not set max_grad_norm, whose default was and is 1.0. Different here: weights are
        # 4-bit only where `quantize` is true, and the loss of a step is the mean over all tokens of its 64 rows;
        # transformers of 2024 took the mean of the rows' means.
        "paper": preset(
            1, 64, {}, {"learning_rate": 2e-4, "lr_scheduler_type": "constant"}, PAPER_LORA | {"use_dora": True}
        ),
        # 2e-4 is ten times TRL's default for full fine-tuning (2e-5), which is LoRA's ratio (Schulman et al. 2025) and
        # TRL's own example. Batches of 32 rows: LoRA loses more with big batches than full fine-tuning does (same
        # source). If memory is short, halve the per-device batch and double the accumulation. Cosine with a warm-up,
        # because one short epoch has no time to recover from a rough start. No DoRA: it is slower.
        "modern": preset(
            8, 4, {}, {"learning_rate": 2e-4, "lr_scheduler_type": "cosine", "warmup_steps": 0.1}, MODERN_LORA
        ),
    }
