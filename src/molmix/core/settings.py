"""What the config says of trackers and hardware."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from molmix.core.schema import Section

# Every tracker that transformers knows: the module it imports, and the package that holds it.
TRACKERS = {
    "tensorboard": ("tensorboard", "tensorboard"),
    "wandb": ("wandb", "wandb"),
    "mlflow": ("mlflow", "mlflow"),
    "trackio": ("trackio", "trackio"),
    "comet_ml": ("comet_ml", "comet-ml"),
    "neptune": ("neptune", "neptune"),
    "clearml": ("clearml", "clearml"),
    "dvclive": ("dvclive", "dvclive"),
    "swanlab": ("swanlab", "swanlab"),
    "codecarbon": ("codecarbon", "codecarbon"),
    "azure_ml": ("azureml", "azureml-sdk"),
    "dagshub": ("dagshub", "dagshub"),
    "flyte": ("flytekit", "flytekit"),
    "kubeflow": ("kubeflow", "kubeflow"),
}

OneGpu = Annotated[int, Field(ge=0, le=1)]


class Tracking(Section):
    """Where losses are shown while trainings run; it changes no result."""

    to: list[Literal[tuple(TRACKERS)]] = Field(  # type: ignore[valid-type]
        ["tensorboard"],
        description="`tensorboard` writes results/<run>/tensorboard; the others are offline too, and see alignments "
        "only; `[]` for none",
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
