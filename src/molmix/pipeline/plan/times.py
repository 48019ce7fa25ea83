"""Hours and tokens of each stage: measured by the benchmarks of earlier jobs, or for a device that the user states."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import mean
from typing import Any

from molmix.align.settings import METHODS
from molmix.config.schema import Config
from molmix.judges.nli.settings import PretrainedNli
from molmix.models import sizes as shapes
from molmix.models.sizes import Shape
from molmix.pipeline.model_table import ModelTable
from molmix.pipeline.plan.counts import ASK, ATOMISED, ATOMS, CAPTION, DISTINCT, PAIR, PROMPT, Corpus, Counts
from molmix.pipeline.plan.shapes import Sizes
from molmix.pipeline.status.graph import Job

# Stages whose time goes by the size of a model: another study's times say nothing of it.
BY_MODEL = (
    "train_initial",
    "generate_rejected",
    "align",
    "merge",
    "merge_and_generate",
    "generate",
    "decompose",
    "nli",
)
TRAINED_ON = ("train_initial", "generate_rejected", "align")  # those of them whose time goes by the size of a corpus
LOAD = 30.0  # seconds to start one that loads a large model
COPY = 0.5e9  # bytes that a merge reads or writes a second


@dataclass(frozen=True)
class Device:
    """What runs the models, as the user states it.

    Attributes:
        flops: floating-point operations a second that jobs reach.
        bandwidth: bytes of memory a second that jobs reach.
    """

    flops: float
    bandwidth: float


@dataclass
class Stage:
    """What the jobs of a rule cost.

    Attributes:
        jobs: that are to run.
        gpu, cpu: seconds.
        measured: jobs among them whose time is that of earlier ones.
        unknown: jobs among them whose time is not known.
        tokens: that language models read or write to decompose captions.
    """

    jobs: int = 0
    gpu: float = 0.0
    cpu: float = 0.0
    measured: int = 0
    unknown: int = 0
    tokens: int = 0


class Estimator:
    """Seconds of single jobs, from the study and the shapes of its models."""

    def __init__(
        self, study: Config, table: ModelTable, sizes: Sizes, rows: Counts | None, device: Device | None
    ) -> None:
        self.study, self.table, self.sizes, self.rows, self.device = study, table, sizes, rows, device

    def seconds(self, job: Job) -> float | None:
        """Seconds of a job on the device that the user states.

        None where no device is stated, the job runs no model, or a shape or a number of rows is not known.
        """
        if job.rule not in BY_MODEL or self.rows is None or self.device is None:
            return None
        if job.rule == "decompose":
            return self._decompose(job, self.rows, self.device)
        if job.rule == "nli":
            return self._nli(job, self.rows, self.device)
        model, trained = self._model(job), ""
        if job.rule == "generate_rejected":
            *folders, _ = job.name.split("/")
            trained = folders[-1] if folders else ""
        elif job.rule in TRAINED_ON:
            trained = self.table[model].settings.get("corpus") or ""
        shape = self.sizes.shapes[model]
        if shape is None:
            return None
        if job.rule not in TRAINED_ON:
            return self._answering(job.rule, shape, self.device, self.rows.captions)
        corpus = self.rows.corpora.get(trained)
        return self._on_corpus(job.rule, model, shape, self.device, corpus) if corpus else None

    def on_gpu(self, job: Job) -> bool:
        """Whether the config asks for a GPU for a job, by `hardware.gpus`."""
        gpus = self.study.hardware.gpus
        asked = {
            "train_initial": gpus.initial,
            "generate_rejected": gpus.reject,
            "align": gpus.align,
            "generate": gpus.generate,
            "merge_and_generate": gpus.generate,
            "decompose": gpus.decompose,
            "nli": gpus.nli,
        }
        return asked.get(job.rule, 0) > 0

    def _model(self, job: Job) -> str:
        """The model that a job runs, in the model table."""
        if job.rule != "generate_rejected":
            return job.name
        # corpora/<corpus>/<direction>, or the direction alone for the study's own corpus
        way = job.name.split("/")[-1]
        return next(s.model for name, s in self.study.rejected().items() if name == way and s.kind == "model")

    def _on_corpus(self, rule: str, model: str, shape: Shape, device: Device, corpus: Corpus) -> float:
        settings = self.table[model].settings
        if rule == "train_initial":
            tokens = corpus.train * settings["epochs"] * (PROMPT + CAPTION)
            return 6 * shape.parameters * tokens / device.flops
        if rule == "align":
            return LOAD + self._align(settings, shape.parameters, corpus, device)
        # Rejected texts are written once, for the largest share.
        return self._write(max(corpus.shares.values()) + corpus.validation, PROMPT, CAPTION, shape, device)

    def _answering(self, rule: str, shape: Shape, device: Device, answers: int) -> float:
        # Of a merge: three models read in 16 bits, one written.
        merging = 0 if rule == "generate" else (6 + 2) * shape.parameters / COPY
        return merging if rule == "merge" else merging + self._write(answers, PROMPT, CAPTION, shape, device)

    def _align(self, settings: dict[str, Any], size: int, corpus: Corpus, device: Device) -> float:
        """Forward and backward through frozen weights are 4 operations a weight and token, a reference's forward 2."""
        trl, method = settings["trl"], METHODS[settings["method"]]
        passes = 4 + 2 * bool(trl.get("gradient_checkpointing")) + 2 * method.has_reference
        texts = len(method.texts()) * (PROMPT + CAPTION)
        seen = corpus.shares[settings["share"] or self.study.data.subset.fraction]
        steps = trl["num_train_epochs"] * (passes * seen + 2 * corpus.validation)
        return size * texts * steps / device.flops

    def _write(self, number: int, prompt: int, answer: int, shape: Shape, device: Device) -> float:
        """Reading prompts is bound by arithmetic, writing answers by reading the weights once a token and batch."""
        longest = max(self.study.generation.max_new_tokens, 1)
        batch = max(1, self.study.generation.batch_tokens // (prompt + longest))
        reading = 2 * shape.parameters * number * prompt / device.flops
        writing = ceil(number / batch) * min(answer, longest) * 2 * shape.parameters / device.bandwidth
        return LOAD + reading + writing

    def tokens(self, job: Job) -> int:
        """Tokens that a language model reads and writes for a job of the stage `decompose`."""
        units, _, _ = job.name.partition("/")
        spec = self.study.decomposers.get(units)
        if spec is None or not spec.asks_model or self.rows is None:
            return 0
        return self.rows.captions * (ASK + ATOMISED)

    def _decompose(self, job: Job, rows: Counts, device: Device) -> float | None:
        spec = self.study.local_decomposers().get(job.name.partition("/")[0])
        shape = shapes.pretrained(spec.id, spec.revision) if spec else None
        return self._write(rows.captions, ASK, ATOMISED, shape, device) if shape else None

    def _nli(self, job: Job, rows: Counts, device: Device) -> float | None:
        spec = self.study.nli[self.study.judges[job.name.partition("/")[0]].nli]
        if not isinstance(spec, PretrainedNli):
            return None
        shape = shapes.pretrained(spec.id, spec.revision)
        pairs = rows.captions * ATOMS**2 * 2 * DISTINCT
        return LOAD + 2 * shape.parameters * pairs * PAIR / device.flops if shape else None


def stages(jobs: Sequence[Job], run: str, estimator: Estimator) -> dict[str, Stage]:
    """Costs by rule, of the jobs that Snakemake would run."""
    found: dict[str, Stage] = {}
    for job in jobs:
        if not job.needed:
            continue
        stage = found.setdefault(job.rule, Stage())
        stage.jobs += 1
        stage.tokens += estimator.tokens(job) if job.rule == "decompose" else 0
        estimate = estimator.seconds(job)
        seen = _seen(job, run)
        if seen is not None:
            stage.measured += 1
            stage.gpu += seen[0] if estimator.on_gpu(job) else 0.0
            stage.cpu += seen[1]
        elif estimate is None:
            stage.unknown += 1
        else:
            stage.gpu += estimate if estimator.on_gpu(job) else 0.0
            stage.cpu += estimate
    return found


def _seen(job: Job, run: str) -> tuple[float, float] | None:
    """Mean wall and CPU seconds of earlier jobs: this very one, its rule's of this run, or of any run; else None."""
    own = Path(f"results/{run}/benchmarks")
    anywhere = [] if job.rule in BY_MODEL else [path for path in Path("results").glob("*/benchmarks") if path != own]
    for paths in (
        [job.benchmark],
        _of_rule(own, job.rule),
        [p for folder in anywhere for p in _of_rule(folder, job.rule)],
    ):
        times = [time for path in paths if (time := _read(path)) is not None]
        if times:
            return mean(wall for wall, _ in times), mean(cpu for _, cpu in times)
    return None


def _of_rule(benchmarks: Path, rule: str) -> list[Path]:
    return [*benchmarks.glob(f"{rule}.tsv"), *(benchmarks / rule).rglob("*.tsv")]


def _read(path: Path) -> tuple[float, float] | None:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        return float(rows[-1]["s"]), float(rows[-1]["cpu_time"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):  # none, or one that a kill cut
        return None
