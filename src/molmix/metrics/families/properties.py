"""L+M-24's property scores (Edwards et al. 2024): the properties that a caption states, and those it should state.

The definition is that of the shared task's final evaluation, ``scorer_props.py`` of
https://github.com/language-plus-molecules/LPM-24-Dataset (December 2024; it follows the revision of May 2024):

- a caption states a property if it contains the tokens of its lower-cased name in sequence. This holds for every
  property, so "protein kinase inhibitor" also states "kinase inhibitor", and ``bitter`` and ``Bitter`` of the taxonomy
  are two properties that are always stated together;
- precision, recall and F1 of a property are over all captions, and are left out if they are 0/0;
- a group's figure is the unweighted mean over its properties and its own groups, of any size; a group without any
  figure counts as 1 (before the revision as 0, so older numbers are not comparable).

So a system's figure is not a mean over captions, but a function of sums over captions. Each caption keeps the names of
the properties that it stated and should state, and :func:`pooled_properties` sums them.
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
_END = ""  # marks the end of a name in the trie; no token is empty


def metrics(options: Options) -> tuple[Metric, ...]:
    """How its columns are shown: all properties, then the taxonomy's categories; empty without a taxonomy."""
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
        MolmixError: the ground truth is `molecule`, and the molecules have no properties.
    """
    options = answers.options
    if options.taxonomy is None:
        return None
    from molmix.metrics.tokenize import load_metric_tokenizer

    due = _properties(answers) if options.property_truth == "molecule" else answers.references
    tokenizer = load_metric_tokenizer(Path(options.vocabulary) if options.vocabulary else None)
    return property_scores(answers.texts, due, read_taxonomy(Path(options.taxonomy)), tokenizer)


def pooled(frame: pd.DataFrame, options: Options) -> dict[str, tuple[csr_array, Callable[[np.ndarray], np.ndarray]]]:
    """A system's figures, see :func:`pooled_properties`, if the scores have them; empty without a taxonomy."""
    if options.taxonomy is None or STATED not in frame:
        return {}
    return pooled_properties(frame, read_taxonomy(Path(options.taxonomy)))


def note(options: Options) -> str:
    """The definition of the property scores; empty without them."""
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
    """Properties and their groups, over which they are averaged.

    Attributes:
        keys: the published key of each property: its category, its groups and its name. Keys are unique.
    """

    keys: tuple[str, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of each key in ``keys``."""
        return {key: index for index, key in enumerate(self.keys)}

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Keys of properties and of groups in each category or group. The empty key has the categories."""
        groups: dict[str, dict[str, None]] = {"": {}}
        for key in self.keys:
            parts = key.split(SEPARATOR)
            for depth in range(len(parts)):
                owner = SEPARATOR.join(parts[:depth])
                groups.setdefault(owner, {})[SEPARATOR.join(parts[: depth + 1])] = None
        return {owner: list(members) for owner, members in groups.items()}

    def below(self, group: str) -> list[int]:
        """The indices of all properties in a category or a group, at any depth; for an empty key, of all."""
        return [index for index, key in enumerate(self.keys) if not group or key.startswith(group + SEPARATOR)]

    def average(self, values: np.ndarray, group: str = "") -> np.ndarray:
        """A group's unweighted mean over its properties and its own groups.

        Args:
            values: array (…, properties); NaN for a property without a figure.
            group: key of a category or a group; empty for all.

        Returns:
            Array (…); 1 if nothing in the group has a figure, as published.
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
    """Read a taxonomy in L+M-24's format: ``{category: [name, …, {group: [name, …]}, …]}``, groups at any depth.

    A property that a group names twice (60 cases in the published file) counts once, as in the published evaluation.

    Raises:
        MolmixError: the file is missing or has another format.
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


# ---- the properties that a text states ---------------------------------------------------------------------------


class Finder:
    """Finds all properties of a taxonomy in texts, in one pass over the tokens.

    Args:
        taxonomy: the properties to find.
        tokenizer: splits names and texts. Published: SciBERT's wordpieces. With them, a name begins at the start of a
            word but may end inside a word.
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
        # Word by word, which gives the same tokens: both tokenizers split at every space. A whole text would be cut at
        # 512 wordpieces, unlike in the published property scores.
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
        texts: the generated captions, one for each row.
        due: texts with the expected properties: one or more captions, or names of properties. Like a caption, a name
            states every property that it contains: a protein kinase inhibitor is a kinase inhibitor.
        taxonomy: the properties.
        tokenizer: see :class:`Finder`.

    Returns:
        One row per caption, in order. ``property_precision``, ``property_recall``, ``property_f1`` and
        ``property_f1_<category>``: over the row's own properties, with equal weights; NaN for 0/0. A system's figures
        are *not* their means but those of :func:`pooled_properties`. ``properties_stated``, ``properties_due``: the
        published keys, from which a system's figures are computed.

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
    """The published figures of a system, as counts that can be added and functions of their sums.

    Args:
        frame: result of :func:`property_scores`, or some rows of it (at least one).
        taxonomy: the taxonomy of that result.

    Returns:
        For each figure a sparse array (captions, 3 × properties) and a function of column sums: (…, 3 × properties)
        -> (…). ``function(array.sum(axis=0))`` is the system's figure. All figures share one array.

        A resample often lacks a rare property. Then the property's figure over all captions is used. If it were left
        out like 0/0, resamples would average other properties than the system's figure does, and groups without any
        property would count as 1, so that intervals would not contain the figure. The disadvantage: intervals are
        conditional on these properties, and have no uncertainty for a property that only one caption has.

    Raises:
        MolmixError: the scores name a property that the taxonomy lacks.
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
        # The published value is 1, as for every group without a figure. But stating nothing is not perfect precision.
        return np.full(figures.shape[:-1], np.nan)
    return taxonomy.average(np.where(np.isnan(figures), of_all, figures), group)


def _by_property(sums: np.ndarray, kind: str) -> np.ndarray:
    import numpy as np

    from molmix.metrics.aggregate import ratio

    hits, stated, due = np.split(np.asarray(sums, dtype=float), 3, axis=-1)
    above, below = {"precision": (hits, stated), "recall": (hits, due), "f1": (2 * hits, stated + due)}[kind]
    return ratio(above, below)


def _incidence(frame: pd.DataFrame, taxonomy: Taxonomy) -> csr_array:
    """Properties that each caption stated correctly, stated, and should state: (captions, 3 × properties)."""
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
    """The F1 columns with the keys of their groups: first all (an empty key), then each category."""
    names = {f"property_f1_{re.sub(r'[^a-z0-9]+', '_', group.lower())}": group for group in taxonomy.groups[""]}
    return {"property_f1": "", **names}


# ---- properties of molecules -------------------------------------------------------------------------------------
