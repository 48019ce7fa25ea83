"""Base class of engine descriptions, for the rest of molmix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from molmix.generation.engine import Engine

# The modules that compute answers with every engine.
SHARED_CODE = (
    "molmix.generation.engine",
    "molmix.models.chat",
    "molmix.models.loading",
    "molmix.models.lora_folding",
    "molmix.models.tokenization",
    "molmix.models.weights",
)


def generation_dtype(settings: dict[str, Any]) -> str:
    """The number type that models write captions in: ``float32`` or ``bfloat16``.

    All models of a study are cast to it once, from full weights in fp32 with their adapters folded in.

    Args:
        settings: the config's `generation` section, dumped, with ``large_models``
            (:meth:`molmix.config.schema.Config.captioning`). ``auto``, its default, is bfloat16 on a GPU. On a CPU it
            is bfloat16 for studies of large models if the CPU multiplies it in hardware, else float32. It depends on
            the study and the machine only, so all models of a study run in one type.
    """
    from molmix.core.fingerprint import cpu_has_bfloat16, device_name

    asked: str = settings.get("dtype", "auto")
    if asked != "auto":
        return asked
    if device_name().startswith("cpu") and not (settings.get("large_models") and cpu_has_bfloat16()):
        return "float32"
    return "bfloat16"


class EngineKind:
    """A library that generates answers.

    Attributes:
        packages: packages whose version can change its answers.
        module: the module of molmix that calls it.
        environment: the file in `envs/` of its jobs' environment.
        folds_on_disk: whether the full weights of an aligned model are on disk while it is loaded.
    """

    packages: ClassVar[tuple[str, ...]]
    module: ClassVar[str]
    environment: ClassVar[str] = "models"
    folds_on_disk: ClassVar[bool] = False

    def load(self, manifest: Path, settings: dict[str, Any], seed: int) -> Engine:
        """Load a model; see :func:`molmix.generation.generate.generate` for the arguments.

        Raises:
            MolmixError: as :func:`molmix.models.loading.load`; or the engine cannot run the model here.
        """
        raise NotImplementedError

    def depends_on(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Code, libraries, hardware and number type that its answers depend on, for a cache's key.

        Args:
            settings: see :func:`generation_dtype`.

        Raises:
            MolmixError: the library is not installed.
        """
        from molmix.core.fingerprint import environment

        self.check_installed()
        code = (*SHARED_CODE, self.module)
        return environment(code=code, packages=self.packages, dtype=generation_dtype(settings))

    def check_installed(self, key: str = "engine") -> None:
        """Refuse to run if the library is not installed. `key` is the config key that names the engine."""

    def check_temperature(self, temperature: float) -> None:
        """Refuse a temperature that the engine does not support."""

    def check_folder(self, where: object, folder: Path) -> None:
        """Refuse a model by the files in its folder, before a run.

        Args:
            where: the config key or the manifest that names the model.
            folder: of full weights.
        """
