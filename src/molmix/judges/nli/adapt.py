"""Adapt an NLI model to the language of a corpus: tune it on pairs made from the corpus's training captions.

Three measures keep what the model knows of general English:

* General pairs are mixed in (:func:`molmix.judges.nli.domain_pairs.general_pairs`), and the model keeps the answers
  that it gave to them before (self-distillation: Li & Hoiem 2016, arXiv 1606.09282). Or the user names labelled pairs.
* Word embeddings are not changed, so that words that are not in the pairs keep their meaning.
* The result is the average of the weights before and after (WiSE-FT: Wortsman et al. 2022, arXiv 2109.01903).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import torch

from molmix.core.errors import fault
from molmix.core.files import read_json, read_table, replace_folder
from molmix.core.progress import Progress
from molmix.data.smiles import LEVELS, HeldOut, join_key
from molmix.judges.nli.check import AMBIGUOUS, read_labelled
from molmix.judges.nli.domain_pairs import KINDS, DomainPairs, Pair, general_pairs
from molmix.judges.nli.labels import LABELS, label_order
from molmix.judges.nli.model import NliModel, positions
from molmix.judges.nli.number_format import resolve_dtype
from molmix.models.loading import default_device, load_folder, load_tokenizer
from molmix.models.manifests import weights_path, write_manifest

HELD_OUT = 1000  # pairs of captions that are not trained on, for the accuracy
HELD_OUT_SHARE = 10  # one of so many captions is held out
WARM_UP = 0.1  # share of the steps
BATCH = 32
LONGEST = 128  # tokens of a pair that is trained on: longer ones take most of the memory and teach the same
_WORDS = 20_000  # most frequent words of general pairs

log = logging.getLogger(__name__)


def adapt(
    *,
    parent: Path,
    corpus: Path,
    tests: Mapping[str, Path],
    out: Path,
    pairs: int,
    general_share: float,
    learning_rate: float,
    parent_share: float,
    max_length: int,
    leave_out: Sequence[str] = (),
    general: Path | None = None,
    labels: Sequence[str] | None = None,
    domain: str = "molecules",
    leakage: str = "parent",
    seed: int,
    threads: int,
) -> None:
    """Tune an NLI model on pairs from training captions, measure it before and after, and save it.

    Writes ``out/weights`` (config with ``id2label``, safetensors, tokenizer) and ``out/manifest.json`` (kind ``nli``):
    ``accuracy`` on pairs from held-out captions of the corpus, over all pairs, by label and by kind of pair; the same
    of the parent; and on general pairs, how often the two agree.

    Args:
        parent: manifest of the NLI model to tune.
        corpus: table of the training captions (``molecule``, ``caption``).
        tests: tables of the test sets by name (``molecule``, ``references``). Their molecules must not be in `corpus`.
        out: folder of the model.
        pairs: training pairs, the general ones included.
        general_share: share of the general pairs.
        learning_rate: at its highest, of AdamW.
        parent_share: share of the parent in the average of the weights before and after the training.
        max_length: tokens of a pair; longer ones are cut.
        leave_out: kinds of pairs (:data:`molmix.judges.nli.domain_pairs.KINDS`) that are not trained on.
        general: labelled pairs as JSON lines; None for random words with the parent's answers.
        labels: names of the parent's classes in its order; default those of its config.
        domain: of the study.
        leakage: level at which molecules are the same, one of :data:`molmix.data.smiles.LEVELS`.
        seed: of the pairs and the training. The same seed and threads give the same model on the same machine.
        threads: CPU threads.

    Raises:
        MolmixError: the corpus overlaps a test set, has too few captions, or the parent cannot be used.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    captions = _captions(corpus, tests, domain, leakage, out.name)
    folder = weights_path(parent)
    before = NliModel.load(folder, max_length=max_length, labels=labels, dtype="auto")
    learned, held_out = (
        DomainPairs(texts, Random(f"adapt {seed} {name}"))
        for name, texts in zip(("train", "heldout"), _split(captions), strict=True)
    )
    own = learned.draw(round(pairs * (1 - general_share)), leave_out=leave_out)
    rng = Random(f"adapt {seed} general")
    asked, targets, check = _general(general, before, folder, pairs - len(own), rng)
    own_targets = np.eye(len(LABELS), dtype=np.float32)[[LABELS.index(pair.label) for pair in own]]
    log.info("%d pairs of captions: %s", len(own), _counts(own))
    log.info("%d general pairs from %s", len(asked), general or "random words")
    texts = [(pair.premise, pair.hypothesis) for pair in own] + asked
    measured = held_out.draw(HELD_OUT)
    accuracy_before, general_before = _accuracy(before, measured), before.score(check).probabilities.argmax(axis=1)
    has_contradiction = before.has_contradiction
    del before

    weights = out / "weights"
    with replace_folder(weights) as part:
        _fit(
            folder,
            part,
            texts,
            np.concatenate([own_targets, targets]),
            labels=labels,
            learning_rate=learning_rate,
            parent_share=parent_share,
            max_length=max_length,
            rng=np.random.default_rng(seed),
        )
    after = NliModel.load(weights, max_length=max_length, dtype="auto")
    accuracy = _accuracy(after, measured)
    kept = float((after.score(check).probabilities.argmax(axis=1) == general_before).mean())
    log.info("accuracy on pairs of held-out captions: %s before, %s after", accuracy_before["all"], accuracy["all"])
    log.info("same answer as before on general pairs: %.4f of %d", kept, len(check))
    facts = {
        "id": out.name,
        "kind": "nli",
        "method": "adapted",
        "parents": [parent.parent.name],
        "inputs": {"parent": read_json(parent)["weights"]["digest"]},
        "settings": {
            "pairs": pairs,
            "general": str(general) if general else "random words",
            "general_share": general_share,
            "learning_rate": learning_rate,
            "parent_share": parent_share,
            "max_length": max_length,
            "leave_out": list(leave_out),
        },
        "seed": seed,
        "rows": {"captions": len(captions), "pairs": len(own), "general": len(asked), "heldout": len(measured)},
        "labels": list(LABELS) if has_contradiction else list(LABELS[:2]),
        "accuracy": accuracy,
        "accuracy_of_parent": accuracy_before,
        "same_on_general_pairs": round(kept, 4),
    }
    write_manifest(out / "manifest.json", facts, weights)


def _captions(corpus: Path, tests: Mapping[str, Path], domain: str, leakage: str, name: str) -> list[str]:
    """The distinct captions of a corpus, after a check that it shares no molecule with a test set."""
    held = HeldOut(domain)
    references: dict[str, str] = {}
    for test, path in tests.items():
        for row in read_table(path, columns=["molecule", "references"]).to_pylist():
            if row["molecule"]:
                held.add([join_key(row["molecule"], domain)], test)
            else:  # references without molecules
                references |= dict.fromkeys(row["references"], test)
    refused = LEVELS[: LEVELS.index(leakage) + 1]
    rows = read_table(corpus, columns=["molecule", "caption"]).to_pylist()
    shared: dict[str, str] = {}
    for row in rows:
        found = held.find(join_key(row["molecule"], domain))
        if found and found[0] in refused:
            shared[row["molecule"]] = found[1]
        elif row["caption"] in references:
            shared[row["molecule"]] = references[row["caption"]]
    if shared:
        molecule, test = next(iter(shared.items()))
        raise fault(
            f"nli.{name}.corpus",
            f"{len(shared)} of its molecules are in a test set, such as {molecule} in {test!r}",
            "adapt the model on captions that are not judged: name another corpus, or take these rows out",
        )
    return sorted({row["caption"] for row in rows})


def _split(captions: Sequence[str]) -> tuple[list[str], list[str]]:
    """Captions to train on, and held-out ones."""
    order = list(captions)
    Random("adapt heldout").shuffle(order)
    number = len(order) // HELD_OUT_SHARE
    if not number:
        raise fault("nli", f"the corpus has {len(order)} captions", f"give at least {HELD_OUT_SHARE}")
    return order[number:], order[:number]


def _general(
    path: Path | None, parent: NliModel, folder: Path, number: int, rng: Random
) -> tuple[list[tuple[str, str]], np.ndarray, list[tuple[str, str]]]:
    """General pairs to train on, their targets (float32 [n, 3]), and other general pairs for a check."""
    if path is not None:
        rows = [row for row in read_labelled(path) if row["label"] != AMBIGUOUS]
        rng.shuffle(rows)
        keys = [(row["premise"], row["hypothesis"]) for row in rows]
        check, rows = keys[: len(rows) // HELD_OUT_SHARE], rows[len(rows) // HELD_OUT_SHARE :]
        rows = [rows[index % len(rows)] for index in range(number)]
        targets = np.eye(len(LABELS), dtype=np.float32)[[LABELS.index(row["label"]) for row in rows]]
        return [(row["premise"], row["hypothesis"]) for row in rows], targets, check
    words = _words(folder)
    asked = general_pairs(words, number, rng)
    with Progress(total=len(asked), unit="pair", desc="NLI general pairs") as bar:
        targets = parent.score(asked, bar).probabilities
    return asked, targets, general_pairs(words, HELD_OUT // 2, rng)


def _words(folder: Path) -> list[str]:
    """Whole words of a model's vocabulary. Vocabularies are ordered by frequency."""
    vocabulary = load_tokenizer(folder).get_vocab()
    begins = {token[0] for token in vocabulary if token[:1] in ("\u0120", "\u2581")}  # "Ġ", "▁": a word begins here
    found = []
    for token in sorted(vocabulary, key=vocabulary.__getitem__):
        word = token[1:] if begins and token[:1] in begins else "" if begins else token
        if word.isascii() and word.isalpha() and len(word) > 1:
            found.append(word)
    return found[:_WORDS]


def _counts(pairs: Sequence[Pair]) -> str:
    kinds = [pair.kind for pair in pairs]
    return ", ".join(f"{kind} {kinds.count(kind)}" for kind in KINDS)


# ---- training -------------------------------------------------------------------------------------------------------


def _fit(
    folder: Path,
    part: Path,
    texts: list[tuple[str, str]],
    targets: np.ndarray,
    *,
    labels: Sequence[str] | None,
    learning_rate: float,
    parent_share: float,
    max_length: int,
    rng: np.random.Generator,
) -> None:
    """Train a copy of the model in `folder` on pairs with target probabilities, and save it."""
    device = default_device()
    model: Any = load_folder(folder, bytes_per_weight=16, device=device, classifier=True, dtype=torch.float32)
    tokenizer: Any = load_tokenizer(folder, model, split_special_tokens=True)
    if tokenizer.pad_token is None:
        raise fault(folder, "has no padding token, and training needs it", "name another NLI model as `parent`")
    names = model.config.id2label if labels is None else dict(enumerate(labels))
    order = label_order(names, folder)
    model.config.id2label = {column: LABELS[label] for column, label in enumerate(order)}
    model.config.label2id = {LABELS[label]: column for column, label in enumerate(order)}
    model.to(device).train()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    model.get_input_embeddings().requires_grad_(False)
    encoded = tokenizer(*map(list, zip(*texts, strict=True)), return_attention_mask=False, verbose=False)
    wanted = torch.from_numpy(_by_class(targets, order)).to(device)
    lengths = np.array([len(ids) for ids in encoded["input_ids"]])
    longest = min(LONGEST, max_length, tokenizer.model_max_length, positions(model))
    log.info("%d of %d pairs are longer than %d tokens and left out", (lengths > longest).sum(), len(texts), longest)
    batches = _batches(np.flatnonzero(lengths <= longest), lengths, rng)
    losses: list[float] = []
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=learning_rate, weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (WARM_UP * len(batches)), 1) * (1 - step / len(batches))
    )
    bar = Progress(batches, desc="NLI adaptation", unit="step")
    for rows in bar:
        inputs = tokenizer.pad(
            {name: [values[row] for row in rows] for name, values in encoded.items()}, return_tensors="pt"
        )
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=resolve_dtype("auto") == "bfloat16"):
            logits = model(**inputs.to(device)).logits
        loss = -(wanted[rows] * logits.float().log_softmax(-1)).sum(-1).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        model.zero_grad()
        losses.append(float(loss.detach()))
        bar.set_numbers({"loss": losses[-1]})
        if len(losses) % max(1, len(batches) // 10) == 0:
            log.info("step %d of %d: loss %.4f", len(losses), len(batches), np.mean(losses[-len(batches) // 10 :]))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.lerp_(before[name], parent_share)
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)


def _by_class(targets: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Target probabilities by the model's classes instead of :data:`LABELS`; float32 [n, classes].

    For a model without contradiction, contradictions are neutral. Classes of one label share its probability.
    """
    if LABELS.index("contradiction") not in order:
        targets = np.stack([targets[:, 0], targets[:, 1] + targets[:, 2]], axis=1)
    return np.stack([targets[:, label] / order.count(label) for label in order], axis=1).astype(np.float32)


def _batches(rows: np.ndarray, lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """One epoch of shuffled batches with rows of similar length, which are sorted in pools of 20 batches."""
    order = rng.permutation(rows)
    pools = (order[start : start + 20 * BATCH] for start in range(0, len(order), 20 * BATCH))
    alike = [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
    batches = [pool[start : start + BATCH] for pool in alike for start in range(0, len(pool), BATCH)]
    return [batches[index] for index in rng.permutation(len(batches))]


def _accuracy(model: NliModel, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Share of pairs whose most probable label is right: over all, by label, by kind of pair."""
    said = model.score([(pair.premise, pair.hypothesis) for pair in pairs]).probabilities.argmax(axis=1)
    truth = [
        "neutral" if pair.label == "contradiction" and not model.has_contradiction else pair.label for pair in pairs
    ]
    right = pd.Series(np.array(LABELS)[said] == np.array(truth))
    parts = {
        f"by_{name}": right.groupby([getattr(pair, name) for pair in pairs]).mean().round(4).to_dict()
        for name in ("label", "kind")
    }
    return {"all": round(float(right.mean()), 4), **parts}
