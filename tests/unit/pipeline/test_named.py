"""Names in rules: the expressions that say which models a rule makes."""

import re

from molmix.config import documentation, loading
from molmix.pipeline import model_table
from molmix.pipeline.named import any_of


def test_a_constraint_matches_its_names_and_nothing_else() -> None:
    names = ["a", "a.sft", "a.sft-s2", "a.dpo", "a.dpo-s2", "a.sft_dpo.ties", "b+c.sft", "x-y_z"]
    others = ["", "a.", "sft", "a.sft-s3", "a.sft_dpo", "a.kto", "b.sft", "bbc.sft", "x-y", "a.sft.dpo"]
    pattern = re.compile(any_of(names))
    assert [name for name in names + others if pattern.fullmatch(name)] == names
    assert not re.fullmatch(any_of([]), "")


def test_the_constraint_of_many_seeds_is_short() -> None:
    table = model_table.build(loading.parse(documentation.DEMO | {"seeds": list(range(1, 41))}))
    pattern = any_of(table)
    assert len(pattern) < 0.22 * len("|".join(table))
    assert all(re.fullmatch(pattern, name) for name in table)
    assert not any(re.fullmatch(pattern, f"{name}1") for name in table if f"{name}1" not in table)
