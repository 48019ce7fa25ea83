"""Scores of captions in memory, by columns of the tables of scores: for trainings that learn from them or show them.

A judge is asked as in a study, with the same caches: a pair of texts that any job asked about is not asked again. This
module imports fast, because settings are made from it when a config is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.core.errors import fault
from molmix.core.validation import check_name
from molmix.judges.decompose.backends._decomposer import DecomposerSettings
from molmix.judges.kinds import JudgeSettings, NliJudge, parse_judge
from molmix.judges.nli.settings import NliSettings
from molmix.metrics import Metric, Options, all_metrics, immediate_metrics
from molmix.metrics.families import facts
from molmix.metrics.families import judges as judge_family

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

DIRECTION = "mol2cap"
Row = dict[str, Any]  # of molmix.data.corpus.read_molecules


def scorable(options: Options, *, knows_facts: bool) -> dict[str, Metric]:
    """Metrics of captions that a training can compute, by column.

    Args:
        options: settings of the metrics.
        knows_facts: whether the true facts of the training molecules are known.
    """
    made_elsewhere = {metric.column for metric in all_metrics(options, DIRECTION)}
    made_elsewhere -= {metric.column for metric in (*immediate_metrics(options), *judge_family.metrics(options))}
    if not knows_facts:
        made_elsewhere |= {metric.column for metric in facts.METRICS}
    return {metric.column: metric for metric in all_metrics(options, DIRECTION) if metric.column not in made_elsewhere}


def check_columns(
    columns: Iterable[str], options: Options, *, knows_facts: bool, key: str, others: Iterable[str] = ()
) -> None:
    """Refuse columns that cannot be computed while a model is trained.

    Args:
        columns: names in the config.
        options, knows_facts: of :func:`scorable`.
        key: config key that names the columns.
        others: further names that are possible.

    Raises:
        MolmixError: there is no such metric, it is made by another job, or it needs facts that the corpus lacks.
    """
    if not columns:
        return  # some families read files to name their columns, and these are checked later
    possible, with_facts = (scorable(options, knows_facts=known) for known in (knows_facts, True))
    every = {metric.column for metric in all_metrics(options, DIRECTION)}
    for column in columns:
        if column in with_facts and column not in possible:
            what = f"{column!r} needs all true facts of the molecules, which are known in the embedded world only"
            raise fault(key, what, "remove it, or train on `kind: demo`")
        if column in every and column not in possible:
            raise fault(key, f"{column!r} is made by another job, after the training", "remove it")
        check_name(column, [*possible, *others], key, "metric")


def columns_of(judge: str, options: Options) -> set[str]:
    """The columns of a judge's scores, by its name."""
    prefix = judge_family.prefixes(options.judges)[judge]
    return {f"{prefix}{score.column}" for score in parse_judge(options.judges[judge]).scores}


def scorer_settings(
    columns: Iterable[str],
    options: Options,
    judges: Mapping[str, JudgeSettings],
    decomposers: Mapping[str, DecomposerSettings],
    nli: Mapping[str, NliSettings],
    key: str,
) -> dict[str, Any]:
    """Settings of a :class:`CaptionScorer` as plain JSON, with the judges that its columns need.

    Args:
        columns: columns of the scores, keys of :func:`scorable`.
        options: settings of the metrics.
        judges, decomposers, nli: of the study, by name.
        key: config key that names the columns, for messages.

    Raises:
        MolmixError: a column is of a judge that asks a language model, which is too slow for a training.
    """
    wanted, needed = {*columns}, {}
    for name, prefix in judge_family.prefixes(options.judges).items():
        own = wanted & columns_of(name, options)
        decomposer = decomposers.get(judges[name].decomposed_by or "")
        slow = f"{min(own, default='')!r} is a score of the judge {name!r}, and a language model would have to be asked"
        if own and judges[name].asks_server:
            hint = "name a score of a judge of another kind, such as `atomic`, which asks no server"
            raise fault(key, f"{slow} for each of its verdicts", hint)
        if own and decomposer and decomposer.asks_model:
            hint = f"set `judges.{name}.decomposer: rules`, or name a score of a judge with that decomposer"
            raise fault(key, f"{slow} for the atoms of every caption", hint)
        # The judge whose columns have no prefix is always there: without it, another judge would have them.
        if own or not prefix:
            needed[name] = judges[name].model_dump()
    asked = [judges[name] for name in needed if columns_of(name, options) & wanted]
    models = {judge.nli for judge in asked if isinstance(judge, NliJudge)}
    splitting = {judge.decomposed_by for judge in asked if judge.decomposed_by}
    return {
        "columns": {
            name: metric.better for name, metric in scorable(options, knows_facts=True).items() if name in wanted
        },
        "options": asdict(options) | {"judges": needed},
        "decomposers": {name: decomposers[name].model_dump() for name in sorted(splitting)},
        "nli": {name: nli[name].asked() for name in sorted(models)},
    }


class CaptionScorer:
    """Scores captions of molecules of the corpus.

    Args:
        settings: the result of :func:`scorer_settings`.
        nli: manifests of its NLI models; their names are the keys of ``settings["nli"]``. A model is loaded for the
            first pair that is not in its cache, and stays loaded.
        store: folder of the caches.

    Attributes:
        columns: its columns, with whether higher or lower is better.
    """

    def __init__(self, settings: Mapping[str, Any], nli: Mapping[str, Path], store: Path) -> None:
        from molmix.judges.nli.cached_model import CachedModel
        from molmix.judges.text_judge import TextJudge

        self.columns: dict[str, str] = settings["columns"]
        self._options = Options(**settings["options"])
        models = {name: CachedModel(nli[name], store / "nli", **asked) for name, asked in settings["nli"].items()}
        self._judges: dict[str, TextJudge] = {}
        for name, judge in settings["options"]["judges"].items():
            own = parse_judge(judge)
            model = models.get(own.nli) if isinstance(own, NliJudge) else None
            self._judges[name] = TextJudge(own, store, model, settings["decomposers"].get(own.decomposed_by))

    def scores(self, captions: Sequence[str], rows: Sequence[Row], columns: Iterable[str]) -> pd.DataFrame:
        """Scores of captions.

        Args:
            captions: n texts.
            rows: the molecule of each caption, as :func:`molmix.data.corpus.read_molecules` gives it.
            columns: some of `columns`.

        Returns:
            n rows with these columns, and further ones of the same judges and families. An undefined score is NaN.

        Raises:
            MolmixError: an NLI model cannot be run, or a metric lacks a file.
        """
        from molmix.metrics.score import scores_of_captions

        judged = self._judged(captions, rows, columns)
        return scores_of_captions(rows, list(captions), columns, self._options, judged)

    def figures(self, captions: Sequence[str], rows: Sequence[Row], columns: Sequence[str]) -> dict[str, float]:
        """The figure of each column over all captions, as in the leaderboard: see
        :func:`molmix.metrics.score.caption_figures`. The arguments are those of :meth:`scores`."""
        from molmix.metrics.score import caption_figures

        judged = self._judged(captions, rows, columns)
        return caption_figures(rows, list(captions), columns, self._options, judged)

    def _judged(self, captions: Sequence[str], rows: Sequence[Row], columns: Iterable[str]) -> dict[str, pa.Table]:
        """The tables of the judges that the columns need, by judge."""
        wanted, references = {*columns}, [row["references"] for row in rows]
        molecules = [row["molecule"] for row in rows]
        return {
            name: judge.judge(captions, references, molecules).table
            for name, judge in self._judges.items()
            if wanted & columns_of(name, self._options)
        }
