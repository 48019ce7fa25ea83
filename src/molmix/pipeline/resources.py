"""Resources that jobs request: memory, run time, GPUs and CPU cores. Memory and run time grow with each retry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from molmix.align.settings import METHOD_OF
from molmix.config.schema import Config
from molmix.models.sizes import Shape, is_large, pretrained
from molmix.pipeline.model_table import ModelTable
from molmix.pipeline.plan.counts import count_tests
from molmix.pipeline.plan.shapes import sizes
from molmix.pipeline.products import Products

GB = 10**9
BYTES_OF_PAIRS = 100_000  # memory for all pairs of a caption and its reference, in an NLI job (docs/slurm.md)
Need = int | Callable[[Any], int]


def grows(need: Need) -> Callable[[Any, int], int]:
    """Memory in MB or run time in minutes, multiplied by the number of the attempt.

    Args:
        need: value for the first attempt, or a function of the wildcards that returns it.
    """
    return lambda wildcards, attempt: attempt * (need(wildcards) if callable(need) else need)


@dataclass(frozen=True)
class JobResources:
    """Resources that the jobs of one study request.

    Attributes:
        study: the config.
        table: its model table.
        products: the products of the study.
        partitions: the profile's default resources `slurm_partition` and `gpu_partition`; may be empty.
    """

    study: Config
    table: ModelTable
    products: Products
    partitions: Mapping[str, str | None]

    # ---- GPUs and CPU cores

    def gpus(self, stage: str, where: Callable[[Any], bool] = lambda wildcards: True) -> dict[str, Callable]:
        """Resources of the jobs of a stage if `hardware.gpus` gives it GPUs: number, memory and partition.

        Args:
            stage: a key of `hardware.gpus`.
            where: function of the wildcards: whether a job uses them.
        """
        count, memory = self._count(stage), self.study.hardware.gpu_memory_gb or 0
        if not count:
            return {}
        return {
            "gpu": lambda wildcards: count if where(wildcards) else 0,
            "gpu_memory_mb": lambda wildcards: round(1000 * memory) if where(wildcards) else 0,
            "slurm_partition": lambda wildcards: self.partitions.get(
                "gpu_partition" if where(wildcards) else "slurm_partition"
            ),
        }

    def cores(self, stage: str, without: int = 1) -> int:
        """CPU cores of a job: four for each of its GPUs, or `without` if it has none."""
        return 4 * self._count(stage) or without

    def align_cores(self, model: str) -> int:
        """CPU cores of an alignment. One of a large model uses up to 16; small ones run side by side on one each."""
        shape = self._shapes[model]
        return self.cores("align", without=16 if shape and is_large(shape.parameters) else 1)

    def nli_cores(self, judge: str) -> int:
        """CPU cores of an NLI job. A large model uses up to 16: jobs at the same time would share the same work."""
        return self.cores("nli", without=1 if self._judge_is_small(judge) else 16)

    def _count(self, stage: str) -> int:
        return getattr(self.study.hardware.gpus, stage)

    # ---- memory in MB

    def to_load(self, stage: str, least: int, model_of: Callable[[Any], str]) -> Callable[[Any, int], int]:
        """Memory of a job that loads a model of the table.

        Args:
            stage: a key of `hardware.gpus`.
            least: MB in addition to the weights.
            model_of: function of the wildcards: id of the model.
        """
        return grows(lambda wildcards: least + _mb(self._weights(stage, self._shapes[model_of(wildcards)])))

    def to_align(self, least: int, *, fully: bool) -> Callable[[Any, int], int]:
        """Memory of an alignment of the model of its wildcards.

        Weights, and on a CPU what a step keeps for its backward pass (:func:`_bytes_of_step`). An alignment of all
        weights (`fully`) has them in float32, on a CPU with gradients, Adam's two moments and a reference; on a GPU
        they are loaded in float32 and moved there.
        """

        def need(wildcards: Any) -> int:
            shape = self._shapes[wildcards.model]
            if shape is None:
                return least
            on_gpu = self._count("align") > 0
            weights = (4 if on_gpu else 20) * shape.parameters if fully else self._weights("align", shape)
            step = 0 if on_gpu else _bytes_of_step(shape, self.table[wildcards.model].settings)
            return least + _mb(weights + step)

        return grows(need)

    def to_merge(self, least: int, *, generates: bool) -> Callable[[Any, int], int]:
        """Memory of a job that merges the model of its wildcards. With `generates`, the job also loads the result."""

        def need(wildcards: Any) -> int:
            shape = self._shapes[wildcards.model]
            loaded = self._weights("generate", shape) if generates else 0
            parents = len(self.table[wildcards.model].parents)
            return least + _mb(max(_bytes_to_merge(shape, parents), loaded))

        return grows(need)

    def to_adapt(self, least: int) -> Callable[[Any, int], int]:
        """Memory of a job that tunes an NLI model in float32: weights, gradients, two moments of AdamW."""

        def need(wildcards: Any) -> int:
            parent = self.study.adapted_nli()[wildcards.nli].parent
            spec = self.study.pretrained().get(f"nli.{parent}")
            shape = pretrained(spec.id, spec.revision) if spec else None
            return least + (_mb(16 * shape.parameters) if shape else 0)

        return grows(need)

    def to_judge(self, least: int) -> Callable[[Any, int], int]:
        """Memory of a job that asks an NLI model about one system's captions, or about the references.

        `least`, which the model and its batches are part of, and what the pairs of all captions take. The NLI cache
        adds nothing: it is read one file at a time.
        """
        return grows(lambda wildcards: least + _mb(BYTES_OF_PAIRS * self._captions))

    @cached_property
    def _captions(self) -> int:
        """Captions of each system; 0 if the size of a test set is not known."""
        return sum((count_tests(self.study) or {}).values())

    def to_decompose(self, least: int) -> Callable[[Any, int], int]:
        """Memory of a job that cuts captions, by a model on this machine or without one."""

        def need(wildcards: Any) -> int:
            spec = self.study.pretrained().get(f"decomposers.{wildcards.units}")
            return least + (_mb(self._weights("decompose", pretrained(spec.id, spec.revision))) if spec else 0)

        return grows(need)

    @cached_property
    def _shapes(self) -> dict[str, Shape | None]:
        return sizes(self.study, self.table).shapes

    def _weights(self, stage: str, shape: Shape | None) -> int:
        """Bytes of a model's weights: 16 bits per weight on a GPU by default, else 32; 0 if its shape is not known."""
        wide = stage in ("generate", "reject") and self.study.generation.dtype == "float32"
        return (2 if self._count(stage) and not wide else 4) * shape.parameters if shape else 0

    # ---- run time in minutes

    def decompose_minutes(self, wildcards: Any) -> int:
        """Run time of cutting one author's captions."""
        return 240 if wildcards.units in self.products.model_decomposers else 5

    def nli_minutes(self, wildcards: Any) -> int:
        """Run time of an NLI job: its share of the total, because the times of a group are added.

        The first job of the group does all the work.
        """
        least, whole = (2, 120) if self._judge_is_small(wildcards.judge) else (20, 1440)
        return max(least, whole // (max(1, len(self.table)) * len(self.products.nli_judges)))

    def verdict_minutes(self, wildcards: Any) -> int:
        """Run time of the verdicts on one author's captions."""
        return 240 if self.products.judges[wildcards.judge].asks_server else 10

    def _judge_is_small(self, judge: str) -> bool:
        return self.study.nli[self.products.nli_judges[judge].nli].is_small


def _mb(size: int) -> int:
    return size // GB * 1000


def _bytes_of_step(shape: Shape, settings: dict[str, Any]) -> int:
    """Memory of a training step in bytes, in addition to weights, for texts that fill the window.

    For each token, twice the inputs and outputs of all linear layers of the blocks in float32. Gradient checkpointing
    keeps one input of each block, about a tenth. Logits are computed in small tiles
    (:func:`molmix.align.methods._shared.use_small_tiles`).

    Args:
        shape: of the model.
        settings: of the alignment, as :meth:`molmix.align.methods._shared.Alignment.resolved` gives them.
    """
    trl, method = settings["trl"], METHOD_OF[settings["method"]]
    tokens = trl["per_device_train_batch_size"] * method.texts_of_a_row() * trl["max_length"]
    kept = shape.ends // 10 if trl.get("gradient_checkpointing") else shape.ends
    return 8 * tokens * kept


def _bytes_to_merge(shape: Shape | None, parents: int) -> int:
    """Peak memory of mergekit in bytes. Measured (`python -m benchmarks merge_memory`): TIES of two models needs about
    50 bytes for each weight of the largest tensor, and memory for one output shard. A further parent adds its weights,
    its task vector and what is computed from it.
    """
    return 25 * parents * shape.largest + min(2 * GB, shape.stored) if shape else 0
