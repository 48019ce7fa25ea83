"""SFT: supervised fine-tuning on the chosen texts. The loss covers the completion and its end token (TRL)."""

from typing import Any, ClassVar

from molmix.align.methods._shared import MODERN_LORA, PAPER_LORA, Alignment, preset


class Sft(Alignment):
    """Supervised fine-tuning on the chosen texts."""

    dataset_type = "prompt-completion"
    token_columns = ("input_ids",)
    has_reference = False
    formula = "−log p(chosen), mean over tokens"
    config_class = "trl.SFTConfig"
    trainer_class = "trl.SFTTrainer"

    PRESETS: ClassVar[dict[str, dict[str, dict[str, Any]]]] = {
        # From the code of the paper's authors. It does not set max_grad_norm, whose default was and is 1.0.
        # Differences: weights are 4-bit only if `quantize` is true. The loss of a step is the mean over all tokens of
        # its 64 rows; in transformers of 2024 it was the mean of the rows' means.
        "paper": preset(
            1, 64, {}, {"learning_rate": 2e-4, "lr_scheduler_type": "constant"}, PAPER_LORA | {"use_dora": True}
        ),
        # 2e-4 is TRL's own example, and ten times TRL's default for full fine-tuning (2e-5), the ratio for LoRA in
        # Schulman et al. 2025. Batches of 32 rows: large batches harm LoRA more than full fine-tuning (same source). If
        # memory is short, halve the per-device batch and double the accumulation. Cosine with a warm-up, because one
        # short epoch cannot recover from an unstable start. No DoRA, because it is slower.
        "modern": preset(
            8, 4, {}, {"learning_rate": 2e-4, "lr_scheduler_type": "cosine", "warmup_steps": 0.1}, MODERN_LORA
        ),
    }
