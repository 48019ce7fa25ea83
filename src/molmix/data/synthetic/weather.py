"""The embedded world outside chemistry: weather records, and reports that state them.

A record is a line of ``topic=value``. A report states most of it, each topic in one of two wordings. Two values of a
topic exclude each other, and topics are independent. So equality decides entailment and contradiction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from random import Random

import pandas as pd

from molmix.core.errors import counted, fault
from molmix.data.synthetic.nli import SPLITS, split_of

Record = Mapping[str, str]

# topic -> value -> its wordings
WORDINGS: dict[str, dict[str, tuple[str, str]]] = {
    "sky": {
        value: (f"the sky is {value}", f"there is {article} {value} sky")
        for value, article in (("clear", "a"), ("hazy", "a"), ("cloudy", "a"), ("overcast", "an"), ("stormy", "a"))
    },
    "wind": {
        value: (f"the wind comes from the {value}", f"the {value} wind blows")
        for value in ("north", "south", "east", "west")
    },
    "force": {
        value: (f"the gusts are {value}", f"there are {value} gusts")
        for value in ("faint", "gentle", "fresh", "strong", "violent")
    },
    "air": {
        value: (f"the air is {value}", f"the day has {value} air")
        for value in ("freezing", "cold", "mild", "warm", "hot")
    },
    "rain": {
        value: (f"the ground gets {value}", f"there will be {value}")
        for value in ("drizzle", "showers", "snow", "sleet", "hail")
    },
    "sea": {
        value: (f"the sea is {value}", f"the waves make the sea {value}") for value in ("smooth", "choppy", "rough")
    },
}
SHARES = {"ood": 0.08, "id": 0.08, "validation": 0.015}  # the rest is train
LEAST = 4  # topics in a report


def world_table(records: int, seed: int) -> pd.DataFrame:
    """One row per record, with the columns of :func:`molmix.data.synthetic.corpus.corpus`; facts and truth are null.

    ``scaffold`` is the pair of sky and wind: pairs of ``ood`` are in no other split.

    Raises:
        MolmixError: there are fewer records.
    """
    every = [dict(zip(WORDINGS, values, strict=True)) for values in product(*WORDINGS.values())]
    if records > len(every):
        raise fault(
            "world.molecules", f"{records} asked for, and there are {counted(len(every), 'record')}", "ask for fewer"
        )
    rng = Random(f"weather {seed}")
    drawn = rng.sample(every, records)
    pairs = [" ".join(pair) for pair in product(WORDINGS["sky"], WORDINGS["wind"])]
    held_out = set(rng.sample(pairs, max(1, round(SHARES["ood"] * len(pairs)))))
    rows = []
    for number, record in enumerate(drawn):
        scaffold = f"{record['sky']} {record['wind']}"
        draw = rng.random()
        split = "id" if draw < SHARES["id"] else "validation" if draw < SHARES["id"] + SHARES["validation"] else "train"
        split = "ood" if scaffold in held_out else split
        line = "; ".join(f"{topic}={value}" for topic, value in record.items())
        rows.append((f"r{number:05d}", line, report(record, rng), None, None, scaffold, split))
    return pd.DataFrame(rows, columns=["id", "molecule", "caption", "facts", "truth", "scaffold", "split"])


def report(record: Record, rng: Random) -> str:
    """Sentences of one or two statements, about most or all topics of a record."""
    indices = sorted(rng.sample(range(len(record)), min(len(record), rng.randint(LEAST, len(WORDINGS)))))
    topics = [list(record)[index] for index in indices]
    said = [_said(topic, record[topic], rng) for topic in topics]
    sentences = []
    while said:
        number = rng.choice((1, 2))
        sentences.append(" and ".join(said[:number]))
        said = said[number:]
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def nli_pairs(n: int, seed: int, split: str) -> pd.DataFrame:
    """``n`` labelled pairs of texts; columns and splits as :func:`molmix.data.synthetic.nli.nli_pairs`."""
    if split not in SPLITS:
        raise fault("split", f"there is no NLI split {split!r}", f"choose one of {', '.join(SPLITS)}")
    rng = Random(f"weather nli {split} {seed}")
    rows: list[tuple[str, str, str, str]] = []
    while len(rows) < n:
        # Pairs of single statements are the most frequent kind: they are the cells of a cross matrix.
        (kind,) = rng.choices(list(KINDS), (6, 3, 1))
        premise, hypothesis, label = KINDS[kind](rng)
        if split_of(premise, hypothesis) == split:
            rows.append((premise, hypothesis, label, kind))
    return pd.DataFrame(rows, columns=["premise", "hypothesis", "label", "kind"])


def _said(topic: str, value: str, rng: Random) -> str:
    return rng.choice(WORDINGS[topic][value])


def _atom(topic: str, value: str, rng: Random) -> str:
    text = _said(topic, value, rng)
    return f"{text[0].upper()}{text[1:]}."


def _record(rng: Random) -> dict[str, str]:
    return {topic: rng.choice(list(values)) for topic, values in WORDINGS.items()}


def _other(topic: str, value: str, rng: Random) -> str:
    return rng.choice([other for other in WORDINGS[topic] if other != value])


def _two_statements(rng: Random) -> tuple[str, str, str]:
    """Two statements on one topic, or on two."""
    record = _record(rng)
    one, another = rng.sample(list(record), 2)
    premise = _atom(one, record[one], rng)
    draw = rng.random()
    if draw < 0.35:
        return premise, _atom(one, record[one], rng), "entailment"
    if draw < 0.65:
        return premise, _atom(one, _other(one, record[one], rng), rng), "contradiction"
    return premise, _atom(another, record[another], rng), "neutral"


def _within(rng: Random) -> tuple[str, str, str]:
    """A report of some topics, and a statement on one of them or on another topic."""
    record = _record(rng)
    topic = rng.choice(list(record))
    others = [other for other in record if other != topic]
    held = rng.random() < 0.65
    kept = {*rng.sample(others, rng.randint(1, len(others))), *([topic] if held else [])}
    told = report({name: value for name, value in record.items() if name in kept}, rng)
    statement = _atom(topic, record[topic], rng)
    stated = any(wording in told.lower() for wording in WORDINGS[topic][record[topic]])
    if not stated:
        return told, statement, "neutral"
    if rng.random() < 0.5:
        return told, statement, "entailment"
    return told, _atom(topic, _other(topic, record[topic], rng), rng), "contradiction"


def _broken(rng: Random) -> tuple[str, str, str]:
    """A statement that ends before its value: it says nothing."""
    record = _record(rng)
    topic, other = rng.choices(list(record), k=2)
    words = WORDINGS[topic][record[topic]][0].split()
    cut = " ".join(words[: rng.randint(1, len(words) - 1)])
    return _atom(other, record[other], rng), f"{cut[0].upper()}{cut[1:]}.", "neutral"


KINDS: dict[str, Callable[[Random], tuple[str, str, str]]] = {
    "alone": _two_statements,
    "within": _within,
    "broken": _broken,
}
