"""The low-rank adapter that every method trains (LoRA, Hu et al. 2021, arXiv 2106.09685; PEFT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from molmix.core.schema import Count, Section

if TYPE_CHECKING:
    from peft import LoraConfig

# The authors' code; its SFT run adds DoRA.
PAPER: dict[str, Any] = {"r": 64, "alpha": 16, "dropout": 0.05, "target_modules": "all-linear"}

# Schulman et al. 2025, "LoRA Without Regret", and TRL's guide of that name: adapters on all linear layers,
# alpha 32, no dropout. Rank 32 puts the scale alpha / r at 1, where rsLoRA has nothing to mend (the paper's
# 16 / 64 quarters every update), and gives a 7B model some 80 million weights to learn about a million
# caption tokens.
MODERN: dict[str, Any] = {"r": 32, "alpha": 32, "dropout": 0.0, "target_modules": "all-linear"}


class Lora(Section):
    """Low-rank adapter (PEFT)."""

    r: Count = Field(description="rank")
    alpha: Count = Field(description="scale numerator: updates are scaled by alpha / r")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        description="adapter dropout; TRL's `disable_dropout` switches it off for dpo, cpo and kto"
    )
    target_modules: str | list[str] = Field(description="layers that get it: `all-linear`, or their names")
    use_dora: bool = Field(False, description="weight-decomposed variant (DoRA, Liu et al. 2024)")
    use_rslora: bool = Field(False, description="scale by alpha / sqrt(r) instead (Kalajdzievski 2023)")

    def peft(self) -> LoraConfig:
        """The same as PEFT takes it."""
        from peft import LoraConfig

        return LoraConfig(
            task_type="CAUSAL_LM",
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.target_modules,
            use_dora=self.use_dora,
            use_rslora=self.use_rslora,
        )
