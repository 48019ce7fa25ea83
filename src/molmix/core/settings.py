"""Sections of the config for trackers and hardware."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from molmix.core.schema import Section

# Names of transformers' integrations (`report_to`). They are compared with those of transformers once, before a run
# starts: importing transformers takes seconds, which every job would need.
Tracker = Annotated[str, Field(pattern=r"^[a-z0-9_]+$", examples=["tensorboard", "wandb", "mlflow", "trackio"])]
OneGpu = Annotated[int, Field(ge=0, le=1)]


class Tracking(Section):
    """Where losses are shown while trainings run; it changes no result."""

    to: list[Tracker] = Field(
        ["tensorboard"],
        description="any trackers of transformers' `report_to`; `tensorboard` writes results/<run>/tensorboard; the "
        "others work offline too, and show alignments only; `[]` for none",
    )


class Gpus(Section):
    """GPUs that a job of each stage asks for; it makes sure that it got them, and with 0 takes what is there."""

    initial: OneGpu = Field(0, description="training an initial model")
    reject: OneGpu = Field(0, description="writing rejected texts")
    align: Annotated[int, Field(ge=0, le=16)] = Field(0, description="aligning; on several, a process on each")
    generate: OneGpu = Field(0, description="writing captions, and the merge before it")
    decompose: OneGpu = Field(0, description="cutting captions by a local language model")
    nli: OneGpu = Field(0, description="training an NLI model, and asking it")


class Hardware(Section):
    """What jobs ask for, of a cluster above all. It changes how fast they are, not what they make: nothing reruns."""

    gpus: Gpus = Field(Gpus(), description="number of GPUs, by stage")
    gpu_memory_gb: Annotated[float, Field(gt=0)] | None = Field(
        None, description="memory that each of these GPUs must have, in GB (10^9 bytes); null for any"
    )
    job_server: bool = Field(
        True,
        description="whether a local run imports the heavy libraries once, in a process that forks for each job "
        "(docs/architecture.md); never on a cluster, with GPUs, or in conda environments and containers",
    )
