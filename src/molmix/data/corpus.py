"""The corpus: sources read, cleaned and split; every row that is left out is counted, with the reason.

Tables made here:

* ``train``, ``validation``: one row a caption, columns of `CORPUS`; ``subset``: the same, columns of `SUBSET`.
* ``corpora/<name>/``: the same three of a further corpus (`data.corpora`).
* ``tests/<name>``: one row a molecule with all its reference captions, columns of `TEST`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from molmix.core.errors import fault
from molmix.core.files import digest, read_table, write_json, write_table
from molmix.data.properties import read_properties
from molmix.data.settings import Data, DemoSource, FileSource, HubSource
from molmix.data.smiles import canonical, normal
from molmix.data.tables import read

Row = dict[str, Any]

_FACTS = [
    ("properties", pa.list_(pa.string())),
    ("facts", pa.list_(pa.string())),
    ("truth", pa.list_(pa.string())),
]
CORPUS = pa.schema([("id", pa.string()), ("molecule", pa.string()), ("caption", pa.string()), *_FACTS])
# `rows` and `ids` are those of the source's rows that a test row was made from: captions that a system wrote for the
# same source are joined by them.
TEST = pa.schema(
    [
        ("id", pa.string()),
        ("molecule", pa.string()),
        ("references", pa.list_(pa.string())),
        ("rows", pa.list_(pa.int32())),
        ("ids", pa.list_(pa.string())),
        *_FACTS,
    ]
)
# `share` is the least of the study's shares of the training molecules that holds the row's molecule.
SUBSET = CORPUS.append(pa.field("share", pa.float64()))
SHARE_HELD_OUT = 0.05  # of the subset, where no validation source is given


def build(
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
) -> None:
    """Make every table of the corpus.

    Molecules of a test set are taken out of training and validation, and molecules of validation out of training,
    by canonical SMILES (by the text itself under ``domain: text``).

    Args:
        data: the config's `data` section, dumped.
        domain: `molecules` or `text`.
        seed: of the subset and of the draws.
        world: table of the embedded world; None where no source is of kind `demo`.
        tests, manifest: files to write.
        corpora: by corpus (the study's own is called ""), the folder to write its ``train.parquet``,
            ``subset.parquet`` and ``validation.parquet`` into; none where there is no training split.
        properties: file of molecules' properties as L+M-24 publishes it, for test rows that bring none.
        shares: of the training molecules that alignments see beside `data.subset.fraction`; the subset is as large as
            the largest, and holds each inside the next.

    Raises:
        MolmixError: a source is refused (see :mod:`molmix.data.tables`), or fewer rows are there than asked for.
    """
    spec = TypeAdapter(Data).validate_python(data)
    draw = np.random.default_rng(seed)
    counts: dict[str, Any] = {}

    def take(name: str, source: DemoSource | FileSource | HubSource) -> list[Row]:
        counts[name] = {}
        return _clean(_read(source, world, name), domain, spec.unparsable, name, counts[name])

    held: dict[str, str] = {}
    for name, test in spec.tests.items():
        rows = _group(_long(take(f"tests.{name}", test.source), test.min_words, counts[f"tests.{name}"]))
        if test.rows is not None:
            if test.rows > len(rows):
                raise fault(f"data.tests.{name}.rows", f"{test.rows} asked for, {len(rows)} there", "ask for fewer")
            rows = [rows[place] for place in sorted(draw.choice(len(rows), test.rows, replace=False))]
        if not rows:
            raise fault(f"data.tests.{name}", f"has no rows left: {counts[f'tests.{name}']}", "give it more rows")
        counts[f"tests.{name}"]["molecules"] = len(rows)
        held |= {row["molecule"]: f"tests.{name}" for row in rows if row["molecule"]}
        if properties is not None:
            _look_up(rows, properties, counts[f"tests.{name}"])
        write_table(tests[name], rows, TEST)

    for name, folder in corpora.items():
        _build_splits(spec, name, sorted({spec.subset.fraction, *shares}), take, dict(held), draw, counts, folder)
    write_json(manifest, {"domain": domain, "seed": seed, "counts": counts}, checksum=True)


def counted(corpus: str) -> tuple[str, str, str]:
    """What the manifest calls the training split of a corpus (the study's own is ""), its subset and validation."""
    train = f"corpora.{corpus}" if corpus else "train"
    return (train, f"{train}.subset", f"{train}.validation") if corpus else (train, "subset", "validation")


def _look_up(rows: list[Row], path: Path, counts: dict[str, Any]) -> None:
    """Fill in properties from a file where rows have none; molecules that it lacks are counted."""
    bare = [row for row in rows if row.get("properties") is None]
    found = read_properties(path, {row["molecule"] for row in bare})
    for row in bare:
        row["properties"] = sorted(found[row["molecule"]]) if row["molecule"] in found else None
    counts["without_properties"] = sum(row["properties"] is None for row in bare)


def _build_splits(
    spec: Data,
    name: str,
    shares: list[float],
    take: Callable[[str, Any], list[Row]],
    held: dict[str, str],
    draw: np.random.Generator,
    counts: dict[str, Any],
    folder: Path,
) -> None:
    """Training split of a corpus, its subset and validation, without the molecules that test sets hold."""
    valid = []
    source, validation = (spec.corpora[name], None) if name else (spec.train, spec.validation)
    train, subset, held_out = counted(name)
    if validation is not None:
        valid = _without(take("validation", validation), held, counts["validation"])
        held |= {row["molecule"]: "validation" for row in valid}
    corpus = _without(take(train, source), held, counts[train])
    if not corpus:
        raise fault(f"data.{train}", f"has no rows left: {counts[train]}", "give it rows that no test set holds")

    widest = _subset(corpus, shares, spec.subset.strategy, draw)
    if validation is None:
        valid = _hold_out([row for row in widest if row["share"] <= spec.subset.fraction], draw)
        counts[held_out] = {"held_out_of_subset": len(valid)}
        outside = {row["molecule"] for row in valid}
        corpus, widest = ([row for row in rows if row["molecule"] not in outside] for rows in (corpus, widest))
    part = [row for row in widest if row["share"] <= spec.subset.fraction]
    drawn = counts[subset] = {"strategy": spec.subset.strategy, "fraction": spec.subset.fraction}
    if len(shares) > 1:
        drawn["rows_by_share"] = {str(share): sum(row["share"] <= share for row in widest) for share in shares}
    for key, rows in ((train, corpus), (subset, part), (held_out, valid)):
        counts[key] |= {"rows": len(rows), "molecules": len({row["molecule"] for row in rows})}
        counts[key]["digest"] = digest([[row["molecule"], row["caption"]] for row in rows])
    write_table(folder / "train.parquet", corpus, CORPUS)
    write_table(folder / "subset.parquet", widest, SUBSET)
    write_table(folder / "validation.parquet", valid, CORPUS)


def _read(source: DemoSource | FileSource | HubSource, world: Path | None, name: str) -> list[Row]:
    if isinstance(source, DemoSource):
        assert world is not None
        table = read_table(world)
        rows = [row for row in table.to_pylist() if row.pop("split") == source.split]
        return [
            {**row, "properties": row["truth"], "rows": [number], "ids": [row["id"]]}
            for number, row in enumerate(rows, start=1)
        ]
    rows = list(read(source))
    for number, row in enumerate(rows, start=1):
        row["id"] = str(row.get("id", f"{name.rpartition('.')[2]}-{number}"))
        row["rows"], row["ids"] = [number], [row["id"]]
    return rows


def _clean(rows: list[Row], domain: str, unparsable: str, name: str, counts: dict[str, Any]) -> list[Row]:
    """Canonical molecules, captions on one line, repeated rows dropped; what was done is counted."""
    tally: Counter[str] = Counter()
    clean: list[Row] = []
    seen: dict[tuple[str, str], Row] = {}
    for row in rows:
        caption = " ".join(row["caption"].split())
        tally["whitespace_normalised"] += caption != row["caption"]
        if "molecule" not in row:  # references without molecules: every row stands for itself
            clean.append({**row, "molecule": "", "caption": caption})
            continue
        molecule = normal(row["molecule"], domain)
        if molecule is None:
            tally[f"unparsable_{'dropped' if unparsable == 'drop' else 'kept'}"] += 1
            if unparsable == "drop":
                continue
            molecule = row["molecule"].strip()
        first = seen.get((molecule, caption))
        if first:
            tally["repeated_dropped"] += 1
            first["rows"], first["ids"] = first["rows"] + row["rows"], first["ids"] + row["ids"]
            continue
        seen[molecule, caption] = {**row, "molecule": molecule, "caption": caption}
        clean.append(seen[molecule, caption])
    counts |= {"read": len(rows), **{key: number for key, number in sorted(tally.items()) if number}}
    if rows and not clean:
        raise fault(f"data.{name}", f"none of {len(rows)} rows could be used", f"first: {rows[0]['molecule']!r}")
    return clean


def _long(rows: list[Row], words: int, counts: dict[str, Any]) -> list[Row]:
    """Rows whose caption has so many words; the others are counted."""
    kept = [row for row in rows if len(row["caption"].split()) >= words]
    if len(kept) < len(rows):
        counts["shorter_dropped"] = len(rows) - len(kept)
    return kept


def _group(rows: list[Row]) -> list[Row]:
    """One row a molecule, with every reference caption; facts of its captions are joined."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["molecule"] or row["id"]].append(row)
    return [
        {
            **group[0],
            "references": [row["caption"] for row in group],
            "rows": sorted(number for row in group for number in row["rows"]),
            "ids": [name for row in group for name in row["ids"]],
            "facts": sorted({fact for row in group for fact in row["facts"]}) if group[0].get("facts") else None,
        }
        for group in groups.values()
    ]


def _without(rows: list[Row], held: dict[str, str], counts: dict[str, Any]) -> list[Row]:
    """Rows whose molecule is not held out; the others are counted by the set that holds them."""
    removed = Counter(held[row["molecule"]] for row in rows if row["molecule"] in held)
    counts |= {f"removed_in_{name}": number for name, number in sorted(removed.items())}
    return [row for row in rows if row["molecule"] not in held]


def _subset(rows: list[Row], shares: list[float], strategy: str, draw: np.random.Generator) -> list[Row]:
    """The largest of the shares of the molecules (at least one), in the order of the corpus.

    Each row bears the least share that holds its molecule: a share is the first so many of one order of the molecules.
    """
    molecules = list(dict.fromkeys(row["molecule"] for row in rows))
    if strategy == "random":
        order = list(draw.permutation(molecules))
    elif strategy == "scaffold":
        order = _by_scaffold(molecules, draw)
    else:
        order = _by_property(rows, molecules, draw)
    least: dict[str, float] = {}
    for share in shares:
        for molecule in order[: max(1, round(share * len(order)))]:
            least.setdefault(molecule, share)
    return [{**row, "share": least[row["molecule"]]} for row in rows if row["molecule"] in least]


def _by_scaffold(molecules: list[str], draw: np.random.Generator) -> list[str]:
    """Whole Bemis–Murcko scaffolds in random order; where a share ends, the last one is cut."""
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    groups: dict[str, list[str]] = defaultdict(list)
    for smiles in molecules:
        # A molecule kept although RDKit cannot read it is its own scaffold.
        groups[MurckoScaffoldSmiles(smiles) if canonical(smiles) else smiles].append(smiles)
    return [smiles for scaffold in draw.permutation(sorted(groups)) for smiles in groups[scaffold]]


def _by_property(rows: list[Row], molecules: list[str], draw: np.random.Generator) -> list[str]:
    """An order whose every beginning holds the same share of every stratum, as nearly as whole molecules allow.

    A molecule's stratum is the rarest of its properties. Strata take turns by the rule of Webster and Sainte-Laguë:
    the next place goes to the one of whose members the least share, half of the coming one counted, is placed.
    """
    properties = {row["molecule"]: row.get("properties") for row in rows}
    if all(value is None for value in properties.values()):
        raise fault("data.subset.strategy", "'stratified', and no row has properties", "map `columns.properties`")
    often = Counter(name for names in properties.values() for name in names or ())
    strata: dict[str, list[str]] = defaultdict(list)
    for molecule in molecules:
        strata[min(properties[molecule] or [""], key=lambda name: (often[name], name))].append(molecule)
    turns = [
        ((place + 0.5) / len(members), name, molecule)
        for name, members in sorted(strata.items())
        for place, molecule in enumerate(draw.permutation(members))
    ]
    return [molecule for _, _, molecule in sorted(turns)]


def _hold_out(rows: list[Row], draw: np.random.Generator) -> list[Row]:
    """Validation molecules split off; none where there are too few rows to spare one."""
    molecules = list(dict.fromkeys(row["molecule"] for row in rows))
    chosen = set(draw.permutation(molecules)[: int(SHARE_HELD_OUT * len(molecules))])
    return [row for row in rows if row["molecule"] in chosen]
