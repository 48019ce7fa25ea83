"""Sizes of models: from the headers of their safetensors if they are on this machine, else published ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path

from molmix.core.errors import MolmixError
from molmix.core.hub import cached_folder
from molmix.models.settings import EndpointModel, HubModel, MadeModel
from molmix.models.weights import Weights

LARGE = 10**8  # parameters, see :func:`is_large`
_IN_BLOCK = re.compile(r"\.\d+\..*weight$")  # names of weights in a block, which adapters can adapt


@dataclass(frozen=True)
class Shape:
    """Size of a model.

    Attributes:
        parameters: number of its parameters.
        largest: number of parameters of its largest tensor, most often the embedding.
        ends: sum of inputs and outputs over all linear layers of its blocks. An adapter of rank r on all of them has
            r times as many parameters.
        stored: bytes of its weights on disk.
        cached: whether its weights are on this machine.
    """

    parameters: int
    largest: int
    ends: int
    stored: int
    cached: bool = False


# Sizes of the models in the shipped configs, by hub id, for plans before the download. They were counted on models that
# transformers built from the published config.json. MolT5: from the configs of T5 1.1, which it continues.
_LLAMA_7B = Shape(6_738_554_880, 131_141_632, 2_498_560, 13_477_109_760)  # with the tokens of Meditron
_MOLT5 = {
    "small": Shape(76_961_152, 16_449_536, 159_744, 307_844_608),
    "base": Shape(247_577_856, 24_674_304, 423_936, 990_311_424),
    "large": Shape(783_150_080, 32_899_072, 1_142_784, 3_132_600_320),
}
PUBLISHED: dict[str, Shape] = {
    "epfl-llm/meditron-7b": _LLAMA_7B,
    "language-plus-molecules/Meditron7b-smiles2caption-LPM24": _LLAMA_7B,
    "language-plus-molecules/Meditron7b-caption2smiles-LPM24": _LLAMA_7B,
    **{f"language-plus-molecules/molt5-{size}-smiles2caption-LPM24": shape for size, shape in _MOLT5.items()},
    "meta-llama/Meta-Llama-3-8B-Instruct": Shape(8_030_261_248, 525_336_576, 2_621_440, 16_060_522_496),
    "HuggingFaceTB/SmolLM2-135M-Instruct": Shape(134_515_008, 28_311_552, 305_280, 269_060_552),
    "MoritzLaurer/DeBERTa-v3-base-mnli-fever-anli": Shape(184_424_451, 98_380_800, 165_888, 368_848_902),
}


def pretrained(name: str, revision: str | None) -> Shape | None:
    """Size of a hub id or a local folder; None if it is not known."""
    folder = Path(name) if Path(name).is_dir() else cached_folder(name, revision)
    try:
        weights = Weights(folder) if folder else None
    except MolmixError:  # incomplete, for example a cache with the config only
        weights = None
    return _stored(weights) if weights else PUBLISHED.get(name)


def is_large(parameters: int) -> bool:
    """Whether a model gains by bfloat16 on a CPU that has instructions for it (measured: docs/models.md)."""
    return parameters >= LARGE


def initial_is_large(spec: HubModel | MadeModel | EndpointModel) -> bool:
    """:func:`is_large` of an initial model, the same before and after its download.

    A hub id whose size is not in :data:`PUBLISHED` counts as large, as nearly all are.
    """
    if isinstance(spec, EndpointModel):
        return False
    if isinstance(spec, MadeModel):
        return spec.parent is None and is_large(made(spec).parameters)
    shape = pretrained(spec.id, spec.revision) if Path(spec.id).is_dir() else PUBLISHED.get(spec.id)
    return shape is None or is_large(shape.parameters)


def _stored(weights: Weights) -> Shape:
    shapes = weights.shapes
    ends = sum(sum(shape) for name, shape in shapes.items() if len(shape) == 2 and _IN_BLOCK.search(name))
    stored = sum(path.stat().st_size for path in weights.files)
    largest = max(shapes.values(), key=prod, default=(0,))
    return Shape(weights.parameters, prod(largest), ends, stored, cached=True)


def made(root: MadeModel) -> Shape:
    """Size of a model made in the graph, from the settings of its first ancestor.

    This is the exact formula for the small Llama of :mod:`molmix.models.small`, so that a plan need not build it.
    """
    d, layers = root.hidden_size, root.layers
    f = 8 * ceil(d / 3)
    embedding = root.vocabulary * d  # tied: it is also the output layer
    parameters = embedding + layers * (4 * d * d + 3 * d * f + 2 * d) + d
    return Shape(parameters, embedding, layers * (4 * 2 * d + 3 * (d + f)), 4 * parameters)
