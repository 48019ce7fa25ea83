"""Validate a finished merge and measure its distances, in one pass over its tensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from molmix.core.errors import MolmixError, fault
from molmix.core.files import make_again
from molmix.core.progress import Progress
from molmix.models.precision import Erasure
from molmix.models.weights import Weights

NEAR = 0.9995  # |cosine| above which mergekit's SLERP interpolates linearly
CHUNK = 2**16  # numbers per thread at a time, so that intermediate results fit into its cache


def validate_merge(
    merged: Weights, models: dict[str, Weights], parents: Sequence[str], base: str, casts: Iterable[torch.dtype] = ()
) -> dict[str, Any]:
    """Check that a merge is complete and finite, and measure its distance to the parents and the base.

    Args:
        merged: the weights that mergekit wrote, in float32.
        models: full weights of the parents and the base by id.
        parents: ids of the parents, two or more.
        base: id of their common parent; it can be one of them.
        casts: types whose effect on the merge is measured.

    Returns:
        Entries of its manifest. In ``validation``, ``tensors``: their number. ``distance``: relative distance
        ``|M - P| / |P|`` over all weights, by id.
        ``lerp_share``: share of tensors whose parents, each pair of them, are so nearly parallel that mergekit's SLERP
        interpolates them linearly. ``task_vector_cosine``: cosine between the parents' differences from the base, the
        mean over all pairs; None if a parent equals the base. ``erased``: by type, the share of the merge's difference
        from the base that a cast to it erases (:class:`molmix.models.precision.Erasure`). All are rounded to 4 digits,
        which do not depend on the number of threads.

    Raises:
        MolmixError: a tensor is missing, has another shape or type, or contains NaN or infinity.
    """
    origin = models[base]
    for name, shape in origin.shapes.items():
        made = merged.shapes.get(name), merged.dtypes.get(name)
        if made != (shape, torch.float32):
            raise fault(
                merged.folder.parent,
                f"the merge should hold {name} as {(shape, torch.float32)} and holds {made}",
                "mergekit does not know this architecture: remove the model from `merge` and `universal`",
            )
    size = len(parents) + 1
    total = torch.zeros(3, size, size, dtype=torch.float64)
    erasures = [Erasure(dtype) for dtype in casts]
    near = 0
    for name in Progress(origin.shapes, desc="validation of the merge", unit="tensor"):
        tensors = [model.tensor(name) for model in (merged, *(models[parent] for parent in parents), origin)]
        sums = _sums(tensors, erasures)
        if not sums.isfinite().all():
            raise _not_finite(name, merged, models)
        total += sums
        products = sums[2, :-1, :-1]
        near += bool((products.abs() > NEAR * _lengths(products)).all())
    distances = (total[0].diagonal() / total[2].diagonal()).sqrt().tolist()
    tasks = total[1, :-1, :-1]
    pairs = torch.ones_like(tasks).triu(1).bool()
    cosines = (tasks / _lengths(tasks))[pairs]
    return {
        "validation": {
            "tensors": len(origin.shapes),
            "distance": {name: _digits(far) for name, far in zip((*parents, base), distances, strict=True)},
            "lerp_share": _digits(near / len(origin.shapes)),
            "task_vector_cosine": _digits(cosines.mean()) if tasks.diagonal().all() else None,
        },
        "erased": {str(found.dtype).removeprefix("torch."): found.share for found in erasures},
    }


def _lengths(products: torch.Tensor) -> torch.Tensor:
    """Products of the lengths of vectors, in the shape of their inner products (n, n)."""
    squares = products.diagonal()
    return (squares[:, None] * squares[None, :]).sqrt()


def _sums(tensors: Sequence[torch.Tensor], erasures: Sequence[Erasure]) -> torch.Tensor:
    """Inner products over one tensor of the merge, n parents and the base, in this order.

    Returns:
        (3, n + 1, n + 1), each with the parents and, last, the base: of the merge's distances from them (the diagonal
        only), of their differences from the base, of themselves.
    """
    size = len(tensors) - 1
    total = torch.zeros(3, size, size, dtype=torch.float64)
    chunk = CHUNK * torch.get_num_threads()
    for chunks in zip(*(tensor.flatten().split(chunk) for tensor in tensors), strict=True):
        merged, *others = (chunk.float() for chunk in chunks)
        base = others[-1]
        for number, other in enumerate(others):
            far = merged - other
            total[0, number, number] += torch.dot(far, far)
        for kind, vectors in ((1, [parent - base for parent in others[:-1]]), (2, others)):
            for row, one in enumerate(vectors):
                for column in range(row, len(vectors)):
                    total[kind, row, column] += torch.dot(one, vectors[column])
        for erasure in erasures:
            erasure.add(merged, base)
    return total + total.triu(1).mT


def _digits(number: float | torch.Tensor) -> float:
    return float(f"{number:.4g}")


def _not_finite(name: str, merged: Weights, models: dict[str, Weights]) -> MolmixError:
    what = f"{name} holds NaN or infinite numbers"
    for model, checkpoint in models.items():
        if not checkpoint.tensor(name).isfinite().all():
            made_by = merged.folder.parent.parent / model / "manifest.json"
            return fault(model, f"{what} (read from {checkpoint.folder})", make_again(made_by))
    return fault(merged.folder.parent, f"the merge's {what}", "change the settings of its merge method")
