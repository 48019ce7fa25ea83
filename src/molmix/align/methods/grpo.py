"""GRPO: group relative policy optimisation (Shao et al. 2024, arXiv 2402.03300; TRL).

The policy samples several captions of a molecule. Each has a reward, a weighted sum of terms. Its advantage is its
reward minus the mean of its group, divided by the group's standard deviation. Captions with a positive advantage become
more probable, the others less. It reads no preference pairs: of a pair, only the molecule and the chosen caption, which
is the reference of the reward.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from molmix.align.methods._shared import MODERN_LORA, MUTATING, Alignment, preset
from molmix.align.rewards import FORM, Weights, check_reward
from molmix.core.errors import fault, show_value
from molmix.metrics import Options

LOSS = {
    "loss_type": "dapo",
    "beta": 0.04,
    "num_generations": 8,
    "max_completion_length": 300,
    "temperature": 1.0,
}
_ANEW = "captions are sampled anew for every step, so that a killed training resumes exactly"
_TABLE = "the log is a table, log.parquet, with every number of every step"
_SAMPLER = "captions are sampled by transformers"
_RESERVED = {
    "the weights are those of `reward`": "reward_weights",
    _ANEW: "num_iterations steps_per_generation generation_batch_size",
    _TABLE: "log_completions log_multimodal log_unique_prompts log_completions_hub_repo num_completions_to_print",
    _SAMPLER: """
        use_vllm vllm_mode vllm_model_impl vllm_enable_sleep_mode vllm_structured_outputs_regex vllm_server_base_url
        vllm_server_host vllm_server_port vllm_server_timeout vllm_group_port vllm_gpu_memory_utilization
        vllm_max_model_length vllm_tensor_parallel_size vllm_importance_sampling_correction
        vllm_importance_sampling_mode vllm_importance_sampling_clip_max vllm_importance_sampling_clip_min
        vllm_importance_sampling_cap use_transformers_continuous_batching transformers_continuous_batching_config
        use_transformers_paged""",
    "an evaluation writes captions for `eval_metrics` only": "num_generations_eval per_device_eval_batch_size",
    "captions need no tools and no chat": "chat_template_kwargs max_tool_calling_iterations",
    "the captions of a prompt stay side by side": "train_sampling_strategy",
}


class Grpo(Alignment):
    """Group relative policy optimisation: the policy learns from rewards of its own captions."""

    reward: Weights = Field(
        min_length=1,
        description="terms of the reward with their weights. A term is a metric of captions, by its column in the "
        "scores (`atomic_f1`, `bleu4`, `<judge>.consistency`), or one of `length`, `repetition` and `empty` "
        "(docs/grpo.md). Where lower is better, the weight is negative",
    )

    dataset_type = "prompt-only"
    token_columns = ()
    has_reference = True
    formula = "−Â π(y) / π̂(y) + β KL, per token; Â: the reward of a caption relative to its group"
    paper = "Shao et al. 2024, arXiv 2402.03300"
    config_class = "molmix.align.grpo.RewardConfig"
    trainer_class = "molmix.align.grpo.RewardTrainer"
    reserved: ClassVar[dict[str, str]] = {name: why for why, names in _RESERVED.items() for name in names.split()}

    PRESETS: ClassVar[dict[str, dict[str, dict[str, Any]]]] = {
        # Each step samples 8 captions for each of 8 molecules, as TRL's example. 1e-5 is ten times TRL's default for
        # full fine-tuning (1e-6; see the preset of SFT for LoRA). The loss is the mean over the tokens of a step (DAPO,
        # Yu et al. 2025, arXiv 2503.14476, TRL's default): the mean over captions favours long bad ones (Liu et al.
        # 2025, arXiv 2503.20783). Beta is that of DeepSeekMath: without it nothing ties the policy to its start.
        "modern": preset(
            32, 2, LOSS, {"learning_rate": 1e-5, "lr_scheduler_type": "cosine", "warmup_steps": 0.1}, MODERN_LORA
        ),
    }

    @property
    def metrics(self) -> list[str]:
        """Also the terms of the reward that are metrics."""
        return [*(name for name in self.reward if name not in FORM), *super().metrics]

    def check_metrics(self, options: Options, *, knows_facts: bool, key: str) -> None:
        """Refuse terms and metrics that do not exist, and weights that reward what is worse."""
        super().check_metrics(options, knows_facts=knows_facts, key=key)
        check_reward(self.reward, options, knows_facts=knows_facts, key=f"{key}.reward")

    @classmethod
    def sampled(cls, trl: dict[str, Any]) -> int:
        """The size of a group."""
        return int(trl["num_generations"])

    @classmethod
    def batches(cls, rows: int, trl: dict[str, Any], processes: int) -> int:
        """Batches of captions. Prompts that fill no step are left out."""
        accumulation = trl["gradient_accumulation_steps"]
        return (
            rows // (trl["per_device_train_batch_size"] * accumulation * processes // cls.sampled(trl)) * accumulation
        )

    def resolved(self) -> dict[str, Any]:
        """Also the reward."""
        return super().resolved() | {"reward": self.reward}

    def check(self, key: str) -> None:
        """Also refuse groups that do not fill a step, and a reference that the trainer cannot have."""
        super().check(key)
        if self.rejected != "preferences":
            raise fault(f"{key}.rejected", "`method: grpo` reads no pairs", "remove it")
        trl = self.PRESETS[self.preset]["trl"] | self.settings
        group, captions = (
            trl["num_generations"],
            trl["per_device_train_batch_size"] * trl["gradient_accumulation_steps"],
        )
        if group is None or group < 2:
            what = f"{show_value(group)}: a caption is compared with the others of its group"
            raise fault(f"{key}.settings.num_generations", what, "give at least 2")
        if captions % group:
            what = f"groups of {group} captions do not fill a step of {captions} (batch × accumulation)"
            raise fault(f"{key}.settings.num_generations", what, "give a number that divides it")
        if self.reference != "start":
            raise fault(f"{key}.reference", "the reference model of GRPO is its start", "give `reference: start`")
        whole = self.adapter == "none" or self.lora.get("init_lora_weights") in MUTATING
        if whole and trl["beta"]:
            what = "the reference of GRPO is the start without its adapter, and here the start itself changes"
            raise fault(f"{key}.settings.beta", what, "set `beta: 0.0`, or train a plain adapter")
