"""Validate a finished merge and measure its distances, in one pass over its tensors."""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch

from molmix.core.errors import MolmixError, fault
from molmix.core.files import make_again
from molmix.models.weights import Weights

NEAR = 0.9995  # |cosine| above which mergekit's SLERP interpolates linearly
CHUNK = 2**16  # numbers per thread at a time, so that intermediate results fit into its cache


def validate_merge(
    merged: Weights, dtype: torch.dtype, models: dict[str, Weights], parents: tuple[str, str], base: str
) -> dict[str, Any]:
    """Check that a merge is complete and finite, and measure its distance to the parents and the base.

    Args:
        merged: the weights that mergekit wrote.
        dtype: the type that mergekit should write.
        models: full weights of the parents and the base by id.
        parents: ids of the parents.
        base: id of their common parent.

    Returns:
        ``tensors``: their number. ``distance``: relative distance ``|M - P| / |P|`` over all weights, by id.
        ``lerp_share``: share of tensors whose parents are so nearly parallel that mergekit's SLERP interpolates them
        linearly. ``task_vector_cosine``: cosine between the parents' differences from the base; None if a parent
        equals the base. All are rounded to 4 digits, which do not depend on the number of threads.

    Raises:
        MolmixError: a tensor is missing, has another shape or type, or contains NaN or infinity.
    """
    first, second, origin = (models[name] for name in (*parents, base))
    for name, shape in first.shapes.items():
        made = merged.shapes.get(name), merged.dtypes.get(name)
        if made != (shape, dtype):
            raise fault(
                merged.folder.parent,
                f"the merge should hold {name} as {(shape, dtype)} and holds {made}",
                "mergekit does not know this architecture: remove the model from `merge` and `universal`",
            )
    total = torch.zeros(10, dtype=torch.float64)
    near = 0
    for name in first.shapes:
        sums = _sums(*(model.tensor(name) for model in (merged, first, second, origin)))
        if not sums.isfinite().all():
            raise _not_finite(name, merged, models)
        total += sums
        first_square, second_square, product = sums[6:9].tolist()
        near += abs(product) > NEAR * sqrt(first_square * second_square)
    distances = (total[:3] / total[[6, 7, 9]]).sqrt().tolist()
    lengths = sqrt(total[3] * total[4])
    return {
        "tensors": len(first.shapes),
        "distance": {name: _digits(far) for name, far in zip((*parents, base), distances, strict=True)},
        "lerp_share": _digits(near / len(first.shapes)),
        "task_vector_cosine": _digits(total[5] / lengths) if lengths else None,
    }


def _sums(merged: torch.Tensor, first: torch.Tensor, second: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """Sums over one tensor: squares of the merge's three distances (0-2); squares and product of the task vectors
    (3-5); squares and product of the parents (6-8); square of the base (9).
    """
    total = torch.zeros(10, dtype=torch.float64)
    chunk = CHUNK * torch.get_num_threads()
    tensors = (tensor.flatten().split(chunk) for tensor in (merged, first, second, base))
    for chunks in zip(*tensors, strict=True):
        m, p, q, b = (chunk.float() for chunk in chunks)
        far = [(x, x) for x in (m - p, m - q, m - b)]
        v, w = p - b, q - b
        pairs = [*far, (v, v), (w, w), (v, w), (p, p), (q, q), (p, q), (b, b)]
        total += torch.stack([torch.dot(x, y) for x, y in pairs])
    return total


def _digits(number: float | torch.Tensor) -> float:
    return float(f"{number:.4g}")


def _not_finite(name: str, merged: Weights, models: dict[str, Weights]) -> MolmixError:
    what = f"{name} holds NaN or infinite numbers"
    for model, checkpoint in models.items():
        if not checkpoint.tensor(name).isfinite().all():
            made_by = merged.folder.parent.parent / model / "manifest.json"
            return fault(model, f"{what} (read from {checkpoint.folder})", make_again(made_by))
    return fault(merged.folder.parent, f"the merge's {what}", "change the settings of its merge method")
