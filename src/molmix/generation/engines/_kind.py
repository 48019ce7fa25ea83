"""Base class of engine descriptions, for the rest of molmix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from molmix.generation.engine import Engine

# The modules that compute answers with every engine.
SHARED_CODE = (
    "molmix.generation.engine",
    "molmix.models.loading",
    "molmix.models.tokenization",
    "molmix.models.weights",
)


class EngineKind:
    """A library that generates answers.

    Attributes:
        packages: packages whose version can change its answers.
        module: the module of molmix that calls it.
        environment: the file in `envs/` of its jobs' environment.
    """

    packages: ClassVar[tuple[str, ...]]
    module: ClassVar[str]
    environment: ClassVar[str] = "models"

    def load(self, manifest: Path, settings: dict[str, Any], seed: int) -> Engine:
        """Load a model; see :func:`molmix.generation.generate.generate` for the arguments.

        Raises:
            MolmixError: as :func:`molmix.models.loading.load`; or the engine cannot run the model here.
        """
        raise NotImplementedError

    def depends_on(self) -> dict[str, Any]:
        """Code, libraries and hardware that its answers depend on, for a cache's key.

        Raises:
            MolmixError: the library is not installed.
        """
        from molmix.core.fingerprint import device_name, environment

        self.check_installed()
        # As in `models.loading.default_dtype`.
        dtype = "float32" if device_name().startswith("cpu") else "bfloat16"
        return environment(code=(*SHARED_CODE, self.module), packages=self.packages, dtype=dtype)

    def check_installed(self) -> None:
        """Refuse to run if the library is not installed."""

    def check_temperature(self, temperature: float) -> None:
        """Refuse a temperature that the engine does not support."""

    def check_folder(self, where: object, folder: Path) -> None:
        """Refuse a model by the files in its folder, before a run.

        Args:
            where: the config key or the manifest that names the model.
            folder: of full weights.
        """

    def check_adapter(self, key: str, lora: dict[str, Any]) -> None:
        """Refuse an adapter that the engine does not support.

        Args:
            key: config key of its alignment.
            lora: the adapter's resolved settings.
        """
