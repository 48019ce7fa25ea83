"""Caption → molecule: the Fréchet ChemNet Distance between all answers and all references (Preuer et al. 2018).

The network and its weights are those of the package ``fcd``, which `metrics.fcd` needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from molmix.core.errors import fault
from molmix.metrics import Answers, Metric, Options

if TYPE_CHECKING:
    import numpy as np

DIRECTION, POSITION = "cap2mol", 70
LONGEST = 349  # characters of a SMILES that fit into ChemNet's input of 350 with its end token


def metrics(options: Options) -> tuple[Metric, ...]:
    """How its column is shown; empty if the config does not ask for it."""
    return (Metric("fcd", "lower", "FCD", of_set=True),) if options.fcd else ()


def measure_set(answers: Answers) -> dict[str, float]:
    """The distance of one model's molecules and the references; empty if the config does not ask for it."""
    return {"fcd": frechet_chemnet_distance(answers.molecules, answers.texts)} if answers.options.fcd else {}


def note(options: Options) -> str:
    """What a reader must know to compare two distances."""
    return (
        "FCD: a distance between the set of valid answers and the set of references. No molecule has a value of it, so "
        "it has no interval and no test. It is smaller for more molecules: compare models of one test set only, and "
        "read it beside validity."
        if options.fcd
        else ""
    )


def check_fcd(where: str) -> None:
    """Refuse to measure the distance if the package fcd is not installed. `where` is a config key."""
    if find_spec("fcd") is None:
        raise fault(where, "true, and the package fcd is not installed", "pip install fcd, or set it to false")


def frechet_chemnet_distance(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Fréchet distance of two Gaussians, fitted to ChemNet's activations (512 for each molecule) of both sets.

    MolT5 (Edwards et al. 2022) and L+M-24 call ``fcd.get_fcd`` with the canonical SMILES of all references and of the
    valid answers, and so does this function, with one difference. The package pads all SMILES of a set to the length
    of the longest one, and the activations depend on the padding. Here all are padded to 350, the length of ChemNet's
    training, and SMILES of more than :data:`LONGEST` characters are left out.

    Args:
        references: SMILES of the test set.
        predictions: the answers; those that RDKit cannot read are left out.

    Returns:
        The distance, 0 or more; NaN if one of the sets has fewer than two molecules.

    Raises:
        MolmixError: the package fcd is not installed.
    """
    check_fcd("metrics.fcd")
    from fcd import calculate_frechet_distance

    from molmix.data.smiles import canonical

    sets = [
        [text for smiles in texts if (text := canonical(smiles)) and len(text) <= LONGEST]
        for texts in (references, predictions)
    ]
    if min(map(len, sets)) < 2:
        return float("nan")
    (mu1, sigma1), (mu2, sigma2) = map(_gaussian, sets)
    return max(0.0, calculate_frechet_distance(mu1=mu1, sigma1=sigma1, mu2=mu2, sigma2=sigma2))


def _gaussian(smiles: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean (512,) and covariance (512, 512) of ChemNet's activations."""
    import numpy as np
    from fcd import get_predictions, load_ref_model

    activations = get_predictions(load_ref_model(), smiles, n_jobs=0, device="cpu")
    return activations.mean(axis=0), np.cov(activations.T)
