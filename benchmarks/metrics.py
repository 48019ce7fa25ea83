"""Caption metrics and intervals, against the same libraries called in a plain loop."""

import time
from pathlib import Path

import numpy as np
from nltk.stem.porter import PorterStemmer
from nltk.translate.bleu_score import corpus_bleu as nltk_bleu
from nltk.translate.meteor_score import exact_match, stem_match
from rouge_score.rouge_scorer import RougeScorer

from benchmarks.common import Row, corpus, in_turn
from molmix.metrics.bleu import COUNT_COLUMNS, corpus_bleu
from molmix.metrics.captions import caption_scores
from molmix.metrics.meteor import meteor_name
from molmix.metrics.tokenize import load_tokenizer
from molmix.stats import bootstrap

CAPTIONS = 3300
WORDNET = Path("/usr/share/wordnet")


def measure() -> list[Row]:
    return [_captions(), _intervals()]


def _captions() -> Row:
    captions = [caption for _, caption in corpus(CAPTIONS)]
    references, predictions = [[text] for text in captions], captions[1:] + captions[:1]
    tokenizer = load_tokenizer(None)

    def ours() -> None:
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

    a, b = in_turn(ours, plain)
    what = f"caption metrics, {CAPTIONS} captions ({meteor_name(None)})"
    return (what, f"{a:.2f} s", f"{b:.2f} s (libraries in a loop)", f"{b / a:.1f} x", "4 x")


def _intervals() -> Row:
    draw = np.random.default_rng(0)
    systems, rows, metrics, resamples = 20, 22_000, 12, 2000
    columns = {(s, m): draw.random(rows) for s in range(systems) for m in range(metrics)}
    counts = draw.integers(1, 40, (rows, len(COUNT_COLUMNS)))
    begin = time.perf_counter()
    bootstrap(columns, {"bleu4": (counts, lambda sums: corpus_bleu(sums, 4))}, resamples=resamples)
    seconds = time.perf_counter() - begin
    return (
        f"intervals, {systems} systems x {rows} captions x {metrics} metrics, {resamples} resamples",
        f"{seconds:.0f} s",
        "-",
        "-",
        "120 s",
    )
