"""The products of a study: its judged test sets, its tables and figures, and the parameters of jobs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from molmix.align.settings import METHOD_OF
from molmix.config.schema import Config
from molmix.data.settings import Direction, ModelRejected
from molmix.judges.kinds import JudgeSettings, NliJudge, titles
from molmix.pipeline.model_table import ModelTable

# Tables that compare models, by name, and their titles in the report.
COMPARISONS = {
    "leaderboard": "Leaderboard",
    "comparisons": "Comparisons",
    "merges": "Merges",
    "alignments": "Alignments",
    "seeds": "Spread over seeds",
    "merge_search": "Searched merges",
}
# Tables of the target `judge`, by name, and their titles in the report.
VALIDATION = {
    "judges": "Planted errors",
    "agreement": "Agreement of the judges",
    "rankings": "Judges on real systems",
    "licences": "Licences of the judges",
    "audit": "Audit of the decomposers",
}


@dataclass(frozen=True)
class Products:
    """The products of one study.

    Attributes:
        study: the config.
        table: its model table.
    """

    study: Config
    table: ModelTable

    # ---- test sets and judges

    @cached_property
    def tests(self) -> dict[str, str]:
        """The direction of every test set, by name: ``mol2cap`` or ``cap2mol``."""
        return {name: test.direction for name, test in self.study.data.tests.items()}

    @cached_property
    def judged(self) -> list[str]:
        """Test sets whose answers are captions. Judges do not read molecules."""
        return [name for name, direction in self.tests.items() if direction == "mol2cap"]

    @cached_property
    def judges(self) -> dict[str, JudgeSettings]:
        """Judges by name; empty if no test set has captions as answers."""
        return self.study.judges if self.judged else {}

    @cached_property
    def validated_systems(self) -> list[str]:
        """Models whose captions judge validation reads."""
        chosen = self.study.judge_validation.systems
        return list(self.table) if chosen == "all" else chosen

    @cached_property
    def nli_judges(self) -> dict[str, NliJudge]:
        """Judges that ask an NLI model."""
        return {name: judge for name, judge in self.judges.items() if isinstance(judge, NliJudge)}

    @cached_property
    def atomic_judges(self) -> dict[str, NliJudge]:
        """Judges that ask an NLI model about atoms."""
        return {name: judge for name, judge in self.nli_judges.items() if judge.decomposed_by}

    @cached_property
    def judge_titles(self) -> dict[str, str]:
        """Titles of the judges in tables that compare them, by name."""
        return titles(self.judges)

    @cached_property
    def units(self) -> set[str]:
        """All kinds of units that captions are cut into: names of decomposers, sentences …"""
        return {units for judge in self.judges.values() for units in (judge.reference_units, judge.generated_units)}

    @cached_property
    def text2mol_tests(self) -> list[str]:
        """Test sets for which Text2Mol similarities are computed."""
        return self.judged if self.study.metrics.text2mol else []

    # ---- models

    @cached_property
    def urgency(self) -> dict[str, int]:
        """What is added to the priority of the job that makes a model: 0 to 9, more if more models need it.

        Of two models of one rule, the one that more models wait for is made first, so that no core waits for it later.
        """
        descendants = self.table.descendants()
        most = max(descendants.values(), default=1)
        return {model: 9 * descendants[model] // most for model in self.table}

    def scoring_nli(self, model: str) -> list[str]:
        """Names of the NLI models that an alignment or a search asks."""
        return sorted(self.table[model].settings.get("scorer", {}).get("nli", {}))

    def nli_made_by(self, *rules: str) -> list[str]:
        """NLI models that some rules make."""
        return [name for name, model in self.study.nli.items() if model.rule in rules]

    @cached_property
    def local_decomposers(self) -> list[str]:
        """Decomposers that are local language models: they have weights and use a GPU."""
        return list(self.study.local_decomposers())

    def environment_of(self, units: str) -> str:
        """The environment of `envs/` for the jobs that cut captions into some units."""
        decomposer = self.study.decomposers.get(units)
        return decomposer.environment if decomposer else "models"

    def judging_environment(self, nli: Iterable[str]) -> str:
        """The environment of `envs/` for the jobs that ask some NLI models."""
        return "engines" if any(self.study.nli[name].needs_engines for name in nli) else "models"

    @cached_property
    def model_decomposers(self) -> list[str]:
        """Decomposers that are language models, local or behind an endpoint. They take hours."""
        return [name for name, spec in self.study.decomposers.items() if spec.asks_model]

    @cached_property
    def kept_merges(self) -> list[str]:
        """Merges whose weights are kept."""
        return self.table.kept(self.study.merge.keep_weights)

    @cached_property
    def temporary_merges(self) -> list[str]:
        """Merges whose weights are deleted after they have answered the test sets."""
        return [model for model in self.table.of_kind("merged") if model not in self.kept_merges]

    @cached_property
    def generating(self) -> list[str]:
        """Models that answer the test sets in their own `generate` job."""
        left_out = {*self.temporary_merges, *self.systems, *self.endpoints}
        return [model for model in self.table if model not in left_out]

    def rejecting_model(self, direction: Direction, author: str) -> str:
        """The model that writes the rejected texts of a direction.

        Args:
            direction: the direction.
            author: ``by-<start>/`` if a start writes them itself, or "".
        """
        if author:
            return author.removeprefix("by-").rstrip("/")
        rejected = self.study.rejected()[direction]
        assert isinstance(rejected, ModelRejected), "texts from a file are not written"
        return rejected.model

    def rejected_sources(self, author: str) -> dict[str, dict[str, Any] | None]:
        """Where the rejected texts of a pair come from, by direction, as plain data; None if the pairs have none.

        Args:
            author: as in :meth:`molmix.pipeline.paths.Paths.rejected`.
        """
        given = self.study.rejected()
        sources: dict[str, dict[str, Any] | None] = {
            direction: given[direction].model_dump() if direction in given else None
            for direction in self.study.directions()
        }
        if author.startswith("judged-"):
            model = author.removeprefix("judged-").rstrip("/")
            return sources | {"mol2cap": {"kind": "model", "model": self.table[model].parents[0]}}
        written = {"kind": "model", "model": author.removeprefix("by-").rstrip("/")}
        return dict.fromkeys(sources, written) if author else sources

    @cached_property
    def judged_pairs(self) -> list[str]:
        """Aligned models whose pairs are captions of their start, chosen by a reward."""
        return [model for model, row in self.table.items() if isinstance(row.settings.get("rejected"), dict)]

    def nli_of_pairs(self, model: str) -> list[str]:
        """Names of the NLI models that choose the pairs of a model."""
        return sorted(self.table[model].settings["rejected"]["scorer"]["nli"])

    @cached_property
    def on_policy_starts(self) -> list[str]:
        """Starts that write rejected texts for their own alignments."""
        return list(
            dict.fromkeys(row.parents[0] for row in self.table.values() if row.settings.get("rejected") == "start")
        )

    @cached_property
    def adapters(self) -> list[str]:
        """Aligned models whose weights are an adapter."""
        return [model for model, row in self.table.items() if row.is_adapter]

    @cached_property
    def fully_aligned(self) -> list[str]:
        """Aligned models of which all weights were trained."""
        return [model for model in self.table.of_kind("aligned") if model not in self.adapters]

    @cached_property
    def uploadable(self) -> list[str]:
        """Models that the study aligns or merges and whose weights are kept."""
        return [*self.table.of_kind("aligned"), *self.kept_merges]

    @cached_property
    def uploaded(self) -> list[str]:
        """Models that `snakemake push` uploads."""
        push = self.study.push
        return (push.models or self.uploadable) if push else []

    @cached_property
    def systems(self) -> dict[str, dict[str, Any]]:
        """The files of systems whose captions come from elsewhere, by system and test set."""
        return {
            system.name: {test: source.model_dump() for test, source in system.predictions.items()}
            for system in self.study.systems
        }

    @cached_property
    def endpoints(self) -> list[str]:
        """Models behind an endpoint, which write captions and have no weights here."""
        return [model for model, row in self.table.items() if row.method == "endpoint"]

    # ---- tables and figures

    @cached_property
    def compared(self) -> list[str]:
        """Tables of the rule `comparisons` for which the study has models."""
        alignments = self.table.of_kind("aligned")
        wanted = {
            "comparisons": True,
            "merges": self.table.of_kind("merged"),
            "alignments": alignments,
            "seeds": len(self.study.seeds) > 1 and alignments,
        }
        return [name for name, models in wanted.items() if models]

    @cached_property
    def main_tables(self) -> list[str]:
        """Tables of the target `all`: a study without models and systems only validates judges."""
        return ["leaderboard", *self.compared, *self._searches] if self.table else [*VALIDATION]

    @cached_property
    def trained(self) -> list[str]:
        """Models whose losses are logged."""
        return [model for model, row in self.table.items() if row.kind == "aligned" or row.method == "made"]

    @cached_property
    def figures(self) -> dict[str, dict[str, Any]]:
        """Figures of the rule `plots` by name: kind and test sets. Only figures for which the study has data."""
        figures: dict[str, dict[str, Any]] = {}
        if self.trained:
            figures["training"] = {"kind": "training", "tests": []}
        if any("reward" in row.settings for row in self.table.values()):
            figures["rewards"] = {"kind": "rewards", "tests": []}
        aligned = [row.settings for row in self.table.values() if row.kind == "aligned"]
        if any("rejected" in METHOD_OF[own["method"]].texts() or "evaluation" in own for own in aligned):
            figures["preferences"] = {"kind": "preferences", "tests": []}
        if any(judge.plain_columns for judge in self.judges.values()):
            figures["tradeoff"] = {"kind": "tradeoff", "tests": self.judged}
        for other in self.judged[1:]:
            figures[f"distribution-{other}"] = {"kind": "distribution", "tests": [self.judged[0], other]}
        if any(row.start for row in self.table.values()):
            figures |= {f"effects-{test}": {"kind": "effects", "tests": [test]} for test in self.tests}
        if "merges" in self.compared:
            figures |= {f"merges-{test}": {"kind": "merges", "tests": [test]} for test in self.tests}
        return figures | {"cost": {"kind": "cost", "tests": []}}

    def reported(self, folder: Path, *, judge_too: bool = False, finished: bool = False) -> dict[str, list[str]]:
        """Tables and figures of the report, under ``tables`` and ``figures``.

        Args:
            folder: folder of the tables. Those of the target `judge` are reported if they exist.
            judge_too: whether the same command makes the tables of the target `judge`.
            finished: whether every table of the report has its page already. Then a table without a page is not
                reported: another target of the run may have made it since the pages were planned.
        """
        ablations = [f"ablation-{name}" for name in self.study.ablations]
        kind = "html" if finished else "md"
        validation = [name for name in VALIDATION if judge_too or (folder / f"{name}.{kind}").exists()]
        judges = [f"judges-{test}" for test in self.judged if "judges" in validation]
        return {
            "tables": ["leaderboard", *self.compared, *self._searches, *ablations, *validation],
            "figures": [*self.figures, *ablations, *judges],
        }

    @cached_property
    def _searches(self) -> list[str]:
        return ["merge_search"] if self.table.searched() else []

    # ---- parameters of jobs

    @cached_property
    def metric_options(self) -> dict[str, Any]:
        """Settings that scores depend on: the judges and the files of the metrics, as plain data."""
        return {
            "judges": {name: judge.model_dump() for name, judge in self.judges.items()},
            "domain": self.study.domain,
            **self.study.metrics.options(),
        }

    @cached_property
    def model_facts(self) -> dict[str, dict[str, Any]]:
        """Facts about every model for tables and figures, by id."""
        return {
            model: {
                "kind": row.kind,
                "parents": list(row.parents),
                "method": row.method,
                "seed": row.seed,
                "start": row.start,
                "unseeded": row.unseeded,
            }
            for model, row in self.table.items()
        }
