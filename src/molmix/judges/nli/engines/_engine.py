"""Base class of the engines of NLI models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, ClassVar

from molmix.core.errors import fault

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel

AUTO = "auto"  # the fastest engine that is installed and exact
TORCH = "torch"  # the engine that is always there, which others are compared with

# The answers of a model: logits, float32 [pairs, classes], for its inputs by name, int64 [pairs, tokens].
Forward = Callable[[Mapping[str, "np.ndarray"]], "np.ndarray"]


class NliEngine:
    """A library that computes the answers of an NLI model.

    Attributes:
        dtypes: number formats that it computes in.
        packages: packages that it needs besides those of every engine. Their versions can change its answers.
        module: the module of molmix that calls it.
        extra: the extra of molmix (``pip install molmix[…]``) that installs it; empty if molmix needs it anyway. The
            environment `envs/engines.yaml` has the packages of all extras.
        runs_on_gpu: whether it uses a GPU. The others compute on the CPU, also where there is a GPU.
        speed: pairs a second in float32 on a CPU, as a multiple of torch (docs/judges.md): ``auto`` tries the fastest
            engine first.
    """

    dtypes: ClassVar[tuple[str, ...]]
    packages: ClassVar[tuple[str, ...]] = ()
    module: ClassVar[str]
    extra: ClassVar[str] = ""
    runs_on_gpu: ClassVar[bool] = False
    speed: ClassVar[float]

    def load(self, model: PreTrainedModel, inputs: Sequence[str], dtype: str) -> Forward:
        """Prepare a model for inference.

        Args:
            model: a classifier in eval mode, on the engine's device, in the format of :meth:`dtype_of_weights`. The
                engine can change it.
            inputs: names of its inputs, ``attention_mask`` included.
            dtype: number format of the computation, one of :attr:`dtypes`.
        """
        raise NotImplementedError

    def dtype_of_weights(self, dtype: str) -> str:
        """Number format of the weights that :meth:`load` takes."""
        return "float32"

    def pads(self, device: str) -> bool:
        """Whether the pairs of a batch are padded to one length. If not, they have the same length.

        Args:
            device: ``cpu`` or ``cuda``.
        """
        return True

    def is_installed(self) -> bool:
        """Whether all its packages are installed."""
        return not self._missing()

    def check_installed(self, name: str, key: str = "engine") -> None:
        """Refuse to compute without its packages.

        Args:
            name: of the engine.
            key: config key that names the engine.

        Raises:
            MolmixError: a package is missing.
        """
        if missing := self._missing():
            hint = (
                f"pip install {' '.join(missing)} (the extra `{self.extra}` of molmix), run snakemake with "
                f"`--software-deployment-method conda`, which makes envs/engines.yaml, or choose `engine: {TORCH}`"
            )
            raise fault(key, f"{name!r} is asked for, and {', '.join(missing)} is not installed here", hint)

    def _missing(self) -> list[str]:
        missing = []
        for package in self.packages:
            try:
                version(package)
            except PackageNotFoundError:
                missing.append(package)
        return missing
