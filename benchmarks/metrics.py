"""Caption metrics, against the same libraries called in a plain loop; intervals and comparisons."""

import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd
from nltk.stem.porter import PorterStemmer
from nltk.translate.bleu_score import corpus_bleu as nltk_bleu
from nltk.translate.meteor_score import exact_match, stem_match
from rouge_score.rouge_scorer import RougeScorer

from benchmarks.common import Row, corpus, in_turn
from molmix.analysis.comparison.paired import compare, fixed_pairs
from molmix.metrics import Options
from molmix.metrics.bleu import COUNT_COLUMNS
from molmix.metrics.families.captions import caption_scores
from molmix.metrics.meteor import meteor_name
from molmix.metrics.tokenize import load_metric_tokenizer

CAPTIONS = 3300
WORDNET = Path("/usr/share/wordnet")


def measure() -> list[Row]:
    return [_captions(), _statistics()]


def _captions() -> Row:
    captions = [caption for _, caption in corpus(CAPTIONS)]
    references, predictions = [[text] for text in captions], captions[1:] + captions[:1]
    tokenizer = load_metric_tokenizer(None)

    def by_molmix() -> None:
        caption_scores(references, predictions, tokenizer, None)

    def plain() -> None:
        scorer, stemmer = RougeScorer(["rouge1", "rouge2", "rougeL"]), PorterStemmer()
        golds, answers = [], []
        for (gold,), text in zip(references, predictions, strict=True):
            (gold_tokens,), (tokens,) = tokenizer([gold]), tokenizer([text])
            golds.append([gold_tokens])
            answers.append(tokens)
            scorer.score(gold, text)
            _, left, other = exact_match(tokens, gold_tokens)
            stem_match([w for _, w in left], [w for _, w in other], stemmer)
        nltk_bleu(golds, answers, (0.5, 0.5))
        nltk_bleu(golds, answers)

    a, b = in_turn(by_molmix, plain)
    what = f"caption metrics, {CAPTIONS} captions ({meteor_name(None)})"
    return (what, f"{a:.2f} s", f"{b:.2f} s (libraries in a loop)", f"{b / a:.1f} x", "4 x")


def _statistics() -> Row:
    draw = np.random.default_rng(0)
    systems, rows, resamples = 20, 22_000, 2000
    means = (
        "hallucination",
        "unsupported",
        "coverage",
        "rouge1",
        "rouge2",
        "rougeL",
        "meteor",
        "precision",
        "recall",
        "f1",
    )
    frames, models = {}, {}
    for system in range(systems):
        frame = pd.DataFrame({"id": range(rows)} | {column: draw.random(rows) + system / 2000 for column in means})
        frame[list(COUNT_COLUMNS)] = draw.integers(1, 40, (rows, len(COUNT_COLUMNS)))
        frames[f"m{system}"] = frame.assign(bleu2=0.5, bleu4=0.5)
        merged = system > systems // 3
        parents = ["m1", "m2"] if merged else []
        models[f"m{system}"] = {"kind": "merged" if merged else "aligned", "parents": parents, "start": "m0"}
    models["m0"]["start"] = None
    options = Options(judges={"atomic": {"kind": "atomic"}}, vocabulary=None, wordnet=None, domain="molecules")
    begin = time.perf_counter()
    found = compare(frames, fixed_pairs(models), options, resamples=resamples, level=0.95, seed=0)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"intervals and {len(found.comparisons)} comparisons of {systems} systems x {rows} captions x "
        f"{len(means) + 2} metrics, {resamples} resamples, up to {found.permutations} permutations",
        f"{seconds:.0f} s, {peak:.1f} GB",
        "-",
        "-",
        "120 s, 4 GB",
    )
