"""Each method's loss, as its trainer works it out on a padded batch, against its formula on single texts."""

import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from molmix.align.methods import _shared
from molmix.align.methods._shared import MODERN_LORA
from molmix.align.policy import lora_config, reference_model
from molmix.align.settings import METHOD_OF, METHODS
from molmix.models.manifests import write_manifest
from molmix.models.small import make_tokenizer

TEMPLATES = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}
PAIRS = [
    ("Molecule: CCO\nCaption:", " an alcohol", " an acid that smells"),
    ("Molecule: CC(=O)O\nCaption:", " an acid", " a base"),
    ("Molecule: c1ccccc1\nCaption:", " a ring of six carbon atoms", " "),
    ("Molecule: N\nCaption:", " ammonia", " an amine of the first kind"),
]
BETA = 0.3
SIGMOID = torch.nn.functional.logsigmoid


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer([("CCO", "an alcohol"), ("CC(=O)O", "an acid")], TEMPLATES, 290)


@pytest.fixture
def build(tokenizer, tmp_path):
    """A method's trainer on all rows as one batch, with a policy that has moved away from its start."""
    from datasets import Dataset

    def _build(method, rows, reference=None, **settings):
        arguments = {
            "output_dir": str(tmp_path),
            "per_device_train_batch_size": len(rows),
            "max_length": 128,
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "report_to": "none",
        }
        trainer = METHODS[method].trainer(
            arguments | settings,
            model=model(tokenizer, seed=1),
            processing_class=tokenizer,
            peft_config=lora_config(MODERN_LORA | {"r": 4, "alpha": 8}),
            train_dataset=Dataset.from_list(rows),
            **({"ref_model": reference} if reference else {}),
        )
        torch.manual_seed(2)
        for name, weight in trainer.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.5)
        return trainer

    return _build


def model(tokenizer, seed):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=128, **shape)).eval()


def loss(trainer):
    torch.manual_seed(0)
    batch = next(iter(trainer.get_train_dataloader()))
    return trainer.compute_loss(trainer.model, batch).item()


def log_probs(policy, tokenizer, prompt, completion):
    """Log-probabilities of the completion's tokens and of the end, each alone: shape (tokens,)."""
    head = tokenizer(prompt)["input_ids"]
    ids = head + tokenizer(completion, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    with torch.no_grad():
        scores = policy(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return torch.stack([scores[index - 1, ids[index]] for index in range(len(head), len(ids))])


def ratios(trainer, tokenizer, texts, reference=None):
    """log p(text) - log r(text) for each (prompt, completion): shape (texts,)."""
    policy = torch.stack([log_probs(trainer.model, tokenizer, *text).sum() for text in texts])
    if reference:
        return policy - torch.stack([log_probs(reference, tokenizer, *text).sum() for text in texts])
    with trainer.model.disable_adapter():
        return policy - torch.stack([log_probs(trainer.model, tokenizer, *text).sum() for text in texts])


CHOSEN = [(prompt, chosen) for prompt, chosen, _ in PAIRS]
REJECTED = [(prompt, rejected) for prompt, _, rejected in PAIRS]
PAIRED = [{"prompt": prompt, "chosen": chosen, "rejected": rejected} for prompt, chosen, rejected in PAIRS]


def test_sft_is_the_mean_over_completion_tokens_and_the_end(build, tokenizer):
    trainer = build("sft", [{"prompt": prompt, "completion": chosen} for prompt, chosen in CHOSEN])
    tokens = torch.cat([log_probs(trainer.model, tokenizer, *text) for text in CHOSEN])
    assert loss(trainer) == pytest.approx(-tokens.mean().item(), rel=1e-5)


@pytest.mark.parametrize("precompute", [False, True])
def test_dpo_with_the_start_as_reference(build, tokenizer, precompute):
    trainer = build("dpo", PAIRED, beta=BETA, precompute_ref_log_probs=precompute)
    margin = ratios(trainer, tokenizer, CHOSEN) - ratios(trainer, tokenizer, REJECTED)
    assert margin.abs().min() > 0.01  # the policy is not its own reference
    assert loss(trainer) == pytest.approx(-SIGMOID(BETA * margin).mean().item(), rel=1e-5)


def test_dpo_with_a_random_reference(build, tokenizer):
    reference = model(tokenizer, seed=5)
    trainer = build("dpo", PAIRED, reference, beta=BETA)
    margin = ratios(trainer, tokenizer, CHOSEN, reference) - ratios(trainer, tokenizer, REJECTED, reference)
    assert loss(trainer) == pytest.approx(-SIGMOID(BETA * margin).mean().item(), rel=1e-5)


def test_dpo_with_a_uniform_reference(build, tokenizer, tmp_path):
    made = tmp_path / "start"
    model(tokenizer, seed=1).save_pretrained(made / "weights")
    write_manifest(made / "manifest.json", {"id": "start"}, made / "weights")
    trainer = build("dpo", PAIRED, reference_model("uniform", made / "manifest.json", 1), beta=BETA)
    texts = [[log_probs(trainer.model, tokenizer, *text) for text in side] for side in (CHOSEN, REJECTED)]
    # Its log-probability of a text is -tokens * log(vocabulary).
    chosen, rejected = (
        torch.stack([tokens.sum() + len(tokens) * math.log(len(tokenizer)) for tokens in side]) for side in texts
    )
    assert loss(trainer) == pytest.approx(-SIGMOID(BETA * (chosen - rejected)).mean().item(), rel=1e-5)


@pytest.mark.parametrize("alpha", [1.0, 0.0])
def test_cpo_is_dpo_without_a_reference_plus_cloning(build, tokenizer, alpha):
    trainer = build("cpo", PAIRED, beta=BETA, cpo_alpha=alpha)
    chosen = [log_probs(trainer.model, tokenizer, *text) for text in CHOSEN]
    rejected = [log_probs(trainer.model, tokenizer, *text) for text in REJECTED]
    margin = torch.stack([good.sum() - bad.sum() for good, bad in zip(chosen, rejected, strict=True)])
    expected = -SIGMOID(BETA * margin).mean() - alpha * torch.cat(chosen).mean()
    assert loss(trainer) == pytest.approx(expected.item(), rel=1e-5)


# ---- variants: their formulas in docs/presets.md, written out in numpy -------------------------------------------


def sigma(x):
    return 1 / (1 + np.exp(-x))


def log_sigma(x):
    return -np.log1p(np.exp(-x))


def log_odds(x):
    return x - np.log(1 - np.exp(x))


def shaped(x, alpha=0.25):
    return (1 - np.exp(-alpha * x)) / alpha


# By variant: the loss of each pair, from c and r (log-ratios or, without a reference, log-probabilities), their means
# over tokens cm and rm, and beta.
FORMULAS = {
    "hinge": lambda c, r, cm, rm, b: np.maximum(0, 1 - b * (c - r)),
    "ipo": lambda c, r, cm, rm, b: (cm - rm - 1 / (2 * b)) ** 2,
    "exo_pair": lambda c, r, cm, rm, b: (
        sigma(b * (c - r)) * (log_sigma(b * (c - r)) - np.log(1 - 1e-3))
        + sigma(b * (r - c)) * (log_sigma(b * (r - c)) - np.log(1e-3))
    ),
    "nca_pair": lambda c, r, cm, rm, b: -log_sigma(b * c) - 0.5 * log_sigma(-b * c) - 0.5 * log_sigma(-b * r),
    "robust": lambda c, r, cm, rm, b: (-0.9 * log_sigma(b * (c - r)) + 0.1 * log_sigma(b * (r - c))) / 0.8,
    "bco_pair": lambda c, r, cm, rm, b: -log_sigma(b * c) - log_sigma(-b * r),
    "sppo_hard": lambda c, r, cm, rm, b: (c - 0.5 / b) ** 2 + (r + 0.5 / b) ** 2,
    "aot_unpaired": lambda c, r, cm, rm, b: -log_sigma(b * (np.sort(c) - np.sort(r))),
    "apo_zero": lambda c, r, cm, rm, b: 1 - sigma(b * c) + sigma(b * r),
    "apo_down": lambda c, r, cm, rm, b: sigma(b * c) + 1 - sigma(b * (c - r)),
    "discopop": lambda c, r, cm, rm, b: (
        -log_sigma(b * (c - r)) * (1 - sigma(b * (c - r) / 0.05)) + np.exp(b * (r - c)) * sigma(b * (c - r) / 0.05)
    ),
    "sigmoid_norm": lambda c, r, cm, rm, b: -log_sigma(b * (cm - rm)),
    "simpo": lambda c, r, cm, rm, b: -log_sigma(b * (cm - rm) - 1.0),
    "alphapo": lambda c, r, cm, rm, b: -log_sigma(b * (shaped(cm) - shaped(rm)) - 0.25),
    "orpo": lambda c, r, cm, rm, b: -b * log_sigma(log_odds(cm) - log_odds(rm)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_variant_is_its_formula(name, build, tokenizer):
    method = METHOD_OF[name]
    settings = method.VARIANTS[name].loss | {"beta": 0.3}
    trainer = build(next(key for key, value in METHODS.items() if value is method), PAIRED, **settings)
    tokens = [[log_probs(trainer.model, tokenizer, *text) for text in side] for side in (CHOSEN, REJECTED)]
    lengths = np.array([[len(text) for text in side] for side in tokens])
    if method.has_reference:
        sums = np.array([ratios(trainer, tokenizer, side).numpy() for side in (CHOSEN, REJECTED)])
    else:
        sums = np.array([[text.sum().item() for text in side] for side in tokens])
    (c, r), (cm, rm) = sums.astype(float), (sums / lengths).astype(float)
    expected = FORMULAS[name](c, r, cm, rm, 0.3).mean()
    expected += settings.get("cpo_alpha", 0.0) * -torch.cat(tokens[0]).mean().item()
    assert loss(trainer) == pytest.approx(expected, rel=1e-4)


def test_aot_compares_sorted_differences(build, tokenizer):
    trainer = build("dpo", PAIRED, loss_type=["aot"], beta=BETA)
    own = [
        torch.stack([log_probs(trainer.model, tokenizer, *text).sum() for text in side]) for side in (CHOSEN, REJECTED)
    ]
    moved = [ratios(trainer, tokenizer, side) for side in (CHOSEN, REJECTED)]
    policy = own[0] - own[1]
    reference = policy - (moved[0] - moved[1])
    expected = -SIGMOID(BETA * (policy.sort().values - reference.sort().values)).mean()
    assert loss(trainer) == pytest.approx(expected.item(), rel=1e-4)


def test_apo_zero_of_single_texts(build, tokenizer):
    rows = [{"prompt": p, "completion": text, "label": text == good} for p, good, bad in PAIRS for text in (good, bad)]
    trainer = build("kto", rows, beta=BETA, **METHOD_OF["apo_zero_unpaired"].VARIANTS["apo_zero_unpaired"].loss)
    c, r = (ratios(trainer, tokenizer, side) for side in (CHOSEN, REJECTED))
    expected = torch.cat([1 - torch.sigmoid(BETA * c), torch.sigmoid(BETA * r)]).mean()
    assert loss(trainer) == pytest.approx(expected.item(), rel=1e-5)


def test_sft_beside_dpo_keeps_the_chosen_texts(build, tokenizer):
    mixed = METHODS["dpo"].PRESETS["sft_mix"]["trl"]
    settings = {name: mixed[name] for name in ("loss_type", "loss_weights")}
    trainer = build("dpo", PAIRED, beta=BETA, **settings)
    margin = ratios(trainer, tokenizer, CHOSEN) - ratios(trainer, tokenizer, REJECTED)
    cloning = -torch.cat([log_probs(trainer.model, tokenizer, *text) for text in CHOSEN]).mean()
    expected = -SIGMOID(BETA * margin).mean() + 0.2 * cloning
    assert loss(trainer) == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    "settings", [{}, {"loss_type": "simpo", "cpo_alpha": 0.0}, {"loss_type": "alphapo", "alpha": 0.5}]
)
def test_training_is_that_of_trls_experimental_trainer(settings, tokenizer, tmp_path, monkeypatch):
    """As long as TRL has it: the same losses in every step, and the same adapter."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    cpo = pytest.importorskip("trl.experimental.cpo")
    from datasets import Dataset

    from molmix.align.contrastive import ContrastiveConfig, ContrastiveTrainer

    rows = Dataset.from_list([{**row, "chosen": row["chosen"] + more} for row in PAIRED for more in ("", " of carbon")])
    arguments = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "max_length": 30, "seed": 5}
    arguments |= {"num_train_epochs": 2.0, "learning_rate": 1e-2, "eval_strategy": "epoch", "logging_steps": 1}
    arguments |= {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none"}
    arguments |= {"save_strategy": "no", "output_dir": str(tmp_path), "disable_tqdm": True, "beta": BETA}
    found = []
    for config, trainer in ((cpo.CPOConfig, cpo.CPOTrainer), (ContrastiveConfig, ContrastiveTrainer)):
        made = trainer(
            args=config(**arguments, **settings),
            model=model(tokenizer, seed=1),
            processing_class=tokenizer,
            peft_config=lora_config(MODERN_LORA | {"r": 4, "alpha": 8, "dropout": 0.1}),
            train_dataset=rows,
            eval_dataset=rows.select(range(3)),
        )
        made.train()
        weights = {name: weight for name, weight in made.model.named_parameters() if "lora" in name}
        found.append(([entry for entry in made.state.log_history if "loss" in entry or "eval_loss" in entry], weights))
    (theirs, their_weights), (own, weights) = found
    assert len(own) == len(theirs) > 4
    for one, other in zip(own, theirs, strict=True):
        # TRL's mean logits include prompts and padding.
        names = {name for name in other if not any(word in name for word in ("runtime", "per_second", "logits/"))}
        assert {name: one[name] for name in names} == pytest.approx(
            {name: other[name] for name in names}, rel=1e-3, abs=1e-5
        )
    for name, weight in weights.items():
        torch.testing.assert_close(weight, their_weights[name], rtol=1e-3, atol=1e-5)


class LargestTensor(TorchDispatchMode):
    """Remembers the number of elements of the largest new tensor."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.numbers = max(self.numbers, made.numel())
        return made


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "cpo"])
def test_the_logits_of_a_batch_are_never_there_at_the_same_time(method, build, tokenizer, monkeypatch):
    """In tiles that are much smaller than a batch: the same loss and the same gradients."""
    rows = {
        "prompt-completion": [{"prompt": prompt, "completion": chosen} for prompt, chosen in CHOSEN],
        "preference": PAIRED,
        "unpaired-preference": [
            {"prompt": p, "completion": text, "label": text == good} for p, good, bad in PAIRS for text in (good, bad)
        ],
    }[METHODS[method].dataset_type]
    found = []
    for tile in ((4096, 32768), (5, 40)):
        monkeypatch.setattr(_shared, "TILE", tile)
        trainer = build(method, rows)
        torch.manual_seed(0)
        batch = next(iter(trainer.get_train_dataloader()))
        with LargestTensor() as largest:
            value = trainer.compute_loss(trainer.model, batch)
            value.backward()
        ids = next(value for name, value in batch.items() if name.endswith("input_ids"))
        texts = len(ids) * (2 if "chosen_input_ids" in batch else 1)
        found.append((value.item(), [weight.grad for weight in trainer.model.parameters() if weight.requires_grad]))
    assert largest.numbers < texts * ids.shape[1] * len(tokenizer) / 3
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    for whole, tiled in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(whole, tiled, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precompute", [False, True])
@pytest.mark.parametrize("pairs", [PAIRS[:2], PAIRS])  # the estimated divergence is below and above 0
def test_kto_with_the_divergence_of_mismatched_texts(build, tokenizer, precompute, pairs):
    labelled = [row for prompt, good, bad in pairs for row in ((prompt, good, True), (prompt, bad, False))]
    rows = [{"prompt": prompt, "completion": text, "label": label} for prompt, text, label in labelled]
    trainer = build("kto", rows, beta=BETA, precompute_ref_log_probs=precompute)
    ratio = ratios(trainer, tokenizer, [(prompt, text) for prompt, text, _ in labelled])
    # Every prompt under the completion of the row before it.
    texts = [text for _, text, _ in labelled]
    mismatched = zip((prompt for prompt, _, _ in labelled), texts[-1:] + texts[:-1], strict=True)
    divergence = ratios(trainer, tokenizer, list(mismatched)).mean().clamp(min=0)
    sign = torch.tensor([1.0 if label else -1.0 for _, _, label in labelled])
    expected = (1 - torch.sigmoid(BETA * sign * (ratio - divergence))).mean()
    assert loss(trainer) == pytest.approx(expected.item(), rel=1e-5)
