"""Groups of jobs that a cluster runs as one job.

If a job of a group fails, the outputs of the whole group are lost. So long work is not in a group, or its results are
in a cache: captions as they are written, the answers of decomposers, NLI probabilities. Jobs of a group that depend on
each other run side by side; the others run one after the other (docs/slurm.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from molmix.config.schema import Config
from molmix.pipeline.paths import RESERVED
from molmix.pipeline.products import Products


@dataclass(frozen=True)
class Groups:
    """The group of every rule that can have one; None means no group.

    A run on this machine has no groups. Snakemake checks all groups when it plans a run, in a time that grows with the
    square of the jobs of a group (`DAG._check_groups`): without groups, the plan of 1,000 models takes a fifth of it.

    Attributes:
        study: the config.
        products: the products of the study.
        used: whether the jobs are sent to a cluster.
    """

    study: Config
    products: Products
    used: bool = True

    @property
    def from_hub(self) -> bool:
        """Whether the corpus is downloaded. Compute nodes often have no network, so Snakemake runs it locally."""
        return any(source.kind == "hub" for source in self.study.sources())

    @property
    def data(self) -> str | None:
        """Group of the jobs that make the corpus."""
        return None if self.from_hub else self._named("data")

    @property
    def generate(self) -> str | None:
        """Group of the jobs that write captions."""
        return self._named("generate")

    @property
    def scores(self) -> str | None:
        """Group of the jobs that score captions and compare models."""
        return self._named("judge")

    @property
    def external(self) -> str | None:
        """Group of the jobs that join captions from elsewhere."""
        return self._named("judge") if self._one_chain else None

    @property
    def validation(self) -> str | None:
        """Group of the jobs of judge validation."""
        asks_model = self.products.model_decomposers or any(
            judge.asks_server for judge in self.products.judges.values()
        )
        return self._named("judge_validation") if self._one_chain and not asks_model else None

    def decompose(self, wildcards: Any) -> str | None:
        """Group of a job that cuts captions."""
        if wildcards.units in self.products.model_decomposers:
            return None if self.study.hardware.gpus.decompose else self._named("decompose")
        if wildcards.author == "reference":
            return self.data
        if not self._one_chain:
            return self._named("decompose")
        return self._judging(wildcards.author)

    def nli(self, wildcards: Any) -> str | None:
        """Group of an NLI job."""
        return self._judging(wildcards.author) if self._one_chain else self._named("nli")

    @property
    def licence(self) -> str | None:
        """Group of the jobs that check judges on the references; none if they can stop the study before it trains."""
        if self.study.licence.strict:
            return None
        return self._named("judge" if self._one_chain else "nli")

    def verdicts(self, wildcards: Any) -> str | None:
        """Group of a job that gives verdicts. One that asks a server is in none: the others would wait for it."""
        asks = self.products.judges[wildcards.judge].asks_server
        return self._judging(wildcards.author) if self._one_chain and not asks else None

    def _judging(self, author: str) -> str | None:
        return self.validation if author in RESERVED else self._named("judge")

    def _named(self, name: str) -> str | None:
        return name if self.used else None

    @property
    def _one_chain(self) -> bool:
        """Whether all jobs after generation, including the tables, are one group: if NLI models need no GPU."""
        return not self.study.hardware.gpus.nli
