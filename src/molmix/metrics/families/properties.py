"""L+M-24's property scores (Edwards et al. 2024): which properties a caption states, against those it was to state.

The definition is that of the shared task's final evaluation, ``scorer_props.py`` of
https://github.com/language-plus-molecules/LPM-24-Dataset (December 2024; it follows the revision of May 2024):

- a caption states a property where the tokens of its lower-cased name stand in it side by side: every property
  that does, so "protein kinase inhibitor" states "kinase inhibitor" too, and ``bitter`` and ``Bitter`` of the
  taxonomy are two properties that are always stated together;
- precision, recall and F1 are those of a property over all captions, left out where they are 0/0;
- a group's figure is the plain mean over its properties and its own groups, whatever their size; a group without
  any figure counts as 1 (before the revision: as 0, which makes older numbers not comparable).

So a system's figure is no mean over captions, but a function of sums over captions: each caption keeps the names of
what it stated and was to state, and :func:`pooled_properties` makes sums of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.core.errors import fault
from molmix.metrics import Answers, Metric, Options

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from scipy.sparse import csr_array

    from molmix.metrics.tokenize import Tokenizer

DIRECTION, POSITION = "mol2cap", 40
SEPARATOR = "__"  # of the published keys, as in `Biomedical__inhibitors__kinase inhibitor`
STATED, DUE = "properties_stated", "properties_due"
_END = ""  # where a name ends in the trie; no token is empty


def metrics(options: Options) -> tuple[Metric, ...]:
    """How its columns are shown: all properties, then the categories of the taxonomy; none without one."""
    if options.taxonomy is None:
        return ()
    columns = _f1_columns(read_taxonomy(Path(options.taxonomy)))
    return (
        Metric("property_precision", "higher", "property precision"),
        Metric("property_recall", "higher", "property recall"),
        *(
            Metric(column, "higher", f"property F1 {group.lower()}".strip(), headline=not group)
            for column, group in columns.items()
        ),
    )


def measure(answers: Answers) -> pd.DataFrame | None:
    """Property scores of captions; None without a taxonomy.

    Raises:
        MolmixError: the truth is to be that of molecules, and there are no properties of them.
    """
    options = answers.options
    if options.taxonomy is None:
        return None
    from molmix.metrics.tokenize import load_metric_tokenizer

    due = _properties(answers) if options.property_truth == "molecule" else answers.references
    tokenizer = load_metric_tokenizer(Path(options.vocabulary) if options.vocabulary else None)
    return property_scores(answers.texts, due, read_taxonomy(Path(options.taxonomy)), tokenizer)


def pooled(frame: pd.DataFrame, options: Options) -> dict[str, tuple[csr_array, Callable[[np.ndarray], np.ndarray]]]:
    """A system's figures as :func:`pooled_properties`, of scores that have them; none without a taxonomy."""
    if options.taxonomy is None or STATED not in frame:
        return {}
    return pooled_properties(frame, read_taxonomy(Path(options.taxonomy)))


def note(options: Options) -> str:
    """What the property scores follow; nothing where there are none."""
    if options.taxonomy is None:
        return ""
    published = options.vocabulary and options.property_truth == "reference"
    truth = "the reference caption" if options.property_truth == "reference" else "the molecule's own properties"
    simple = "" if published else " Not the published definition: that takes SciBERT's wordpieces and the reference."
    return f"Properties: L+M-24 as revised in May 2024, means over properties, against {truth}.{simple}"


def _properties(answers: Answers) -> list[list[str]]:
    known = [names for names in answers.properties or () if names is not None]
    if len(known) < len(answers.texts):
        raise fault(
            "metrics.properties.truth",
            f"'molecule', and {len(answers.texts) - len(known)} molecules of the test set have no properties",
            "map `columns.properties`, name `metrics.properties.molecules`, or take `reference`",
        )
    return known


# ---- the taxonomy ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Taxonomy:
    """Properties and the groups that they are averaged in.

    Attributes:
        keys: the published key of each property: its category, its groups and its name; no key twice.
    """

    keys: tuple[str, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of each key in ``keys``."""
        return {key: index for index, key in enumerate(self.keys)}

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """What each category or group holds: keys of properties and of groups. The empty key holds the categories."""
        groups: dict[str, dict[str, None]] = {"": {}}
        for key in self.keys:
            parts = key.split(SEPARATOR)
            for depth in range(len(parts)):
                owner = SEPARATOR.join(parts[:depth])
                groups.setdefault(owner, {})[SEPARATOR.join(parts[: depth + 1])] = None
        return {owner: list(members) for owner, members in groups.items()}

    def below(self, group: str) -> list[int]:
        """The indices of all properties in a category or a group, at any depth; of all where its key is empty."""
        return [index for index, key in enumerate(self.keys) if not group or key.startswith(group + SEPARATOR)]

    def average(self, values: np.ndarray, group: str = "") -> np.ndarray:
        """A group's mean over its properties and its own groups, each weighing the same.

        Args:
            values: array (…, properties), NaN where a property has no figure.
            group: key of a category or a group; empty for all.

        Returns:
            Array (…); 1 where nothing in the group has a figure, as published.
        """
        import numpy as np

        members = self.groups[group]
        own = [self.index[key] for key in members if key in self.index]
        parts = [values[..., own], *(self.average(values, key)[..., None] for key in members if key in self.groups)]
        figures = np.concatenate(parts, axis=-1)
        held = ~np.isnan(figures)
        total, count = np.where(held, figures, 0.0).sum(axis=-1), held.sum(axis=-1)
        return np.where(count > 0, total / np.maximum(count, 1), 1.0)


def read_taxonomy(path: Path) -> Taxonomy:
    """Read a taxonomy as L+M-24 publishes it: ``{category: [name, …, {group: [name, …]}, …]}``, groups at any depth.

    A property that a group names twice (60 are, in the published file) counts once, as in the published evaluation.

    Raises:
        MolmixError: the file is missing or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        keys = tuple(dict.fromkeys(_flatten(content, ())))
    except (OSError, ValueError) as error:
        hint = "give L+M-24's nested_props.json, or a file of that form"
        raise fault(path, f"cannot be read as a taxonomy of properties ({error})", hint) from None
    return Taxonomy(keys)


def _flatten(node: Any, above: tuple[str, ...]) -> Iterable[str]:
    if not isinstance(node, dict) or not node:
        raise ValueError(f"no groups below {SEPARATOR.join(above) or 'the top'}")
    for group, members in node.items():
        if not isinstance(members, list):
            raise ValueError(f"{group!r} holds no list")
        for member in members:
            if isinstance(member, str) and member.strip():
                yield SEPARATOR.join((*above, group, member))
            else:
                yield from _flatten(member, (*above, group))


# ---- which properties a text states ------------------------------------------------------------------------------


class Finder:
    """Finds the properties of a taxonomy in texts, all of them in one walk over the tokens.

    Args:
        taxonomy: what to look for.
        tokenizer: cuts names and texts. Published: SciBERT's wordpieces, by which a name begins at the start of a
            word but may end within one.
    """

    def __init__(self, taxonomy: Taxonomy, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._trie: dict[str, Any] = {}
        names = [key.rsplit(SEPARATOR, 1)[-1] for key in taxonomy.keys]
        for index, tokens in enumerate(self._tokens(names)):
            node = self._trie
            for token in tokens:
                node = node.setdefault(token, {})
            node.setdefault(_END, []).append(index)

    def __call__(self, texts: Sequence[Sequence[str]]) -> list[list[int]]:
        """The indices of the properties that the texts of each row state, in order."""
        distinct = list(dict.fromkeys(text for row in texts for text in row))
        found = dict(zip(distinct, map(self._find, self._tokens(distinct)), strict=True))
        return [sorted(set().union(*(found[text] for text in row))) for row in texts]

    def _tokens(self, texts: Sequence[str]) -> list[list[str]]:
        # Word by word: both tokenizers split at every space, and a whole text would be cut at 512 wordpieces, which
        # the published property scores do not do.
        split = [text.lower().split(" ") for text in texts]
        words = list({word for row in split for word in row})
        pieces = dict(zip(words, self._tokenizer(words), strict=True))
        return [[piece for word in row for piece in pieces[word]] for row in split]

    def _find(self, tokens: list[str]) -> set[int]:
        found: set[int] = set()
        for start, first in enumerate(tokens):
            node = self._trie.get(first)
            after = start + 1
            while node is not None:
                found.update(node.get(_END, ()))
                node = node.get(tokens[after]) if after < len(tokens) else None
                after += 1
        return found


# ---- scores ------------------------------------------------------------------------------------------------------


def property_scores(
    texts: Sequence[str], due: Sequence[Sequence[str]], taxonomy: Taxonomy, tokenizer: Tokenizer
) -> pd.DataFrame:
    """Score each caption's properties against those of its reference captions, or against names of properties.

    Args:
        texts: what was written, one caption for each row.
        due: texts that state what is to be stated: one or more captions, or names of properties. A name states
            whatever it contains, as a caption does: a protein kinase inhibitor is a kinase inhibitor.
        taxonomy: the properties.
        tokenizer: see :class:`Finder`.

    Returns:
        One row a caption, in order. ``property_precision``, ``property_recall``, ``property_f1`` and
        ``property_f1_<category>``: over the row's own properties, each weighing the same; NaN where that is 0/0. A
        system's figures are *not* their means but those of :func:`pooled_properties`. ``properties_stated``,
        ``properties_due``: published keys, which those are made from.

    Raises:
        ValueError: the two lists differ in length.
    """
    import pandas as pd

    from molmix.metrics.aggregate import ratio

    find = Finder(taxonomy, tokenizer)
    rows = list(zip(find([[text] for text in texts]), find(due), strict=True))
    frame = pd.DataFrame(
        {
            STATED: [[taxonomy.keys[index] for index in stated] for stated, _ in rows],
            DUE: [[taxonomy.keys[index] for index in wanted] for _, wanted in rows],
        }
    )
    sums = _incidence(frame, taxonomy)
    width = len(taxonomy.keys)
    hits, stated, wanted = (sums[:, part * width : (part + 1) * width] for part in range(3))
    frame["property_precision"] = ratio(hits.sum(axis=1), stated.sum(axis=1))
    frame["property_recall"] = ratio(hits.sum(axis=1), wanted.sum(axis=1))
    for column, group in _f1_columns(taxonomy).items():
        own = taxonomy.below(group)
        agreed, said, asked = (part[:, own].sum(axis=1) for part in (hits, stated, wanted))
        frame[column] = ratio(2 * agreed, said + asked)
    return frame


def pooled_properties(
    frame: pd.DataFrame, taxonomy: Taxonomy
) -> dict[str, tuple[csr_array, Callable[[np.ndarray], np.ndarray]]]:
    """The published figures of a system, as counts that add up and what is made of their sums.

    Args:
        frame: what :func:`property_scores` made, or any rows of it (one at least).
        taxonomy: the one that it was made with.

    Returns:
        For each figure a sparse array (captions, 3 × properties) and a function of column sums: (…, 3 × properties)
        -> (…). ``function(array.sum(axis=0))`` is the system's figure. All figures share one array.

        A resample often lacks a rare property. Its figure is then that of all captions: were it left out, as 0/0 is,
        resamples would average other properties than the system's figure does, and groups that are left without
        any would count as 1, so that intervals would lie beside the figure. The price: intervals say how sure the
        figures of these properties are, and take those that only one caption has for certain.

    Raises:
        MolmixError: the scores name a property that the taxonomy has not.
    """
    counts = _incidence(frame, taxonomy)
    whole = counts.sum(axis=0)
    figures: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "property_precision": partial(_figure, taxonomy=taxonomy, kind="precision", group="", whole=whole),
        "property_recall": partial(_figure, taxonomy=taxonomy, kind="recall", group="", whole=whole),
    }
    for column, group in _f1_columns(taxonomy).items():
        figures[column] = partial(_figure, taxonomy=taxonomy, kind="f1", group=group, whole=whole)
    return {column: (counts, figure) for column, figure in figures.items()}


def _figure(sums: np.ndarray, *, taxonomy: Taxonomy, kind: str, group: str, whole: np.ndarray) -> np.ndarray:
    import numpy as np

    figures, of_all = _by_property(sums, kind), _by_property(whole, kind)
    if kind == "precision" and np.isnan(of_all).all():
        # Published: 1, as of every group without a figure. A system that states nothing is not right in all it states.
        return np.full(figures.shape[:-1], np.nan)
    return taxonomy.average(np.where(np.isnan(figures), of_all, figures), group)


def _by_property(sums: np.ndarray, kind: str) -> np.ndarray:
    import numpy as np

    from molmix.metrics.aggregate import ratio

    hits, stated, due = np.split(np.asarray(sums, dtype=float), 3, axis=-1)
    above, below = {"precision": (hits, stated), "recall": (hits, due), "f1": (2 * hits, stated + due)}[kind]
    return ratio(above, below)


def _incidence(frame: pd.DataFrame, taxonomy: Taxonomy) -> csr_array:
    """Which properties each caption stated and was to state, stated, and was to state: (captions, 3 × properties)."""
    import numpy as np
    from scipy.sparse import csr_array

    width, rows, columns = len(taxonomy.keys), [], []
    for row, (stated, due) in enumerate(zip(frame[STATED], frame[DUE], strict=True)):
        for part, keys in enumerate(({*stated} & {*due}, stated, due)):
            for key in keys:
                if key not in taxonomy.index:
                    raise fault("metrics.properties.taxonomy", f"has no {key!r}", "score again with this taxonomy")
                rows.append(row)
                columns.append(part * width + taxonomy.index[key])
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(frame), 3 * width))


def _f1_columns(taxonomy: Taxonomy) -> dict[str, str]:
    """The F1 columns, each with the key of its group: all (an empty key), then category by category."""
    names = {f"property_f1_{re.sub(r'[^a-z0-9]+', '_', group.lower())}": group for group in taxonomy.groups[""]}
    return {"property_f1": "", **names}


# ---- properties of molecules -------------------------------------------------------------------------------------
