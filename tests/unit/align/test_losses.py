"""Each method's loss, as its trainer works it out on a padded batch, against its formula on single texts."""

import math

import pytest
import torch

from molmix.align.methods._shared import MODERN_LORA
from molmix.align.policy import lora_config, reference_model
from molmix.align.settings import METHODS
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
