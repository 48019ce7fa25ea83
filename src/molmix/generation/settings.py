"""Config sections of generation and external systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from molmix.core.schema import Count, Name, Section, Share
from molmix.data.settings import Predictions
from molmix.generation.engines import ENGINES

if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = Literal[tuple(ENGINES)]


def _read_old_engine(name: Any) -> Any:
    return "transformers" if name == "hf" else name  # its old name


class Generation(Section):
    """How captions are generated."""

    RENAMED: ClassVar[dict[str, str]] = {"backend": "engine"}

    engine: Annotated[EngineName, BeforeValidator(_read_old_engine)] = Field(
        "transformers",
        exclude_if=lambda engine: engine == "transformers",
        description="library that runs the models: transformers, or vLLM, which needs a CUDA GPU and its own "
        "environment (docs/vllm.md)",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        exclude_if=lambda dtype: dtype == "auto",
        description="number type that all models run in. `auto` is bfloat16 on a GPU, and on a CPU with instructions "
        "for it if a model has 100 million parameters or more; otherwise float32 (docs/models.md). A cast to bfloat16 "
        "can erase small updates (docs/footguns.md)",
    )
    max_new_tokens: Count = Field(300, description="longest answer, in tokens")
    batch_tokens: Annotated[Count, Field(ge=64)] = Field(
        16384, description="prompt and answer tokens in a batch; with vLLM, those of a step"
    )
    temperature: Annotated[float, Field(ge=0)] = Field(0.0, description="0 is greedy")
    top_p: Share = Field(
        1.0, description="probability of the nucleus that tokens are sampled from; used where temperature is above 0"
    )

    def check_installed(self, key: str) -> None:
        """Refuse to run without the library of the engine. `key` is the config key of this section."""
        ENGINES[self.engine].check_installed(f"{key}.engine")


class System(Section):
    """A system whose captions come from elsewhere."""

    name: Name = Field(description="id in the model table")
    predictions: dict[Name, Predictions] = Field(min_length=1, description="its captions, for every test set")
