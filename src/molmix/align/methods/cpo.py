"""CPO: contrastive preference optimisation (Xu et al. 2024, arXiv 2401.08417; TRL, experimental).

The loss of a batch has two terms. The first is the mean over its pairs of
``-log sigmoid(beta * (log p(chosen) - log p(rejected)))``. This is DPO with a reference that gives every text the same
probability. The paper calls this reference uniform; ``reference: uniform`` of DPO is uniform over tokens. The second
term is `cpo_alpha` times the mean over all tokens of ``-log p(chosen)`` (behaviour cloning of the chosen texts).
``cpo_alpha: 0.0`` removes the second term.
"""

import copy
from typing import Any, ClassVar

from molmix.align.methods._shared import MODERN_LORA, PAPER_LORA, Alignment, preset

LOSS = {"beta": 0.1, "loss_type": "sigmoid", "cpo_alpha": 1.0}


class Cpo(Alignment):
    """Contrastive preference optimisation."""

    dataset_type = "preference"
    token_columns = ("chosen_input_ids",)
    has_reference = False
    config_class = "trl.experimental.cpo.CPOConfig"
    trainer_class = "trl.experimental.cpo.CPOTrainer"
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

    @classmethod
    def trainer(cls, arguments: dict[str, Any], *, order: Any = None, **parts: Any) -> Any:
        """As for all methods, but with a tokenizer that has a BOS token only if it begins texts with it.

        CPO's trainer puts BOS before every text if the tokenizer has a BOS token, even if the tokenizer does not use it
        (such as GPT-2's). The other trainers, and generation, follow the tokenizer.
        """
        tokenizer = copy.deepcopy(parts["processing_class"])
        if tokenizer("x")["input_ids"][0] != tokenizer.bos_token_id:
            tokenizer.bos_token = None
        return super().trainer(arguments, order=order, **parts | {"processing_class": tokenizer})
