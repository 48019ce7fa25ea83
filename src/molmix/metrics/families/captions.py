"""Molecule → caption: the published text metrics, one row per caption.

The definitions are those of MolT5 (Edwards et al. 2022) and L+M-24 (Edwards et al. 2024), computed faster:
BLEU and METEOR over the given tokens (published: SciBERT wordpieces), ROUGE on the raw text without stemming.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from molmix.metrics import Answers, Metric, Options, Pooled

if TYPE_CHECKING:
    import pandas as pd

    from molmix.metrics.tokenize import Tokenizer

DIRECTION, POSITION = "mol2cap", 20
METRICS = (
    Metric("bleu2", "higher", "BLEU-2"),
    Metric("bleu4", "higher", "BLEU-4", headline=True),
    Metric("rouge1", "higher", "ROUGE-1"),
    Metric("rouge2", "higher", "ROUGE-2"),
    Metric("rougeL", "higher", "ROUGE-L", headline=True),
    Metric("meteor", "higher", "METEOR", headline=True),
)


def measure(answers: Answers) -> pd.DataFrame:
    """The text metrics of captions."""
    from molmix.metrics.tokenize import load_metric_tokenizer

    vocabulary, wordnet = _files(answers.options)
    return caption_scores(answers.references, answers.texts, load_metric_tokenizer(vocabulary), wordnet)


def metrics(options: Options) -> tuple[Metric, ...]:
    """How its columns are shown."""
    return METRICS


def pooled(frame: pd.DataFrame, options: Options) -> dict[str, Pooled]:
    """Corpus BLEU of the scored captions."""
    from molmix.metrics.bleu import COUNT_COLUMNS, pooled_bleu

    return pooled_bleu(frame[list(COUNT_COLUMNS)].to_numpy(dtype=float)) if "bleu2" in frame else {}


def note(options: Options) -> str:
    """The definitions of these figures."""
    from molmix.metrics.meteor import meteor_name
    from molmix.metrics.tokenize import load_metric_tokenizer

    vocabulary, wordnet = _files(options)
    simple = "" if vocabulary and wordnet else " Not the published definition: set `metrics` for that."
    return f"BLEU and METEOR over {load_metric_tokenizer(vocabulary).name} tokens; {meteor_name(wordnet)}.{simple}"


def _files(options: Options) -> tuple[Path | None, Path | None]:
    return (
        Path(options.vocabulary) if options.vocabulary else None,
        Path(options.wordnet) if options.wordnet else None,
    )


def caption_scores(
    references: Sequence[Sequence[str]],
    predictions: Sequence[str],
    tokenizer: Tokenizer,
    wordnet: Path | None,
) -> pd.DataFrame:
    """Score each prediction against its own references.

    Args:
        references: one or more captions for each row.
        predictions: one caption for each row.
        tokenizer: splits the captions into tokens for BLEU and METEOR.
        wordnet: folder of a WordNet 3.0 database, or None for METEOR with exact and stem matches only
            (:func:`molmix.metrics.meteor.meteor_name` names the difference).

    Returns:
        One row per caption, in order. ``bleu2``, ``bleu4``: sentence BLEU from the row's own counts, without
        smoothing, so 0 for a caption without a matching 2-gram or 4-gram. A system's BLEU is *not* their mean but
        :func:`molmix.metrics.bleu.corpus_bleu` of the summed counts. ``bleu_match_1`` … ``bleu_ref_len``: these
        counts (int64). ``rouge1``, ``rouge2``, ``rougeL``, ``meteor``: in [0, 1], the best over the row's
        references; a system's score is their mean. Every score is 0 if the prediction is empty, if there is no
        reference, or if the reference is empty. ROUGE is undefined (NaN) if the references have
        letters, but no ASCII letter or digit.

    Raises:
        MolmixError: there is no WordNet 3.0 in the folder.
        ValueError: the two lists differ in length.
    """
    import numpy as np
    import pandas as pd

    from molmix.metrics.bleu import COUNT_COLUMNS, bleu_counts, corpus_bleu
    from molmix.metrics.meteor import meteor_scorer
    from molmix.metrics.rouge import rouge_scores, rouge_words

    golds = [list(row) or [""] for row in references]
    texts = list(dict.fromkeys([*predictions, *chain.from_iterable(golds)]))
    tokens = dict(zip(texts, tokenizer(texts), strict=True))
    words = {text: rouge_words(text) for text in texts}
    meteor = meteor_scorer(wordnet)

    counts, scores = [], []
    for gold, text in zip(golds, predictions, strict=True):
        gold_tokens = [tokens[reference] for reference in gold]
        counts.append(bleu_counts(gold_tokens, tokens[text]))
        gold_words = [words[reference] for reference in gold]
        rouge = rouge_scores(gold_words, words[text])
        if text and not any(gold_words) and any(map(str.isalpha, "".join(gold))):
            rouge = [np.nan] * 3  # the references are in another script, of which ROUGE reads nothing
        scores.append([*rouge, meteor(gold_tokens, tokens[text])])
    table = np.array(counts, dtype=np.int64).reshape(-1, len(COUNT_COLUMNS))
    frame = pd.DataFrame({f"bleu{n}": corpus_bleu(table, n) for n in (2, 4)})
    frame[list(COUNT_COLUMNS)] = table
    frame[["rouge1", "rouge2", "rougeL", "meteor"]] = np.array(scores, dtype=float).reshape(-1, 4)
    return frame
