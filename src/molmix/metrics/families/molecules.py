"""Caption → molecule: the published molecule-translation metrics, one row per molecule.

The definitions are those of MolT5 (Edwards et al. 2022) and L+M-24 (Edwards et al. 2024), with three differences. Exact
match compares canonical SMILES, not InChI. An empty prediction is invalid; RDKit reads it as a molecule without atoms.
A text with a blank inside is invalid; RDKit reads it as a molecule and its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from molmix.metrics import Answers, Metric, Options, Pooled

if TYPE_CHECKING:
    import pandas as pd
    from rdkit import Chem

DIRECTION, POSITION = "cap2mol", 60
METRICS = (
    Metric("valid", "higher", "validity", headline=True),
    Metric("exact", "higher", "exact match", headline=True),
    Metric("levenshtein", "lower", "Levenshtein"),
    Metric("maccs", "higher", "MACCS"),
    Metric("rdk", "higher", "RDK"),
    Metric("morgan", "higher", "Morgan", headline=True),
    Metric("bleu", "higher", "BLEU (characters)"),
)
SIMILARITIES = ("maccs", "rdk", "morgan")


def measure(answers: Answers) -> pd.DataFrame | None:
    """Molecule metrics; None if answers are not molecules."""
    if answers.options.domain != "molecules":
        return None
    return molecule_scores(answers.smiles or answers.molecules, answers.texts)


def metrics(options: Options) -> tuple[Metric, ...]:
    """How its columns are shown."""
    return METRICS


def pooled(frame: pd.DataFrame, options: Options) -> dict[str, Pooled]:
    """Corpus BLEU over characters of the scored molecules."""
    from molmix.metrics.bleu import COUNT_COLUMNS, corpus_bleu

    if "bleu" not in frame:
        return {}
    return {"bleu": (frame[list(COUNT_COLUMNS)].to_numpy(dtype=float), partial(corpus_bleu, n=4))}


def note(options: Options) -> str:
    """How invalid molecules count."""
    return "Fingerprint similarities are over the valid molecules only." if options.domain == "molecules" else ""


def molecule_scores(references: Sequence[str], predictions: Sequence[str]) -> pd.DataFrame:
    """Score each predicted SMILES against its reference.

    Args:
        references: the expected SMILES, as its source writes it, one for each row.
        predictions: the model's answers.

    Returns:
        One row per molecule, in order. ``valid``: 1 if :func:`molmix.data.smiles.parse_smiles` reads the prediction.
        ``exact``: 1 if both have the same :func:`molmix.data.smiles.join_key`: canonical SMILES with stereochemistry,
        or the text itself if RDKit cannot read it (``unparsable: keep``). ``levenshtein``: edit distance between the
        two original strings, in characters. ``maccs``, ``rdk``, ``morgan``: Tanimoto similarity in [0, 1] over MACCS
        keys, RDKit's path fingerprint (2,048 bits) and Morgan environments of radius 2 (unfolded counts, as published,
        not bits); NaN if RDKit cannot read one of the two. MolT5's tables omit these rows. L+M-24's tables count them
        as 0: to compare with these, fill the NaN with 0. ``bleu``: sentence BLEU-4 over characters from the row's own
        counts (0 without a matching 4-gram). ``bleu_match_1`` … ``bleu_ref_len``: these counts (int64), whose sums give
        the published corpus BLEU (:func:`molmix.metrics.bleu.corpus_bleu`).

    Raises:
        ValueError: the two lists differ in length.
    """
    import numpy as np
    import pandas as pd
    from rapidfuzz.distance import Levenshtein

    from molmix.data.smiles import join_key, parse_smiles
    from molmix.metrics.bleu import COUNT_COLUMNS, bleu_counts, corpus_bleu

    rows, counts = [], []
    for reference, prediction in zip(references, predictions, strict=True):
        gold, guess = parse_smiles(reference), parse_smiles(prediction)
        exact = join_key(reference, "molecules") == join_key(prediction, "molecules")
        distance = Levenshtein.distance(reference, prediction)
        rows.append([guess is not None, exact, distance, *_similarities(gold, guess)])
        counts.append(bleu_counts([reference], prediction))
    table = np.array(counts, dtype=np.int64).reshape(-1, len(COUNT_COLUMNS))
    names = ["valid", "exact", "levenshtein", *SIMILARITIES]
    frame = pd.DataFrame(np.array(rows, dtype=float).reshape(-1, len(names)), columns=names)
    frame["bleu"] = corpus_bleu(table, 4)
    frame[list(COUNT_COLUMNS)] = table
    return frame


def _similarities(gold: Chem.Mol | None, guess: Chem.Mol | None) -> list[float]:
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

    if gold is None or guess is None:
        return [float("nan")] * len(SIMILARITIES)
    makers = (
        rdMolDescriptors.GetMACCSKeysFingerprint,
        Chem.RDKFingerprint,
        rdFingerprintGenerator.GetMorganGenerator(radius=2).GetSparseCountFingerprint,
    )
    return [DataStructs.TanimotoSimilarity(make(gold), make(guess)) for make in makers]
