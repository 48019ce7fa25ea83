"""The labels of NLI, and what a model calls them. They are checked before a model is loaded: no model class here."""

from __future__ import annotations

from collections.abc import Mapping

from molmix.core.errors import fault

LABELS = ("entailment", "neutral", "contradiction")

# The beginnings of each label's names in all models, in lower case ("entails", "entailment").
_NAMES = (
    ("entail", "support", "align"),
    ("neutral", "not_entail", "non_entail", "unsupport", "not_support", "not_align", "non_align", "misalign"),
    ("contradict",),
)


def label_order(id2label: Mapping[int, str], where: object) -> list[int]:
    """For each class of a model, its index in :data:`LABELS`, by name in any case.

    A two-label model (entailment / not_entailment, supported / unsupported, aligned / not-aligned) does not distinguish
    contradiction from neutral. Its second label counts as neutral, and contradiction is always 0. So for such a model,
    atoms are unsupported and never contradicted.

    Raises:
        MolmixError: no label or more than one label is entailment, or a label is unknown.
    """
    names = [str(id2label[index]) for index in sorted(id2label)]
    order = [_label_index(name.lower().replace("-", "_").replace(" ", "_")) for name in names]
    if order.count(0) != 1 or -1 in order or len(order) < 2:
        hint = f"name an NLI model, or say in `labels` which of its classes are {', '.join(LABELS)}, in its order"
        raise fault(where, f"has the labels {', '.join(names)}, which are not those of an NLI model", hint)
    return order


def _label_index(name: str) -> int:
    return next((index for index, starts in enumerate(_NAMES) if name.startswith(starts)), -1)
