"""Paths of the files that several rules of the workflow name. Other files are only in the `output` of their rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # every job imports this module
    from molmix.config.schema import Config
    from molmix.pipeline.model_table import ModelTable
    from molmix.pipeline.products import Products

RESERVED = ("reference", "planted", "planted-reference")  # authors of captions that are not models
NLI_CACHE = "results/store/nli"
ATOMS_CACHE = "results/store/atoms"
CAPTIONS_CACHE = "results/store/captions"  # of models behind endpoints
VERDICTS_CACHE = "results/store/verdicts"


def benchmark_of(log: Path) -> Path:
    """File of the run time and memory use of a job: its log's name, under ``results/<run>/benchmarks``."""
    run, *job = log.relative_to("logs").with_suffix(".tsv").parts
    return Path("results", run, "benchmarks", *job)


@dataclass(frozen=True)
class Paths:
    """The paths of one run, relative to the working directory.

    Arguments may be wildcards in braces, such as ``"{model}"``, if a rule needs the pattern.

    Attributes:
        study: the config.
        table: its model table.
        products: the products of the study.
    """

    study: Config
    table: ModelTable
    products: Products

    @property
    def results(self) -> str:
        """Folder of the results."""
        return f"results/{self.study.run}"

    @property
    def logs(self) -> str:
        """Folder of the rules' logs."""
        return f"logs/{self.study.run}"

    @property
    def benchmarks(self) -> str:
        """Folder of the run times and memory use of jobs; see :func:`benchmark_of`."""
        return f"{self.results}/benchmarks"

    # ---- data

    def tests(self, *, judged: bool = False) -> dict[str, str]:
        """Test sets by name; with `judged`, only those whose answers are captions."""
        names = self.products.judged if judged else self.products.tests
        return {test: f"{self.results}/data/tests/{test}.parquet" for test in names}

    def splits(self) -> dict[str, dict[str, str]]:
        """Tables by corpus and split. The key of `data.train` is ``""``; empty without `data.train`."""
        if not self.study.data.train:
            return {}
        folders = {"": ""} | {name: f"corpora/{name}/" for name in self.study.data.corpora}
        return {
            corpus: {
                split: f"{self.results}/data/{folder}{split}.parquet" for split in ("train", "subset", "validation")
            }
            for corpus, folder in folders.items()
        }

    def training(self, model: str) -> str:
        """The captions that an initial model is trained on."""
        return self._training_of(self.table[model].settings.get("corpus"))

    def examples(self, model: str) -> str | list[str]:
        """The captions that a model's examples are drawn from; empty for a model that is asked without examples."""
        examples = self.table[model].settings.get("examples")
        return f"{self.results}/data/{examples['split']}.parquet" if examples else []

    def nli_training(self, name: str) -> str:
        """The captions that an NLI model is adapted to."""
        return self._training_of(self.study.adapted_nli()[name].corpus)

    def _training_of(self, corpus: str | None) -> str:
        return f"{self.results}/data/{_corpus_folder(corpus)}train.parquet"

    def pairs(self, model: str) -> str:
        """Folder of the preference pairs that a model is aligned with."""
        row = self.table[model]
        share = row.settings["share"]
        folder = "" if share in (None, self.study.data.subset.fraction) else f"share-{share}/"
        rejected = row.settings.get("rejected")
        author = f"judged-{model}/" if model in self.products.judged_pairs else f"by-{row.parents[0]}/"
        return f"{self.results}/preferences/{self._corpus(model)}{author if rejected else ''}{folder}"

    def scored_corpus(self, model: str) -> list[str]:
        """Tables of the training split and of validation, if an alignment or a search scores captions of them."""
        if "scorer" not in self.table[model].settings:
            return []
        splits = self.splits()[self.table[model].settings.get("corpus") or ""]
        return [splits["subset"], splits["validation"]]

    def scored_with(self, model: str) -> list[str]:
        """Files that the metrics of these captions read."""
        return [*self.study.metrics.files().values()] if "scorer" in self.table[model].settings else []

    def scoring_nli(self, model: str) -> list[str]:
        """Manifests of the NLI models that an alignment or a search asks."""
        return [self.nli_model(name) for name in self.products.scoring_nli(model)]

    def rejected(self, corpus: str, author: str) -> dict[str, str]:
        """Rejected texts by direction: a file of the user, or one that a model writes. Some pairs have none.

        Args:
            corpus: folder of a further corpus, or "".
            author: ``by-<start>/`` if a start writes them itself, ``judged-<model>/`` if a reward chooses among its
                captions (the other direction is then as without it), or "".
        """
        found: dict[str, str] = {}
        for direction in self.study.directions():
            source = self.study.rejected().get(direction)
            own = "" if author.startswith("judged-") and direction != "mol2cap" else author
            if own or source:
                written = f"{self.results}/preferences/{corpus}{own}rejected.{direction}.parquet"
                found[direction] = source.path if source and source.kind == "file" and not own else written
        return found

    def _corpus(self, model: str) -> str:
        return _corpus_folder(self.table[model].settings.get("corpus"))

    # ---- models

    def manifest(self, model: str) -> str:
        """Manifest: what a model is and what it was made from. Later jobs depend on it and not on the weights."""
        return f"{self.results}/models/{model}/manifest.json"

    def parents(self, model: str) -> list[str]:
        """Manifests of the models that a model is made from."""
        return [self.manifest(parent) for parent in self.table[model].parents]

    def manifests(self, models: Any = None) -> dict[str, str]:
        """Manifests by model; default all models."""
        return {model: self.manifest(model) for model in (self.table if models is None else models)}

    def weights(self, *models: str) -> list[str]:
        """Folders that are read to load some models: weights and adapters that the study makes."""
        return [
            f"{self.results}/models/{row}/{'adapter' if self.table[row].is_adapter else 'weights'}"
            for model in models
            for row in self.table.lineage(model)
            if self.table[row].method != "pretrained"
        ]

    def training_log(self, model: str) -> str:
        """Log of a training: its losses."""
        return f"{self.results}/models/{model}/log.parquet"

    def searches(self, *models: str) -> list[str]:
        """Results of the searches of some models' weights; models that are not searched have none."""
        return [f"{self.results}/models/{model}/search.json" for model in models if self.table[model].is_searched]

    def nli_model(self, name: str) -> str:
        """Manifest of an NLI model."""
        return f"{self.results}/nli_models/{name}/manifest.json"

    def nli_weights(self, name: str) -> list[str]:
        """Weights of an NLI model that the study trains; empty for other NLI models."""
        trained = self.products.nli_made_by("train_nli", "adapt_nli")
        return [f"{self.results}/nli_models/{name}/weights"] if name in trained else []

    def decomposer(self, name: str) -> str:
        """Manifest of a decomposer that is a local language model."""
        return f"{self.results}/decomposers/{name}/manifest.json"

    # ---- captions and their scores

    def predictions(self, model: str, tests: Any = None) -> dict[str, str]:
        """The answers of a model, by test set."""
        names = self.products.tests if tests is None else tests
        return {test: f"{self.results}/predictions/{model}/{test}.parquet" for test in names}

    def captions(self, author: str) -> dict[str, str]:
        """The captions that are cut into units, by test set. An author is a model, or one of `RESERVED`."""
        folder = {"reference": "data/tests", "planted-reference": "data/planted"}.get(author, f"predictions/{author}")
        return {test: f"{self.results}/{folder}/{test}.parquet" for test in self.products.judged}

    def units(self, units: str, author: str) -> dict[str, str]:
        """The units (atoms, sentences …) of an author's captions, by test set."""
        return {test: f"{self.atoms}/{units}/{author}/{test}.parquet" for test in self.products.judged}

    def reference_units(self, judge: str, author: str) -> dict[str, str]:
        """The units of the references that a judge compares an author's captions with, by test set."""
        return self.units(self.products.judges[judge].reference_units, self.reference_of(author))

    def reference_of(self, author: str) -> str:
        """The author of the references that an author's captions are compared with."""
        return "planted-reference" if author == "planted" else "reference"

    def generated_units(self, judge: str, author: str) -> dict[str, str]:
        """The units of an author's captions that a judge reads, by test set."""
        return self.units(self.products.judges[judge].generated_units, author)

    def whole_texts(self, judge: str, author: str) -> dict[str, dict[str, str]]:
        """The captions of an author and their references, each by test set, if a judge reads whole texts."""
        if not self.products.nli_judges[judge].reads_texts:
            return {}
        return {"captions": self.captions(author), "references": self.captions(self.reference_of(author))}

    @property
    def atoms(self) -> str:
        """Folder of the units of all captions."""
        return f"{self.results}/atoms"

    def nli(self, judge: str, author: str) -> dict[str, str]:
        """The NLI probabilities that a judge reads, by test set."""
        return self._stage("nli", judge, author)

    def verdicts(self, judge: str, author: str) -> dict[str, str]:
        """The verdicts of a judge that asks no NLI model, by test set."""
        return self._stage("verdicts", judge, author)

    def judged(self, judge: str, author: str) -> dict[str, str]:
        """The tables that a judge's scores of an author's captions are made from, by test set."""
        return self._stage(self.products.judges[judge].stage, judge, author)

    def _stage(self, stage: str, judge: str, author: str) -> dict[str, str]:
        return {test: f"{self.results}/{stage}/{judge}/{author}/{test}.parquet" for test in self.products.judged}

    def licence(self, judge: str) -> str:
        """The licence of a judge: whether its NLI model can read the references."""
        return f"{self.results}/licences/{judge}.json"

    def licences(self) -> dict[str, str]:
        """The licences of all judges that ask an NLI model, by name."""
        return {judge: self.licence(judge) for judge in self.products.nli_judges}

    def text2mol(self, model: str) -> dict[str, str]:
        """Text2Mol similarities of a model's captions, by test set; empty if the study does not ask for them."""
        return {test: f"{self.results}/text2mol/{model}/{test}.parquet" for test in self.products.text2mol_tests}

    def scores(self, model: str, *, judged: bool = False) -> dict[str, str]:
        """All metrics of all answers of a model, by test set."""
        names = self.products.judged if judged else self.products.tests
        return {test: f"{self.results}/scores/{model}/{test}.parquet" for test in names}

    def all_scores(self, models: Any = None, *, judged: bool = False) -> dict[str, dict[str, str]]:
        """Scores by model and test set; default all models."""
        chosen = self.table if models is None else models
        return {model: self.scores(model, judged=judged) for model in chosen}

    def validated(self) -> dict[str, str]:
        """Scores that each judge gives to captions with planted errors, by test set."""
        return {test: f"{self.results}/judge_validation/{test}.parquet" for test in self.products.judged}

    # ---- tables and figures

    def tables(self, *names: str, kinds: tuple[str, ...] = ("csv", "md", "tex")) -> list[str]:
        """Tables in some formats."""
        return [f"{self.results}/tables/{name}.{kind}" for name in names for kind in kinds]

    def figures(self, *names: str, kinds: tuple[str, ...] = ("svg", "png")) -> list[str]:
        """Figures in some formats."""
        return [f"{self.results}/plots/{name}.{kind}" for name in names for kind in kinds]

    def ablation(self, name: str) -> list[str]:
        """The tables and the figure of an ablation."""
        return self.tables(f"ablation-{name}") + self.figures(f"ablation-{name}")


def _corpus_folder(corpus: str | None) -> str:
    return f"corpora/{corpus}/" if corpus else ""


def units_of_models(folder: Path, test: str) -> list[Path]:
    """Existing tables of the units of the models' captions.

    Args:
        folder: folder of one kind of units.
        test: name of the test set.
    """
    authors = [author for author in sorted(folder.iterdir()) if author.name not in RESERVED]
    return [path for author in authors if (path := author / f"{test}.parquet").is_file()]
