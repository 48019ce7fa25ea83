"""Build the corpus: read, clean and split the sources. Every dropped row is counted, with the reason.

This module writes these tables:

* ``train``, ``validation``: one row per caption, columns of `CORPUS`; ``subset``: the same, columns of `SUBSET`.
* ``corpora/<name>/``: the same three tables of a further corpus (`data.corpora`).
* ``tests/<name>``: one row per molecule with all its reference captions, columns of `TEST`.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from molmix.core.errors import fault
from molmix.core.files import digest, read_table, write_json, write_table
from molmix.data.properties import read_properties
from molmix.data.settings import Data, DemoSource, HeldOutSource, Source
from molmix.data.smiles import LEVELS, HeldOut, canonical, compute_ahead, join_key, scaffold
from molmix.data.sources import read_rows

Row = dict[str, Any]

_FACTS = [
    ("properties", pa.list_(pa.string())),
    ("facts", pa.list_(pa.string())),
    ("truth", pa.list_(pa.string())),
]
CORPUS = pa.schema([("id", pa.string()), ("molecule", pa.string()), ("caption", pa.string()), *_FACTS])
# `smiles` is the molecule as its source writes it. `rows` and `ids` are the numbers and ids of the source's rows that a
# test row was made from. Captions of external systems for the same source are joined by them.
TEST = pa.schema(
    [
        ("id", pa.string()),
        ("molecule", pa.string()),
        ("smiles", pa.string()),
        ("references", pa.list_(pa.string())),
        ("rows", pa.list_(pa.int32())),
        ("ids", pa.list_(pa.string())),
        *_FACTS,
    ]
)
# `share` is the smallest of the study's shares of the training molecules that contains the row's molecule.
SUBSET = CORPUS.append(pa.field("share", pa.float64()))
SHARE_HELD_OUT = 0.05  # of the subset, if no validation source is given


def build_corpus(
    *,
    data: dict[str, Any],
    domain: str,
    seed: int,
    world: Path | None,
    tests: dict[str, Path],
    corpora: dict[str, Path],
    manifest: Path,
    properties: Path | None = None,
    shares: Sequence[float] = (),
    processes: int = 1,
) -> None:
    """Write every table of the corpus.

    Molecules of a test set are removed from training and validation, and molecules of validation from training. A
    molecule is removed if it equals a held-out one at the level of ``data.leakage`` or at a narrower level
    (:data:`molmix.data.smiles.LEVELS`; under ``domain: text``, if the texts are equal). The manifest counts the rows
    of every level, removed or kept.

    Args:
        data: the config's `data` section, dumped.
        domain: `molecules` or `text`.
        seed: of the subset and of the draws.
        world: table of the embedded world; None if no source is of kind `demo`.
        tests, manifest: files to write.
        corpora: by corpus (the study's own is ""), the folder for its ``train.parquet``, ``subset.parquet`` and
            ``validation.parquet``; empty if there is no training split.
        properties: file of molecules' properties in the format of L+M-24, for test rows that have none.
        shares: shares of the training molecules that alignments use besides `data.subset.fraction`. The subset has the
            largest share. Each share is a part of the next larger one.
        processes: for the molecules of large sources. The tables do not depend on their number.

    Raises:
        MolmixError: a source is refused (:func:`molmix.data.sources.read_rows`), or has fewer rows than requested.
    """
    spec = TypeAdapter(Data).validate_python(data)
    draw = np.random.default_rng(seed)
    counts: dict[str, Any] = {}

    held = HeldOut(domain, processes)
    sources = [spec.validation, *(test.source for test in spec.tests.values())]
    drawn: list[Any] = [spec.subset, *(source for source in sources if isinstance(source, HeldOutSource))]
    by_scaffold = any(part.strategy == "scaffold" for part in drawn)
    whole: list[Row] = []  # the training split with everything that is held out of it, read once

    def read(name: str, source: Source | HeldOutSource) -> list[Row]:
        counts.setdefault(name, {})
        if isinstance(source, HeldOutSource):
            assert spec.train is not None
            counts[name] |= {"strategy": source.strategy, "fraction": source.fraction}
            return _held_out(read("train", spec.train), source, held, spec.leakage, draw, f"data.{name}", counts[name])
        if name == "train" and whole:
            return whole
        rows = _read_source(source, world, name)
        if domain == "molecules":
            texts = (row["molecule"] for row in rows if "molecule" in row)
            # A training split is compared with what is held out by now, if nothing is drawn from it to be held out.
            compared = len(drawn) == 1 and name.partition(".")[0] in ("train", "corpora")
            sizes = held.sizes if compared else None
            compute_ahead(texts, processes, scaffolds=by_scaffold, sizes=sizes)
        rows = _clean(rows, domain, spec.unparsable, name, counts[name])
        if name == "train":
            whole.extend(rows)
        return rows

    for name, test in spec.tests.items():
        own = f"tests.{name}"
        rows = _group(_long_enough(read(own, test.source), test.min_words, counts[own]))
        if test.rows is not None:
            if test.rows > len(rows):
                raise fault(f"data.{own}.rows", f"{test.rows} asked for, {len(rows)} there", "ask for fewer")
            rows = [rows[index] for index in sorted(draw.choice(len(rows), test.rows, replace=False))]
        if not rows:
            raise fault(f"data.{own}", f"has no rows left: {counts[own]}", "give it more rows")
        counts[own]["molecules"] = len(rows)
        held.add((row["molecule"] for row in rows if row["molecule"]), own)
        if properties is not None:
            _look_up(rows, properties, counts[own])
        write_table(tests[name], rows, TEST)

    for name, folder in corpora.items():
        shares_of = sorted({spec.subset.fraction, *shares})
        _build_splits(spec, name, shares_of, read, deepcopy(held), draw, counts, folder)
    facts = {"domain": domain, "seed": seed, "leakage": spec.leakage, "counts": counts}
    write_json(manifest, facts, checksum=True)


def read_molecules(split: Path) -> list[Row]:
    """Molecules of a split (columns of :data:`CORPUS`), each with all its captions (columns of :data:`TEST`)."""
    rows = read_table(split).to_pylist()
    return _group(
        [{**row, "smiles": row["molecule"], "rows": [number], "ids": [row["id"]]} for number, row in enumerate(rows, 1)]
    )


def draw_rows(rows: Sequence[Row], number: int | None, seed: int) -> list[Row]:
    """Some rows, drawn with a seed, in their order; all if `number` is None or not smaller than their number."""
    chosen = (
        range(len(rows)) if number is None else random.Random(seed).sample(range(len(rows)), min(number, len(rows)))
    )
    return [rows[index] for index in sorted(chosen)]


def count_keys(corpus: str) -> tuple[str, str, str]:
    """Keys of a corpus (the study's own is "") in the manifest's counts: of training split, subset and validation."""
    train = f"corpora.{corpus}" if corpus else "train"
    return (train, f"{train}.subset", f"{train}.validation") if corpus else (train, "subset", "validation")


def _look_up(rows: list[Row], path: Path, counts: dict[str, Any]) -> None:
    """Fill in properties from a file for rows that have none. Count the molecules that the file lacks."""
    bare = [row for row in rows if row.get("properties") is None]
    found = read_properties(path, {row["molecule"] for row in bare})
    for row in bare:
        row["properties"] = sorted(found[row["molecule"]]) if row["molecule"] in found else None
    counts["without_properties"] = sum(row["properties"] is None for row in bare)


def _build_splits(
    spec: Data,
    name: str,
    shares: list[float],
    read: Callable[[str, Source | HeldOutSource], list[Row]],
    held: HeldOut,
    draw: np.random.Generator,
    counts: dict[str, Any],
    folder: Path,
) -> None:
    """Write the training split of a corpus, its subset and validation, without the molecules of test sets."""
    valid: list[Row] = []
    source, validation = (spec.corpora[name], None) if name else (spec.train, spec.validation)
    train, subset, held_out = count_keys(name)
    if validation is not None:
        valid = _remove_leaks(read("validation", validation), held, spec.leakage, counts["validation"])
        held.add((row["molecule"] for row in valid), "validation")
    assert source is not None
    corpus = _remove_leaks(read(train, source), held, spec.leakage, counts[train])
    if not corpus:
        raise fault(f"data.{train}", f"has no rows left: {counts[train]}", "give it rows that no test set holds")

    drawn = counts[subset] = {"strategy": spec.subset.strategy, "fraction": spec.subset.fraction}
    widest = _subset(corpus, shares, spec.subset.strategy, draw, drawn)
    if validation is None:
        valid = _hold_out([row for row in widest if row["share"] <= spec.subset.fraction], draw)
        counts[held_out] = {"held_out_of_subset": len(valid)}
        held = HeldOut(held.domain, held.processes)
        held.add((row["molecule"] for row in valid), "validation")
        corpus = _remove_leaks(corpus, held, spec.leakage, counts[train])
        left = {row["molecule"] for row in corpus}
        widest = [row for row in widest if row["molecule"] in left]
    part = [row for row in widest if row["share"] <= spec.subset.fraction]
    if len(shares) > 1:
        drawn["rows_by_share"] = {str(share): sum(row["share"] <= share for row in widest) for share in shares}
    for key, rows in ((train, corpus), (subset, part), (held_out, valid)):
        counts[key] |= {"rows": len(rows), "molecules": len({row["molecule"] for row in rows})}
        counts[key]["digest"] = digest([[row["molecule"], row["caption"]] for row in rows])
    write_table(folder / "train.parquet", corpus, CORPUS)
    write_table(folder / "subset.parquet", widest, SUBSET)
    write_table(folder / "validation.parquet", valid, CORPUS)


def _read_source(source: Source, world: Path | None, name: str) -> list[Row]:
    """Rows of a source, each with an id. Its number (from 1) and id are also in lists, which get those of repeats."""
    if isinstance(source, DemoSource):
        assert world is not None
        table = read_table(world)
        rows = [row for row in table.to_pylist() if row.pop("split") == source.split]
        return [
            {**row, "properties": row["truth"], "rows": [number], "ids": [row["id"]]}
            for number, row in enumerate(rows, start=1)
        ]
    rows = list(read_rows(source))
    for number, row in enumerate(rows, start=1):
        row["id"] = str(row.get("id", f"{name.rpartition('.')[2]}-{number}"))
        row["rows"], row["ids"] = [number], [row["id"]]
    return rows


def _clean(rows: list[Row], domain: str, unparsable: str, name: str, counts: dict[str, Any]) -> list[Row]:
    """Canonicalise molecules, put captions on one line, drop repeated rows, and count every change."""
    tally: Counter[str] = Counter()
    clean: list[Row] = []
    seen: dict[tuple[str, str], Row] = {}
    for row in rows:
        caption = " ".join(row["caption"].split())
        tally["whitespace_normalised"] += caption != row["caption"]
        if "molecule" not in row:  # references without molecules: rows are never joined
            clean.append({**row, "molecule": "", "caption": caption})
            continue
        if domain == "molecules" and canonical(row["molecule"]) is None:
            tally[f"unparsable_{'dropped' if unparsable == 'drop' else 'kept'}"] += 1
            if unparsable == "drop":
                continue
        molecule = join_key(row["molecule"], domain)
        if first := seen.get((molecule, caption)):
            tally["repeated_dropped"] += 1
            first |= {key: first[key] + row[key] for key in ("rows", "ids")}
            first["properties"] = _union([first, row], "properties")
            continue
        seen[molecule, caption] = row | {"molecule": molecule, "smiles": row["molecule"].strip(), "caption": caption}
        clean.append(seen[molecule, caption])
    counts |= {"read": len(rows), **{key: number for key, number in sorted(tally.items()) if number}}
    if rows and not clean:
        raise fault(f"data.{name}", f"none of {len(rows)} rows could be used", f"first: {rows[0]['molecule']!r}")
    return clean


def _long_enough(rows: list[Row], words: int, counts: dict[str, Any]) -> list[Row]:
    """Rows whose caption has at least ``words`` words; the others are counted."""
    kept = [row for row in rows if len(row["caption"].split()) >= words]
    if len(kept) < len(rows):
        counts["shorter_dropped"] = len(rows) - len(kept)
    return kept


def _group(rows: list[Row]) -> list[Row]:
    """One row per molecule, with all its reference captions. Properties and facts of its rows are joined."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["molecule"] or row["id"]].append(row)
    return [
        {
            **group[0],
            "references": [row["caption"] for row in group],
            "rows": sorted(number for row in group for number in row["rows"]),
            "ids": [name for row in group for name in row["ids"]],
            "properties": _union(group, "properties"),
            "facts": sorted({fact for row in group for fact in row["facts"]}) if group[0].get("facts") else None,
        }
        for group in groups.values()
    ]


def _union(rows: Iterable[Row], key: str) -> list[str] | None:
    """Items of the rows' lists, each once, in the order of the rows; None if no row has a list."""
    lists = [row[key] for row in rows if row.get(key) is not None]
    return list(dict.fromkeys(item for items in lists for item in items)) if lists else None


def _remove_leaks(rows: list[Row], held: HeldOut, level: str, counts: dict[str, Any]) -> list[Row]:
    """Rows whose molecule equals no held-out one at this level or a narrower one. Leaks of every level are counted.

    ``counts["leakage"]`` gets the number of leaked rows by held-out set and level, ``counts["removed_in_<set>"]`` the
    number of removed rows.
    """
    found = held.find_all(row["molecule"] for row in rows)
    leaks = Counter(leak for row in rows if (leak := found[row["molecule"]]))
    refused = LEVELS[: LEVELS.index(level) + 1]
    for name in sorted({name for _, name in leaks}):
        by_level = {step: leaks[(step, name)] for step in LEVELS}
        counts.setdefault("leakage", {})[name] = by_level
        if removed := sum(by_level[step] for step in refused):
            counts[f"removed_in_{name}"] = removed
    return [row for row in rows if (leak := found[row["molecule"]]) is None or leak[0] not in refused]


def _subset(
    rows: list[Row], shares: list[float], strategy: str, draw: np.random.Generator, counts: dict[str, Any]
) -> list[Row]:
    """Rows of the largest share of the molecules (at least one), in the order of the corpus.

    A share holds the first molecules of one random order. Each row gets the smallest share that holds its molecule.
    Molecules of the corpus that are too large for a scaffold are counted.
    """
    molecules = list(dict.fromkeys(row["molecule"] for row in rows))
    if strategy == "random":
        order = _permuted(molecules, draw)
    elif strategy == "scaffold":
        order = [molecule for group in _by_scaffold(molecules, draw, counts) for molecule in group]
    else:
        order = _by_property(rows, molecules, draw, "data.subset.strategy")
    smallest: dict[str, float] = {}
    for share in shares:
        for molecule in order[: max(1, round(share * len(order)))]:
            smallest.setdefault(molecule, share)
    return [{**row, "share": smallest[row["molecule"]]} for row in rows if row["molecule"] in smallest]


def _permuted(items: Sequence[str], draw: np.random.Generator) -> list[str]:
    """The items in random order.

    Indices are permuted instead of the items: NumPy would pad all strings to the length of the longest, and remove NULs
    at their ends.
    """
    return [items[index] for index in draw.permutation(len(items))]


def _by_scaffold(molecules: list[str], draw: np.random.Generator, counts: dict[str, Any]) -> list[list[str]]:
    """Molecules by Bemis-Murcko scaffold, scaffolds in random order. The end of a share can split its last scaffold."""
    groups: dict[str, list[str]] = defaultdict(list)
    too_large = 0
    for smiles in molecules:
        framework = scaffold(smiles)
        too_large += framework is None and canonical(smiles) is not None
        # A molecule that RDKit cannot read (`unparsable: keep`) is its own scaffold, like a large one.
        groups[smiles if framework is None else framework].append(smiles)
    if too_large:
        counts["too_large_for_a_scaffold"] = too_large
    return [groups[scaffold] for scaffold in _permuted(sorted(groups), draw)]


def _by_property(rows: list[Row], molecules: list[str], draw: np.random.Generator, key: str) -> list[str]:
    """Molecules in an order in which the first m, for every m, keep the proportions of the strata as well as possible.

    A molecule's stratum is its rarest property. The order of strata follows the Webster/Sainte-Laguë method: the next
    stratum is the one with the smallest (k + 1/2) / n, where k of its n molecules are already taken.
    """
    by_molecule: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_molecule[row["molecule"]].append(row)
    properties = {molecule: _union(group, "properties") for molecule, group in by_molecule.items()}
    if all(value is None for value in properties.values()):
        raise fault(key, "'stratified', and no row has properties", "map `columns.properties`")
    often = Counter(name for names in properties.values() for name in names or ())
    strata: dict[str, list[str]] = defaultdict(list)
    for molecule in molecules:
        strata[min(properties[molecule] or [""], key=lambda name: (often[name], name))].append(molecule)
    turns = [
        ((taken + 0.5) / len(members), name, molecule)
        for name, members in sorted(strata.items())
        for taken, molecule in enumerate(_permuted(members, draw))
    ]
    return [molecule for _, _, molecule in sorted(turns)]


def _held_out(
    rows: list[Row],
    source: HeldOutSource,
    held: HeldOut,
    leakage: str,
    draw: np.random.Generator,
    key: str,
    counts: dict[str, Any],
) -> list[Row]:
    """Rows of a share of all molecules, drawn from those that no set before holds, in the order of the training split.

    `scaffold` takes scaffolds in random order, and leaves out those that are too large for the rest of the share.
    """
    number = max(1, round(source.fraction * len({row["molecule"] for row in rows})))
    free = _remove_leaks(rows, held, leakage, counts)
    molecules = list(dict.fromkeys(row["molecule"] for row in free))
    if source.strategy == "random":
        groups = [[molecule] for molecule in _permuted(molecules, draw)]
    elif source.strategy == "scaffold":
        groups = _by_scaffold(molecules, draw, counts)
    else:
        groups = [[molecule] for molecule in _by_property(free, molecules, draw, key)]
    chosen: set[str] = set()
    for group in groups:
        if len(chosen) + len(group) <= number:
            chosen.update(group)
    if not chosen:
        what = f"no scaffold of {len(molecules)} molecules is as small as {number} molecules"
        raise fault(key, what, "hold out a larger share, or draw at random")
    return [row for row in free if row["molecule"] in chosen]


def _hold_out(rows: list[Row], draw: np.random.Generator) -> list[Row]:
    """Rows of a random share of the molecules, for validation; none if the share is less than one molecule."""
    molecules = list(dict.fromkeys(row["molecule"] for row in rows))
    chosen = set(_permuted(molecules, draw)[: int(SHARE_HELD_OUT * len(molecules))])
    return [row for row in rows if row["molecule"] in chosen]
