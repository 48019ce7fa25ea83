"""SummaC-Conv: sentences against sentences, with learned layers (Laban et al. 2022, TACL 10:163, arXiv 2111.09525).

The published weights, 32 numbers, are ``summac_conv_vitc_sent_perc_e.bin`` of github.com/tingofurro/summac. They were
trained on the probabilities of ``tals/albert-xlarge-vitaminc-mnli``. With another NLI model, the score differs from the
published one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from molmix.core.errors import fault
from molmix.core.schema import FilePath, Name
from molmix.judges.kinds._judge import NliJudge
from molmix.judges.matrices import MOST_ENTAILED, Explanation, PairMatrices, Scorer

if TYPE_CHECKING:
    import numpy as np

SENTENCES = 10  # of a caption: the published network reads only so many
# The published bin edges: percentiles of the entailment in summaries.
PERCENTILE = [0, 0.01, 0.02, 0.03, 0.04, 0.07, 0.13, 0.37, 0.9, 0.91, 0.92, 0.93]
PERCENTILE += [0.94, 0.95, 0.955, 0.96, 0.965, 0.97, 0.975, 0.98, 0.985, 0.99, 0.995, 1]


class SummacConv(NliJudge):
    """Probability of consistency by a learned layer over each sentence's histogram of NLI probabilities.

    ``SummaCConv(granularity="sentence", agg="mean")``: for each sentence of the caption, the probabilities that the
    reference's sentences entail it are counted in bins; a linear layer makes a number of the counts; the mean of the
    first ten sentences' numbers, three times over, goes through a second linear layer and a softmax.

    A caption without a sentence that counts has no score (NaN). The published code gives it the score of one pair of
    probability 0, a number that depends on the weights; so has any caption against a reference without one.
    """

    kind: Literal["summac_conv"]
    nli: Name = Field("embedded", description="NLI model that is asked, by its name: the one the weights are made for")
    weights: FilePath = Field(
        description="the learned layers: a local .safetensors file, or PyTorch's .bin as published"
    )
    bins: Annotated[str, StringConstraints(pattern=r"^(percentile|even[1-9]\d{0,2})$")] = Field(
        "percentile", description="edges the weights are made for: `percentile`, or `even50` for 50 of one width"
    )
    labels: Literal["e", "c", "ec"] = Field(
        "e", description="probabilities the weights are made for: entailment, contradiction, or both"
    )

    units: ClassVar[tuple[str, str]] = ("sentences-over-10", "sentences-over-10")

    @property
    def files(self) -> list[str]:
        """The learned layers."""
        return [self.weights]

    def scorer(self) -> Scorer:
        """The published score, with the weights of the file.

        Raises:
            MolmixError: see :func:`read_layers`.
        """
        edges = bin_edges(self.bins)
        layers = read_layers(Path(self.weights), len(self.labels), len(edges) - 1)
        return partial(score, layers=layers, edges=edges, labels=self.labels)

    def explain(self, matrices: PairMatrices) -> Explanation:
        """The sentences that entail most. The score itself is not their mean."""
        return Explanation(
            deciding={MOST_ENTAILED: matrices.forward_entailment.argmax(axis=-1)},
            note="Learned layers make the score from the histograms of all pairs (docs/metrics.md).",
        )


@dataclass(frozen=True)
class Layers:
    """The learned layers.

    Attributes:
        bins: weight of a probability in each bin, float64 [labels, bins] (``mlp.weight`` [1, labels · bins]).
        bias: of the first layer (``mlp.bias`` [1]).
        slope, offset: of the logit of the consistent class minus the other, as a function of the mean over sentences.
            The second layer (``layer_final.weight`` [2, 3], ``layer_final.bias`` [2]) gets that mean three times.
    """

    bins: np.ndarray
    bias: float
    slope: float
    offset: float


def bin_edges(bins: str) -> list[float]:
    """Bin edges from 0 to 1 for `percentile`, or for `even` and a number of bins, as in the published code."""
    import numpy as np

    if bins == "percentile":
        return PERCENTILE
    return [*np.arange(0, 1, 1 / int(bins.removeprefix("even"))).tolist(), 1.0]


def read_layers(path: Path, labels: int, bins: int) -> Layers:
    """Read the layers from a file in the layout of the published one.

    Args:
        path: a .safetensors file, or a state dict of PyTorch.
        labels: number of histograms of a sentence.
        bins: number of bins of a histogram.

    Raises:
        MolmixError: the file is missing or cannot be read, or its tensors are not those of the layers.
    """
    import numpy as np

    shapes = {
        "mlp.weight": (1, labels * bins),
        "mlp.bias": (1,),
        "layer_final.weight": (2, 3),
        "layer_final.bias": (2,),
    }
    tensors = _read(path)
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if found != shapes or not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        what = f"holds {_spell(found)}, or numbers that are not finite, and not {_spell(shapes)}"
        raise fault(
            path, what, "name the weights of a SummaC-Conv, and set `bins` and `labels` to what they are made for"
        )
    weight, bias, final, offset = (tensors[name].astype(np.float64) for name in shapes)
    slope = final.sum(axis=1)
    return Layers(
        weight.reshape(labels, bins), float(bias[0]), float(slope[1] - slope[0]), float(offset[1] - offset[0])
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file, by name. Only PyTorch's own format needs torch."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import load_file

            return load_file(path)
        import torch

        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}
    except Exception as error:  # both libraries raise many kinds of error for a missing or wrong file
        raise fault(path, f"cannot be read as weights ({error})", "give a .safetensors file or a state dict") from None


def _spell(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items()) or "nothing"


def score(matrices: PairMatrices, layers: Layers, edges: list[float], labels: str) -> dict[str, np.ndarray]:
    """Scores of one caption, or of many of one shape.

    A linear layer over the counts of a histogram equals a sum over the counted probabilities, each with the weight of
    its bin. So no histogram is needed.

    Args:
        matrices: each [..., G, R]; G and R may be 0.
        layers: the learned layers.
        edges: of the bins. As in ``numpy.histogram``, a bin includes its left edge, and the last bin includes both.
        labels: labels whose probabilities are counted, in the order of the layers' rows.

    Returns:
        ``consistency``, an array [...] in [0, 1]; NaN if G is 0.
    """
    import numpy as np
    from scipy.special import expit

    *many, generated, _ = matrices.forward_entailment.shape
    if not generated:
        return {"consistency": np.full(many, np.nan)}
    matrices = matrices.or_zeros()
    channels = {"e": matrices.forward_entailment, "c": matrices.forward_contradiction}
    sums = [
        weight[np.digitize(channels[label][..., :SENTENCES, :], edges[1:-1])].sum(axis=-1)
        for label, weight in zip(labels, layers.bins, strict=True)
    ]
    mean = np.sum(sums, axis=0).mean(axis=-1) + layers.bias
    return {"consistency": expit(layers.slope * mean + layers.offset)}  # the softmax over two classes
