"""The licence of a judge: a cheap check, in every run, of its NLI model on the reference atoms of this run.

An NLI model that does not know the language or the domain of the captions still answers with probabilities, and a table
of its scores looks like any other. So each judge is asked some questions whose answer is known without people, on units
of the references that it judges by (:data:`CHECKS`, with the bounds and their reasons). A judge outside of a bound is
not licensed: tables warn, and give its scores no bold and no star.

The licence does not say that a judge is right. It finds judges that cannot be. How well a licensed judge finds errors
is measured by judge validation (``snakemake judge``).
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from molmix.core.errors import fault
from molmix.core.files import read_json, read_rows_of, read_table, write_json
from molmix.judges.kinds import NliJudge, parse_judge
from molmix.judges.nli.agreement import Agreement
from molmix.judges.nli.cached_model import CachedModel

if TYPE_CHECKING:
    import numpy as np

SAMPLE = 200  # reference atoms, and pairs of atoms, of a test set: a share of .9 is measured to about .04
FEWEST = 20  # atoms or pairs, below which only a very bad model is found
CALLED = 0.5  # probability from which a pair is called an entailment or a contradiction: more likely than not
_Z = 1.96  # of the 95 % interval of a share
HINT = "name an NLI model that knows the language and the domain of these captions (docs/judges.md)"

log = logging.getLogger(__name__)

Pair = tuple[str, str]  # premise, hypothesis


@dataclass(frozen=True)
class Check:
    """A question with a known answer, and the bound of a judge that is licensed.

    Attributes:
        measure: the share; a field of :class:`Licence`.
        of: the field with the number of pairs that were asked.
        words: what the share is of.
        least, most: the bound; one of the two is None.
        spoils_all: whether no score of the judge can be trusted outside of the bound, or only scores that read
            probabilities of contradiction.
    """

    measure: str
    of: str
    words: str
    least: float | None = None
    most: float | None = None
    spoils_all: bool = True


# The bounds, and what they are based on. They are rules of thumb: no theory gives them.
CHECKS = (
    # A text entails itself, by definition. Models that know the language reach .98 to 1.00 (the embedded model on the
    # embedded world, a small English model on ChEBI-20, PubChem324k and L+M-24). The embedded model, which knows hardly
    # a word of real captions, reaches .20 to .27 there. A tenth is left for odd atoms and pairs that are cut.
    Check("itself", "atoms", "reference atoms entail themselves", least=0.9),
    # A reference states its own atoms. This also depends on the decomposer, and models are weak at long premises (the
    # small English model: .64 to .72 on ChEBI-20, .56 to .60 on PubChem324k), so only a half is asked for. Captions of
    # 100 words in the embedded world fail (.08): there, judge validation finds that few scores are better than chance.
    Check("own_text", "atoms", "reference atoms are entailed by the reference that they come from", least=0.5),
    # Atoms of different molecules say nothing about each other, except where one restates the other in other words or
    # more generally: .03 to .05 of the pairs in the embedded world. A reference of ChEBI-20 has 5 to 6 atoms. If a
    # tenth of unrelated pairs is called entailment, it supports 4 of 10 statements about other molecules
    # (1 - .9 ** 5.5).
    Check("null_entailed", "null_pairs", "pairs of atoms of different molecules are called entailment", most=0.1),
    # Statements about different molecules cannot contradict each other, but read as statements about one molecule they
    # can ("one ring", "two rings"): .10 to .16 of the pairs in the embedded world. RefNLI (arXiv 2502.05793) found that
    # over 80 % of what models call contradictions are none. The bound is twice the highest share in the embedded world.
    Check(
        "null_contradicted",
        "null_pairs",
        "pairs of atoms of different molecules are called contradiction",
        most=0.3,
        spoils_all=False,
    ),
)


@dataclass(frozen=True)
class Licence:
    """Results of the checks on one test set. A share of no pairs is None.

    Attributes:
        atoms: number of drawn reference atoms (units, for a judge that reads sentences or whole texts).
        itself: share of them that entail themselves. The model is asked about them like about any other pair.
        own_text: share of them that their reference entails.
        null_pairs: number of drawn pairs of different atoms of different molecules.
        null_entailed, null_contradicted: shares of these pairs that are called entailment, and contradiction.
        has_contradiction: whether any of the pairs has a probability of contradiction. It has none if the model has two
            classes, entailment or not.
    """

    atoms: int
    itself: float | None
    own_text: float | None
    null_pairs: int
    null_entailed: float | None
    null_contradicted: float | None
    has_contradiction: bool

    def faults(self, *, contradiction: bool) -> list[str]:
        """Why a score cannot be trusted; empty if the judge is licensed for it.

        A share is outside of a bound if its whole 95 % interval is (Wilson's, for small samples).

        Args:
            contradiction: whether the score reads probabilities of contradiction.
        """
        return [
            f"{percent(share)} of {getattr(self, check.of)} {check.words} ({_bound(check)})"
            for check in CHECKS
            if (check.spoils_all or contradiction)
            and (share := getattr(self, check.measure)) is not None
            and _is_outside(share, getattr(self, check.of), check)
        ]

    def describe(self) -> str:
        """The measures in one line."""
        return (
            f"{_shown(self.itself)} of {self.atoms} reference atoms entail themselves, {_shown(self.own_text)} are "
            f"entailed by their reference; of {self.null_pairs} pairs of atoms of different molecules, "
            f"{_shown(self.null_entailed)} are called entailment and {_shown(self.null_contradicted)} contradiction"
        )


def measure_licence(
    texts: Sequence[str],
    atoms: Sequence[Sequence[str]],
    ask: Callable[[Sequence[Pair]], np.ndarray],
    *,
    sample: int = SAMPLE,
    seed: int = 0,
) -> Licence:
    """Run the checks.

    Args:
        texts: the reference of each molecule.
        atoms: the atoms of each reference.
        ask: the NLI model: probabilities (:data:`molmix.judges.nli.cache.VALUE`, or any columns `entailment` and
            `contradiction`) for pairs of premise and hypothesis.
        sample: maximum number of atoms, and of pairs of atoms.
        seed: of the draws.
    """
    rng = random.Random(seed)
    drawn = [(text, atom) for text, own in zip(texts, atoms, strict=True) for atom in own]
    drawn = rng.sample(drawn, min(sample, len(drawn)))
    null = draw_null_pairs([[own for own in atoms if own]], sample, seed)
    values = ask([*((atom, atom) for _, atom in drawn), *drawn, *null])
    entailed, contradicted = (values[name] >= CALLED for name in ("entailment", "contradiction"))
    count = len(drawn)
    return Licence(
        atoms=count,
        itself=_share(entailed[:count]),
        own_text=_share(entailed[count : 2 * count]),
        null_pairs=len(null),
        null_entailed=_share(entailed[2 * count :]),
        null_contradicted=_share(contradicted[2 * count :]),
        has_contradiction=bool((values["contradiction"] > 0).any()),
    )


def draw_null_pairs(tables: Sequence[Sequence[Sequence[str]]], pairs: int, seed: int) -> list[Pair]:
    """Distinct pairs of different atoms of different molecules.

    No atom of a pair is an atom of the other molecule too. Still, some pairs are true entailments: an atom can restate
    another one in other words ("has two rings", "contains two rings") or more generally.

    Args:
        tables: tables of molecules, each with its atoms, at least one. Both atoms of a pair are of one table.
        pairs: number of pairs to draw. There are fewer if the tables are small.
        seed: of the draw.
    """
    usable = [rows for rows in tables if len(rows) > 1]
    rng = random.Random(seed)
    drawn: dict[Pair, None] = {}
    for _ in range(20 * pairs if usable else 0):
        one, other = rng.sample(rng.choice(usable), 2)
        premise, hypothesis = rng.choice(one), rng.choice(other)
        if premise not in other and hypothesis not in one:
            drawn[premise, hypothesis] = None
        if len(drawn) == pairs:
            break
    return list(drawn)


def write_licence(
    *,
    judge: str,
    settings: Mapping[str, Any],
    texts: Mapping[str, Path],
    units: Mapping[str, Path],
    model: Path,
    cache: Path,
    out: Path,
    strict: bool,
    **asked: Any,
) -> None:
    """Check a judge on the references of every test set, and write its licences as JSON.

    On some of the same pairs, the answers of its NLI model are compared with those of PyTorch in float32, if it is
    computed by another engine or in another number format.

    Args:
        judge: its name.
        settings: of the judge, dumped.
        texts: by test set, the references (`id`, `references`).
        units: by test set, their units (`id`, `atoms`), cut as the judge cuts captions.
        model: ``manifest.json`` of the NLI model.
        cache: folder of the NLI caches.
        out: the file to write; :func:`read_licences` reads it.
        strict: whether to refuse a judge whose main scores are not licensed.
        asked: settings of the model; see :class:`molmix.judges.nli.cached_model.CachedModel`.

    Raises:
        MolmixError: a table is damaged, the model cannot be used, or the judge is refused.
    """
    from molmix.judges.nli.inference import distinct_pairs, predict_pairs

    cached, tests = CachedModel(model, cache, **asked), {}
    pairs: dict[Pair, None] = {}

    def ask(test: str, some: Sequence[Pair]) -> np.ndarray:
        pairs.update(dict.fromkeys(some))
        return predict_pairs(some, model=cached, cache=cache, name=f"licence {test}")

    for test, path in units.items():
        rows = read_table(path, columns=["id", "atoms"])
        references = read_rows_of(texts[test], rows["id"].to_pylist(), path, columns=["id", "references"])
        tests[test] = measure_licence(
            [" ".join(several) for several in references["references"].to_pylist()],
            rows["atoms"].to_pylist(),
            partial(ask, test),
        )
        log.info("judge %s on %s: %s", judge, test, tests[test].describe())
    own = parse_judge(dict(settings))
    assert isinstance(own, NliJudge)
    warnings = [line for test, licence in tests.items() for line in warn_about(judge, own, test, licence)]
    for line in warnings:
        log.warning("%s", line)
    if strict:
        refuse_unlicensed(judge, own, tests)
    facts: dict[str, Any] = {"judge": judge, "nli": own.nli, "accuracy": known_accuracy(model)}
    if pairs and (agreement := cached.measure_agreement(distinct_pairs(list(pairs)))):
        facts["agreement"] = asdict(agreement)
    write_json(out, facts | {"tests": {test: asdict(licence) for test, licence in tests.items()}}, checksum=True)


class Licences(NamedTuple):
    """What the file of a judge holds.

    Attributes:
        tests: its licences by test set.
        accuracy: the known accuracy of its NLI model on held-out pairs.
        agreement: of the engine and number format of its NLI model; None for PyTorch in float32.
    """

    tests: dict[str, Licence]
    accuracy: float | None
    agreement: Agreement | None


def read_licences(path: Path) -> Licences:
    """The licences that :func:`write_licence` wrote.

    Raises:
        MolmixError: the file is missing or damaged.
    """
    content = read_json(path)
    agreement = content.get("agreement")
    tests = {test: Licence(**own) for test, own in content["tests"].items()}
    return Licences(tests, content["accuracy"], Agreement(**agreement) if agreement else None)


def known_accuracy(manifest: Path) -> float | None:
    """Accuracy of an NLI model on held-out pairs, if its manifest knows it (models that the study trains)."""
    accuracy = read_json(manifest).get("accuracy")
    return accuracy.get("all") if isinstance(accuracy, dict) else None


def unlicensed_scores(judge: NliJudge, licence: Licence) -> dict[str, list[str]]:
    """The scores of a judge that it is not licensed for, by column, each with the reasons."""
    found = {score.column: licence.faults(contradiction=score.reads_contradiction) for score in judge.scores}
    return {column: reasons for column, reasons in found.items() if reasons}


def warn_about(name: str, judge: NliJudge, test: str, licence: Licence) -> Iterator[str]:
    """Warnings in words: one for each group of a judge's scores that have the same reasons not to be trusted, one if
    there is too little to check, and one if nothing can be contradicted.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for column, reasons in unlicensed_scores(judge, licence).items():
        groups.setdefault(tuple(reasons), []).append(column)
    if licence.atoms < FEWEST or licence.null_pairs < FEWEST:
        few = f"only {licence.atoms} reference atoms and {licence.null_pairs} pairs of atoms of different molecules"
        yield f"judge `{name}` could hardly be checked on {test}: there are {few}"
    for same, columns in groups.items():
        what = "any score" if len(columns) == len(judge.scores) else ", ".join(columns)
        why = f"with the NLI model `{judge.nli}`, {'; '.join(same)}"
        yield f"judge `{name}` is not licensed for {what} on {test}: {why}"
    if (
        licence.atoms
        and not licence.has_contradiction
        and (warning := without_contradiction(name, judge, f" on {test}"))
    ):
        yield warning


def without_contradiction(name: str, judge: NliJudge, where: str = "") -> str:
    """A warning in words, if the NLI model of a judge has no class contradiction and a score of the judge reads it.

    Args:
        name: of the judge.
        judge: its settings.
        where: the test set, if there is one.
    """
    columns = [score.column for score in judge.scores if score.reads_contradiction]
    if not columns:
        return ""
    return (
        f"the NLI model `{judge.nli}` of judge `{name}` has two classes, entailment or not: for {', '.join(columns)}"
        f"{where}, nothing counts as contradicted. A model of three classes can tell (entailment, neutral and "
        "contradiction, as in MNLI); a judge that reads entailment alone needs no third class"
    )


def refuse_unlicensed(name: str, judge: NliJudge, tests: Mapping[str, Licence]) -> None:
    """Refuse a judge whose main scores (`headline`) are not licensed.

    Raises:
        MolmixError: there is such a score; the message has every reason.
    """
    headlines = {score.column for score in judge.scores if score.headline}
    refused = [test for test, licence in tests.items() if headlines & unlicensed_scores(judge, licence).keys()]
    if refused:
        lines = [line for test in refused for line in warn_about(name, judge, test, tests[test])]
        raise fault(f"judges.{name}", "; ".join(lines), f"{HINT}; without `strict`, this is a warning")


def percent(share: float) -> str:
    """A share in words, as whole percent; never 0 % or 100 % if it is neither."""
    whole = min(max(round(100 * share), math.ceil(share)), 100 - math.ceil(1 - share))
    return f"{whole} %"


def _share(which: np.ndarray) -> float | None:
    return round(float(which.mean()), 4) if len(which) else None


def _shown(share: float | None) -> str:
    return "–" if share is None else percent(share)


def _bound(check: Check) -> str:
    return f"at least {percent(check.least)}" if check.least is not None else f"at most {percent(check.most or 0)}"


def _is_outside(share: float, count: int, check: Check) -> bool:
    low, high = wilson(share, count)
    return high < check.least if check.least is not None else low > (check.most or 0)


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` draws (Wilson 1927)."""
    square = _Z**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return middle - half, middle + half
