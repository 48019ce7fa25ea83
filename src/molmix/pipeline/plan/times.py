"""Hours of each stage: measured in benchmarks of earlier jobs, or computed from values that the user states."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import mean
from typing import Any

from molmix.align.settings import METHOD_OF
from molmix.config.schema import Config
from molmix.models.sizes import Shape
from molmix.pipeline.model_table import ModelTable
from molmix.pipeline.plan.counts import Corpus, Counts
from molmix.pipeline.plan.shapes import Sizes
from molmix.pipeline.status.graph import Job

# Stages whose time depends on the size of a model, so that times of other studies are not used.
BY_MODEL = (
    "train_initial",
    "generate_rejected",
    "sample_pairs",
    "align",
    "align_fully",
    "search_weights",
    "merge",
    "merge_and_generate",
    "generate",
    "decompose",
    "nli",
)
# Stages whose time also depends on the size of a corpus.
TRAINED_ON = ("train_initial", "generate_rejected", "align", "align_fully")
COMPUTED = (*TRAINED_ON, "generate")  # stages whose time can be computed from values that the user states


@dataclass(frozen=True)
class Stated:
    """Values that hours on a GPU, or those on CPUs, are computed from, as the user states them.

    Attributes:
        flops: floating-point operations per second that jobs reach.
        bandwidth: memory bandwidth that jobs reach, in bytes per second.
        prompt: tokens of a prompt.
        answer: tokens of an answer.
    """

    flops: float
    bandwidth: float
    prompt: int
    answer: int

    def describe(self) -> str:
        """The values as text."""
        speed = f"{self.flops / 1e12:g} TFLOP/s, {self.bandwidth / 1e12:g} TB/s"
        return f"{speed}, {self.prompt} tokens a prompt and {self.answer} an answer"


@dataclass
class Stage:
    """The cost of the jobs of a rule.

    Attributes:
        jobs: number of jobs to run.
        gpu, cpu: seconds.
        measured: number of these jobs whose time is taken from earlier jobs.
        unknown: number of these jobs whose time is not known.
        captions: maximum number of captions for language models to decompose, or to write behind an endpoint; equal
            questions are asked once.
    """

    jobs: int = 0
    gpu: float = 0.0
    cpu: float = 0.0
    measured: int = 0
    unknown: int = 0
    captions: int = 0


class Estimator:
    """Seconds of single jobs, from the study, the shapes of its models and the values that the user states."""

    def __init__(
        self,
        study: Config,
        table: ModelTable,
        sizes: Sizes,
        rows: Counts | None,
        gpu: Stated | None = None,
        cpu: Stated | None = None,
    ) -> None:
        self.study, self.table, self.sizes, self.rows, self.gpu, self.cpu = study, table, sizes, rows, gpu, cpu

    def seconds(self, job: Job) -> float | None:
        """Seconds that the models of a job compute, from the stated values, without the time to start the job.

        None if no values are stated for its hardware, the rule is not in :data:`COMPUTED`, or a shape or a number of
        rows is not known.
        """
        stated = self.gpu if self.on_gpu(job) else self.cpu
        if job.rule not in COMPUTED or self.rows is None or stated is None:
            return None
        model, trained = self._model(job), ""
        if job.rule == "generate_rejected":
            corpora, _, rest = job.name.partition("/")
            trained = rest.split("/")[0] if corpora == "corpora" else ""
        elif job.rule in TRAINED_ON:
            trained = self.table[model].settings.get("corpus") or ""
        shape = self.sizes.shapes[model]
        if shape is None:
            return None
        if job.rule == "generate":
            return self._write(self.rows.captions, shape, stated)
        corpus = self.rows.corpora.get(trained)
        return self._on_corpus(job.rule, model, shape, stated, corpus) if corpus else None

    def on_gpu(self, job: Job) -> bool:
        """Whether the config asks for a GPU for a job, by `hardware.gpus`."""
        gpus = self.study.hardware.gpus
        asked = {
            "train_initial": gpus.initial,
            "generate_rejected": gpus.reject,
            "sample_pairs": gpus.reject,
            "align": gpus.align,
            "align_fully": gpus.align,
            "generate": gpus.generate,
            "merge_and_generate": gpus.generate,
            "search_weights": gpus.generate,
            "decompose": gpus.decompose,
            "nli": gpus.nli,
            "judge_licence": gpus.nli,
        }
        return asked.get(job.rule, 0) > 0

    def _model(self, job: Job) -> str:
        """Id of the model that a job runs."""
        if job.rule != "generate_rejected":
            return job.name
        # corpora/<corpus>/by-<start>/<direction>, without the first two parts for the study's own corpus
        *folders, way = job.name.split("/")
        if folders and folders[-1].startswith("by-") and folders[-2:-1] != ["corpora"]:
            return folders[-1].removeprefix("by-")
        return next(s.model for name, s in self.study.rejected().items() if name == way and s.kind == "model")

    def _on_corpus(self, rule: str, model: str, shape: Shape, stated: Stated, corpus: Corpus) -> float:
        settings = self.table[model].settings
        if rule == "train_initial":
            tokens = corpus.train * settings["epochs"] * (stated.prompt + stated.answer)
            return 6 * shape.parameters * tokens / stated.flops
        if rule in ("align", "align_fully"):
            return self._align(settings, shape, corpus, stated)
        # Rejected texts are written once, for the largest share.
        return self._write(max(corpus.shares.values()) + corpus.validation, shape, stated)

    def _align(self, settings: dict[str, Any], shape: Shape, corpus: Corpus, stated: Stated) -> float:
        """Operations per weight and token: 4 for both passes through frozen weights, 2 more to train them, 2 for a
        reference. A policy that samples also writes its captions.
        """
        trl, method = settings["trl"], METHOD_OF[settings["method"]]
        more = (settings.get("adapter") == "none", bool(trl.get("gradient_checkpointing")), method.has_reference)
        passes = 4 + 2 * sum(more)
        sampled = method.sampled(trl)
        tokens = (len(method.texts()) + sampled) * (stated.prompt + stated.answer)
        seen = corpus.shares[settings["share"] or self.study.data.subset.fraction]
        steps = trl["num_train_epochs"] * (passes * seen + 2 * corpus.validation)
        writing = self._write(round(sampled * seen * trl["num_train_epochs"]), shape, stated)
        return shape.parameters * tokens * steps / stated.flops + writing

    def _write(self, number: int, shape: Shape, stated: Stated) -> float:
        """Reading prompts is limited by arithmetic, and writing answers by reading all weights per token and batch."""
        longest = self.study.generation.max_new_tokens
        batch = max(1, self.study.generation.batch_tokens // (stated.prompt + longest))
        reading = 2 * shape.parameters * number * stated.prompt / stated.flops
        return reading + ceil(number / batch) * min(stated.answer, longest) * 2 * shape.parameters / stated.bandwidth

    def captions(self, job: Job) -> int:
        """Captions that a language model decomposes in a job of the stage `decompose`, or writes behind an endpoint."""
        if job.rule == "ask_endpoint":
            return self.rows.captions if self.rows else 0
        if job.rule != "decompose":
            return 0
        spec = self.study.decomposers.get(job.name.partition("/")[0])
        return self.rows.captions if spec and spec.asks_model and self.rows else 0


def stages(jobs: Sequence[Job], run: str, estimator: Estimator) -> dict[str, Stage]:
    """Costs by rule of the jobs that Snakemake would run."""
    found: dict[str, Stage] = {}
    for job in jobs:
        if not job.needed:
            continue
        stage = found.setdefault(job.rule, Stage())
        stage.jobs += 1
        stage.captions += estimator.captions(job)
        estimate = estimator.seconds(job)
        measured = _measured(job, run)
        if measured is not None:
            stage.measured += 1
            stage.gpu += measured[0] if estimator.on_gpu(job) else 0.0
            stage.cpu += measured[1]
        elif estimate is None:
            stage.unknown += 1
        else:
            stage.gpu += estimate if estimator.on_gpu(job) else 0.0
            stage.cpu += estimate
    return found


def _measured(job: Job, run: str) -> tuple[float, float] | None:
    """Mean wall and CPU seconds of the same job, else of its rule in this run, else in other runs; None if none ran."""
    own = Path(f"results/{run}/benchmarks")
    anywhere = [] if job.rule in BY_MODEL else [path for path in Path("results").glob("*/benchmarks") if path != own]
    for paths in (
        [job.benchmark],
        _of_rule(own, job.rule),
        [p for folder in anywhere for p in _of_rule(folder, job.rule)],
    ):
        times = [time for path in paths if (time := _read_benchmark(path)) is not None]
        if times:
            return mean(wall for wall, _ in times), mean(cpu for _, cpu in times)
    return None


def _of_rule(benchmarks: Path, rule: str) -> list[Path]:
    return [*benchmarks.glob(f"{rule}.tsv"), *(benchmarks / rule).rglob("*.tsv")]


def _read_benchmark(path: Path) -> tuple[float, float] | None:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        return float(rows[-1]["s"]), float(rows[-1]["cpu_time"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):  # no file, or an incomplete one of a killed job
        return None
