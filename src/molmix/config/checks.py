"""Checks that compare keys of a config with each other, before any job starts.

The schema (:mod:`molmix.config.schema`) checks each key alone. :mod:`molmix.pipeline.model_table` checks the names of
models.
"""

from __future__ import annotations

from collections.abc import Iterable

from molmix.align.methods._shared import JudgedPairs
from molmix.analysis.settings import Best
from molmix.config.schema import Config
from molmix.core.errors import fault
from molmix.core.validation import check_name
from molmix.data.prompts import SELFIES, check_selfies
from molmix.data.settings import DemoSource, FileSource, HeldOutSource, HubSource
from molmix.generation.engines import ENGINES
from molmix.judges.decompose.units import UNITS
from molmix.judges.kinds import NliJudge
from molmix.metrics import all_metrics
from molmix.metrics.families.fcd import check_fcd
from molmix.metrics.scorer import check_columns
from molmix.models.settings import check_heads


def check(config: Config) -> None:
    """Check that a config that matches the schema can be run.

    Raises:
        MolmixError: it cannot be run; the message names the key, the value and what to do.
    """
    if len(set(config.seeds)) < len(config.seeds):
        raise fault("seeds", f"{config.seeds} holds a seed twice", "name every seed once")
    if config.data.subset.strategy == "scaffold" and config.domain == "text":
        raise fault("data.subset.strategy", "'scaffold' needs molecules", "set domain: molecules, or another strategy")
    if config.run == "store":
        raise fault("run", "'store' is where runs keep what they share", "call the run something else")
    _names(config)
    for name, model in config.initial.items():
        if model.kind == "made" and not model.parent:
            check_heads(name, model.hidden_size, model.heads)
        if model.kind == "made" and config.prompts.template == "chat":
            what = f"'chat', and initial.{name} is made here, without a chat template"
            hint = "set it for pretrained models only: `initial.<name>.prompts: {template: chat}`"
            raise fault("prompts.template", what, hint)
    _held_out_sources(config)
    _sources(config)
    _examples(config)
    _selfies(config)
    _systems(config)
    for temperature in (config.generation.temperature, config.rejecting()["temperature"]):
        ENGINES[config.generation.engine].check_temperature(temperature)
    for name in config.decomposers:
        if name in UNITS:
            raise fault(f"decomposers.{name}", f"{name!r} is a name of its own", "call the decomposer something else")
    _adapted_nli(config)
    for name, judge in config.judges.items():
        if isinstance(judge, NliJudge):
            check_name(judge.nli, config.nli, f"judges.{name}.nli", "NLI model")
        if judge.decomposed_by:
            check_name(judge.decomposed_by, config.decomposers, f"judges.{name}.decomposer", "decomposer")
    _molecules_of_judges(config)
    _text2mol(config)
    _fcd(config)
    _ablations(config)
    _caption_metrics_of_trainings(config)
    _searches(config)


def _searches(config: Config) -> None:
    """Check that searches of merge weights can be measured, and not on a test set."""
    for name, search in config.merge.search.items():
        key = f"merge.search.{name}"
        if name in config.merge.methods:
            raise fault(
                key, f"`merge.methods` has a method {name!r}, and ids end with the name", "rename one of the two"
            )
        held = config.data.validation
        if config.data.train is None:
            raise fault("data.train", f"missing, and {key} needs a validation split", "give `train` and `validation`")
        knows_facts = isinstance(held or config.data.train, DemoSource)
        check_columns([search.metric], config.metric_options(), knows_facts=knows_facts, key=f"{key}.metric")
        for test, spec in config.data.tests.items():
            if held and held.model_dump(exclude={"columns"}) == spec.source.model_dump(exclude={"columns"}):
                what = f"is the test set {test!r}, and {key} would choose weights on what it is tested on"
                raise fault("data.validation", what, "name other rows")


def _caption_metrics_of_trainings(config: Config) -> None:
    """Check that a training can measure its rewards and its `eval_metrics`."""
    options = config.metric_options()
    for name, spec in config.align.items():
        key, corpus = f"align.{name}", config.data.corpora[spec.corpus] if spec.corpus else config.data.train
        spec.check_metrics(options, knows_facts=isinstance(corpus, DemoSource), key=key)
        if "mol2cap" not in config.directions() and (spec.metrics or isinstance(spec.rejected, JudgedPairs)):
            what = f"no `mol2cap`, so the pairs of {key} ask for no captions, and there is nothing to measure"
            raise fault("preferences.rejected", what, "add it, or remove the metrics and rewards")


def _names(config: Config) -> None:
    """Refuse names that differ by case only: they become file names, and some file systems ignore case."""
    spaces: dict[str, Iterable[str]] = {
        "data.tests": config.data.tests,
        "data.corpora": config.data.corpora,
        "judges": config.judges,
        "nli": config.nli,
        "decomposers": config.decomposers,
    }
    for key, names in spaces.items():
        seen: dict[str, str] = {}
        for name in names:
            if (other := seen.setdefault(name.lower(), name)) != name:
                raise fault(f"{key}.{name}", f"{other!r} differs from it by case only", "rename one of the two")


def _held_out_sources(config: Config) -> None:
    """Check that the training split is there that a test set or validation is a part of."""
    sources = {f"data.tests.{name}.source": test.source for name, test in config.data.tests.items()}
    if config.data.validation:
        sources["data.validation"] = config.data.validation
    for key, source in sources.items():
        if isinstance(source, HeldOutSource) and config.data.train is None:
            raise fault(key, "is a part of data.train, which is missing", "give `data.train`")
        if isinstance(source, HeldOutSource) and source.strategy == "scaffold" and config.domain == "text":
            raise fault(key, "'scaffold' needs molecules", "set domain: molecules, or draw at random (`split: random`)")


def _sources(config: Config) -> None:
    """Check that the training split, corpora and columns of molecules that the study needs are given."""
    adapted = config.adapted_nli()
    trained = bool(config.align) or any(model.kind == "made" for model in config.initial.values())
    trained = trained or any(not model.corpus for model in adapted.values())
    if trained and config.data.train is None:
        raise fault("data.train", "missing, and models are trained", "say where the training split comes from")
    if config.data.train is None and config.data.validation is not None:
        raise fault("data.validation", "given, and data.train is not", "take it out, or give a training split")
    if config.data.train is None and config.data.corpora:
        raise fault("data.corpora", "given, and data.train is not", "call the first corpus `train`")
    made = {f"initial.{name}": model.corpus for name, model in config.initial.items() if model.kind == "made"}
    made |= {f"nli.{name}": model.corpus for name, model in adapted.items()}
    for key, corpus in (made | {f"align.{name}": spec.corpus for name, spec in config.align.items()}).items():
        if corpus is not None:
            check_name(corpus, config.data.corpora, f"{key}.corpus", "corpus")
    asked = {"data.train": config.data.train, "data.validation": config.data.validation}
    asked |= {f"data.corpora.{name}": source for name, source in config.data.corpora.items()}
    for name, test in config.data.tests.items():
        if config.initial or test.direction == "cap2mol":
            asked[f"data.tests.{name}.source"] = test.source
    for key, source in asked.items():
        if config.domain == "text" and isinstance(source, DemoSource) and source.split == "long":
            raise fault(f"{key}.split", "'long' is of molecules", "choose another split, or set domain: molecules")
        if _has_no_molecules(source):
            raise fault(f"{key}.columns.molecule", "null, and models answer to molecules", "name the molecules' column")


def _selfies(config: Config) -> None:
    """Check that molecules can be shown as SELFIES, if a template asks for it."""
    own = {f"initial.{name}.prompts": model.prompts for name, model in config.initial.items() if model.kind != "made"}
    for key, prompts in ({"prompts": config.prompts} | own).items():
        if prompts is None or SELFIES not in prompts.mol2cap:
            continue
        made = next((name for name, model in config.initial.items() if model.kind == "made"), None)
        if key == "prompts" and made:
            what = f"shows SELFIES, and initial.{made} is made here, from SMILES"
            raise fault(f"{key}.mol2cap", what, "show SMILES by the slot {molecule}")
        if config.domain == "text":
            raise fault(
                f"{key}.mol2cap", "shows SELFIES, and there are no molecules under `domain: text`", "use {molecule}"
            )
        check_selfies(f"{key}.mol2cap")


def _examples(config: Config) -> None:
    """Check that there are training molecules for the examples of models that are asked with some."""
    for name, model in config.initial.items():
        if model.kind == "made" or not model.examples:
            continue
        if config.data.train is None:
            what = "examples are training molecules, and `data.train` is not given"
            raise fault(f"initial.{name}.examples", what, "say where the training split comes from")
        if model.examples.choose == "nearest" and config.domain == "text":
            what = "'nearest' compares molecules, and there are none under `domain: text`"
            raise fault(f"initial.{name}.examples.choose", what, "set `choose: random`")


def _adapted_nli(config: Config) -> None:
    """Check the parent of every adapted NLI model, and that its captions are not those of a test set.

    Captions of the same molecules in different files are found by the job, which reads them.
    """
    adapted = config.adapted_nli()
    for name, model in adapted.items():
        check_name(model.parent, config.nli, f"nli.{name}.parent", "NLI model")
        if model.parent in adapted:
            hint = "name the model that it was adapted from"
            raise fault(f"nli.{name}.parent", f"{model.parent!r} is adapted itself", hint)
        corpus = config.data.corpora[model.corpus] if model.corpus else config.data.train
        for test, spec in config.data.tests.items():
            if corpus and corpus.model_dump(exclude={"columns"}) == spec.source.model_dump(exclude={"columns"}):
                what = f"its captions are those of the test set {test!r}, and a model that saw them cannot judge them"
                raise fault(f"nli.{name}.corpus", what, "name a corpus of other molecules")


def _has_no_molecules(source: object) -> bool:
    return isinstance(source, FileSource | HubSource) and source.columns.molecule is None


def _systems(config: Config) -> None:
    """Check that every system has predictions for every test set, joined by a column that both files have."""
    names = [system.name for system in config.systems]
    for number, system in enumerate(config.systems):
        key = f"systems.{number}"
        if system.name in names[:number]:
            raise fault(f"{key}.name", f"a second system is called {system.name!r}", "rename one of the two")
        for answered in system.predictions:
            check_name(answered, config.data.tests, f"{key}.predictions.{answered}", "test set")
        for name, test in config.data.tests.items():
            if name not in system.predictions:
                what = f"{system.name!r} has no predictions for the test set {name!r}"
                raise fault(f"{key}.predictions", what, "give them, or leave the test set to a study of its own")
            predictions, source = system.predictions[name], test.source
            if isinstance(source, HeldOutSource) and not (predictions.id or predictions.molecule):
                what = "is joined by order, and the test set is drawn from data.train"
                raise fault(f"{key}.predictions.{name}", what, "name the column `id` or `molecule`")
            if _has_no_molecules(source) and predictions.molecule and not predictions.id:
                hint = f"name data.tests.{name}.source.columns.molecule, or join by id or order"
                raise fault(f"{key}.predictions.{name}.molecule", "the references have no molecules to join by", hint)


def _molecules_of_judges(config: Config) -> None:
    """Refuse judges that read molecules where a test set has none."""
    for name, judge in config.judges.items():
        for test, spec in config.data.tests.items():
            lacks = config.domain == "text" or _has_no_molecules(spec.source)
            if judge.needs_molecules and spec.direction == "mol2cap" and lacks:
                what = f"reads molecules, and the test set {test!r} has none"
                hint = f"name data.tests.{test}.source.columns.molecule, or remove the judge"
                raise fault(f"judges.{name}", what, hint)


def _text2mol(config: Config) -> None:
    """Check that every test set of captions has a file of features. Ids are unique within one test set only."""
    if config.metrics.text2mol is None:
        return
    key, features = "metrics.text2mol.features", config.metrics.text2mol.features
    tests = [name for name, test in config.data.tests.items() if test.direction == "mol2cap"]
    if isinstance(features, str):
        if config.metrics.text2mol.key == "id" and len(tests) > 1:
            what = f"is one file for {len(tests)} test sets, and one id can be another molecule in each"
            named = ", ".join(f"{name}: …" for name in tests)
            hint = f"name a file for each: {{{named}}}; the same one where its ids are unique in all of them"
            raise fault(key, what, hint)
        return
    for name in features:
        check_name(name, tests, f"{key}.{name}", "test set of captions")
    for name in tests:
        if name not in features:
            raise fault(key, f"there is no file for the test set {name!r}", f"add `{name}: <file>`")


def _fcd(config: Config) -> None:
    """Check that the Fréchet ChemNet Distance can be measured, if it is asked for."""
    if config.metrics.fcd:
        if all(test.direction != "cap2mol" for test in config.data.tests.values()) or config.domain == "text":
            hint = "set it to false, or add a test set with `direction: cap2mol` under `domain: molecules`"
            raise fault("metrics.fcd", "true, and no test set asks for molecules", hint)
        check_fcd("metrics.fcd")


def _ablations(config: Config) -> None:
    """Check that the baseline is an arm, and that the metric that chooses an arm is measured on its test set."""
    options = config.metric_options()
    for name, ablation in config.ablations.items():
        check_name(ablation.baseline, ablation.arms, f"ablations.{name}.baseline", "arm")
        for label, arm in ablation.arms.items():
            if isinstance(arm, Best):
                key = f"ablations.{name}.arms.{label}"
                check_name(arm.test, config.data.tests, f"{key}.test", "test set")
                measured = all_metrics(options, config.data.tests[arm.test].direction)
                metrics = [metric.column for metric in measured if not metric.of_set]
                if arm.best not in metrics:
                    what = f"{arm.best!r} is not measured on the test set {arm.test!r}"
                    raise fault(
                        f"{key}.best", what, f"choose one of {', '.join(metrics)}, or add a judge that gives it"
                    )
