"""Planted errors are errors, harmless edits are none, and what is made follows from seed and set alone."""

import csv
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmix.analysis.judge_validation.document import changed, read_document, to_text
from molmix.analysis.judge_validation.perturbations import EDITS, HARMFUL
from molmix.analysis.judge_validation.planting import not_made, plant
from molmix.core.errors import MolmixError
from molmix.data.synthetic.captions import parse
from molmix.data.synthetic.corpus import corpus
from molmix.data.synthetic.logic import close, relation
from molmix.data.synthetic.long import long_rows
from molmix.data.synthetic.vocabulary import Fact
from molmix.judges.decompose.backends.rules import decompose

DOSES = (1, 2, 3)
OF_REAL_CAPTIONS = {"substituent", "chemical-class", "derivation", "stereo", "composition", "locant"}
FEW = settings(max_examples=12)


def rows_of(frame):
    return [
        {"id": row.id, "molecule": row.molecule, "references": [row.caption], "facts": row.facts, "truth": row.truth}
        for row in frame.itertuples()
    ]


FRAME = corpus(300, seed=6)
ROWS = rows_of(FRAME[FRAME.split == "id"])
BY_ID = {row["id"]: row for row in ROWS}


def planted(edit, seed, rows=ROWS):
    return [row for row in plant(rows, edits=[edit], doses=DOSES, molecules=None, seed=seed) if row["edit"] == edit]


# --- where facts are known


@pytest.mark.slow
@FEW
@given(seed=st.integers(0, 10**6))
def test_an_error_in_a_caption_of_a_system_is_one_against_the_reference(seed):
    """The system states half of the reference and a false fact: only the true half is changed or left out."""
    false = "The molecule has 97 rings."
    captions = {}
    for row in ROWS:
        sentences = [atom for atoms in decompose([row["references"][0]]) for atom in atoms]
        captions[row["id"]] = " ".join([false, *sentences[::2]])
    made = plant(ROWS, edits=EDITS, doses=DOSES, molecules=40, seed=seed, systems={"half": captions, "none": {}})
    assert len({variant["id"] for variant in made}) == len(made)
    own = [variant for variant in made if variant["author"] == "half"]
    assert {variant["edit"] for variant in own} == EDITS.keys() - OF_REAL_CAPTIONS
    for variant in own:
        row, before = BY_ID[variant["of"]], parse(captions[variant["of"]])
        after = parse(variant["text"])
        new, lost = [fact for fact in after if fact not in before], [fact for fact in before if fact not in after]
        assert set(lost) <= set(row["facts"]), variant  # the false fact stays
        assert all(relation(close(row["truth"]), [fact]) == "contradiction" for fact in new), variant
        if variant["edit"] == "omit":
            assert (new, len(lost)) == ([], variant["k"]), variant
    of_references = [variant for variant in made if variant["author"] == "reference"]
    assert of_references == plant(ROWS, edits=EDITS, doses=DOSES, molecules=40, seed=seed)  # as without systems


def test_a_system_that_says_something_of_the_reference_is_edited_first():
    rows = [
        {"id": f"m{number}", "references": [f"The molecule is a dye of kind {number}. It is toxic."]}
        | {"facts": None, "truth": None}
        for number in range(8)
    ]
    good = {f"m{number}": "The molecule is toxic. It is a drug." for number in range(7)}
    systems = {"empty": {row["id"]: " " for row in rows}, "good": good, "other": {"m7": "It is a gas."}}
    for seed in range(5):
        made = plant(rows, edits=["negation"], doses=[1], molecules=None, seed=seed, systems=systems)
        controls = {row["of"]: row["author"] for row in made if row["k"] == 0 and row["author"] != "reference"}
        assert controls == {**dict.fromkeys(good, "good"), "m7": "other"}
        texts = {row["text"] for row in made if (row["author"], row["edit"]) == ("good", "negation")}
        assert texts == {"The molecule is not toxic. It is a drug."}  # that it is no drug is no error


def changes(variant, rows=BY_ID):
    """The facts that a variant states and its reference does not, and the other way round."""
    stated, reference = parse(variant["text"]), rows[variant["of"]]["facts"]
    return [fact for fact in stated if fact not in reference], [fact for fact in reference if fact not in stated]


@FEW
@given(edit=st.sampled_from(["swap", "class", "negation", "number", "add"]), seed=st.integers(0, 10**6))
def test_an_error_is_false_of_the_molecule_and_there_are_k(edit, seed):
    for variant in planted(edit, seed):
        row = BY_ID[variant["of"]]
        new, lost = changes(variant)
        assert len(new) == variant["k"], variant
        assert len(lost) == (0 if edit == "add" else variant["k"]), variant
        assert all(relation(close(row["truth"]), [fact]) == "contradiction" for fact in new), variant


@FEW
@given(edit=st.sampled_from(["class", "negation", "number"]), seed=st.integers(0, 10**6))
def test_a_contradiction_is_one_of_what_the_reference_says(edit, seed):
    for variant in planted(edit, seed):
        new, lost = changes(variant)
        assert all(relation(BY_ID[variant["of"]]["facts"], [fact]) == "contradiction" for fact in new)
        assert {Fact.read(fact).attribute for fact in new} == {Fact.read(fact).attribute for fact in lost}
        assert {Fact.read(fact).kind for fact in new} <= {"class": {"category"}, "number": {"count"}}.get(
            edit, {"count", "category", "role"}
        )


@FEW
@given(seed=st.integers(0, 10**6))
def test_a_swap_and_an_addition_are_of_what_the_caption_does_not_speak_of(seed):
    for variant in planted("swap", seed) + planted("add", seed):
        told = {Fact.read(fact).attribute for fact in BY_ID[variant["of"]]["facts"]} - {"role"}
        new, _ = changes(variant)
        assert not told & {Fact.read(fact).attribute for fact in new}


@FEW
@given(edit=st.sampled_from(["repeat", "reorder", "paraphrase"]), seed=st.integers(0, 10**6))
def test_a_harmless_edit_changes_the_words_and_nothing_else(edit, seed):
    for variant in planted(edit, seed):
        reference = BY_ID[variant["of"]]["references"][0]
        assert variant["text"] != reference
        assert changes(variant) == ([], [])


@FEW
@given(seed=st.integers(0, 10**6))
def test_an_omission_leaves_out_exactly_k(seed):
    for variant in planted("omit", seed):
        new, lost = changes(variant)
        assert (new, len(lost)) == ([], variant["k"])


@FEW
@given(edit=st.sampled_from([*EDITS]), seed=st.integers(0, 10**6))
def test_a_variant_comes_apart_into_the_facts_it_states(edit, seed):
    """So what the judge makes of it is not the fault of its punctuation."""
    for variant in planted(edit, seed):
        atoms = [fact for atom in decompose([variant["text"]])[0] for fact in parse(atom)]
        assert sorted(atoms) == sorted(parse(variant["text"]))


def test_a_dose_holds_the_smaller_doses():
    for edit in ("negation", "number", "omit", "add", "paraphrase"):
        by_dose = {(variant["of"], variant["k"]): changes(variant) for variant in planted(edit, 3)}
        for (of, k), (new, lost) in by_dose.items():
            fewer = by_dose.get((of, k - 1), ([], []))
            assert set(fewer[0]) <= set(new)
            assert set(fewer[1]) <= set(lost)


def test_what_is_not_edited_keeps_its_words():
    row = {
        "id": "a",
        "references": ["The molecule bears one ester group, two rings, and one donor. It is polar."],
        "facts": ["ester group=1", "ring=2", "polarity=polar"],
        "truth": ["ester group=1", "ring=2", "polarity=polar", "role=dye"],
    }
    texts = {v["text"] for seed in range(20) for v in plant([row], edits=["class"], doses=[1], molecules=1, seed=seed)}
    assert len(texts) > 2
    assert all(text.startswith("The molecule bears one ester group, two rings, and one donor. It ") for text in texts)


def test_long_captions_are_edited_where_they_are_understood_and_leaned_on_by_nothing():
    rows = rows_of(long_rows(FRAME[FRAME.split == "id"], seed=1))
    variants = plant(rows, edits=[*EDITS], doses=[1], molecules=20, seed=2)
    assert Counter(variant["edit"] for variant in variants)["swap"] >= 15
    for variant in variants:
        leaning = re.findall(r"[^.]*(?:of the latter|Neither of these|Nor does|of the second)[^.]*\.", variant["text"])
        reference = next(row["references"][0] for row in rows if row["id"] == variant["of"])
        before = [reference.partition(sentence)[0].rstrip().rpartition(". ")[2] for sentence in leaning]
        after = [variant["text"].partition(sentence)[0].rstrip().rpartition(". ")[2] for sentence in leaning]
        assert [text.removeprefix("The molecule") for text in after] == [
            text.removeprefix("The molecule") for text in before
        ]


# --- what all variants share


def test_every_variant_has_its_control_and_its_own_id():
    variants = plant(ROWS, edits=[*EDITS], doses=DOSES, molecules=None, seed=1)
    assert len({variant["id"] for variant in variants}) == len(variants)
    controls = [variant for variant in variants if variant["edit"] == "none"]
    assert [variant["of"] for variant in controls] == [row["id"] for row in ROWS]
    for variant in variants:
        assert variant["id"] == f"{variant['of']}~{variant['edit']}~{variant['k']}"
        assert variant["references"] == BY_ID[variant["of"]]["references"]
        assert (variant["text"] == variant["references"][0]) == (variant["edit"] == "none")


def test_what_is_not_made_is_counted():
    variants = plant(ROWS, edits=["class", "add"], doses=[1, 5], molecules=None, seed=1)
    counts = not_made(variants, edits=["none", "class", "add"], doses=[1, 5])
    assert set(counts) == {("class", 1), ("class", 5), ("add", 1), ("add", 5)}
    assert counts["class", 5] == len(ROWS)  # there are three categories
    assert counts["add", 1] == 0
    assert sum(counts.values()) == 5 * len(ROWS) - len(variants)


def test_variants_follow_from_the_seed_and_not_from_the_order_of_rows():
    asked = {"edits": [*EDITS], "doses": DOSES, "molecules": 10}
    one, again = plant(ROWS, **asked, seed=4), plant(ROWS, **asked, seed=4)
    backwards = plant(ROWS[::-1], **asked, seed=4)
    assert one == again
    assert {row["id"]: row for row in one} == {row["id"]: row for row in backwards}
    assert one != plant(ROWS, **asked, seed=5)
    alone = plant(ROWS, **asked | {"edits": ["swap"], "doses": [2]}, seed=4)
    assert [row for row in alone if row["k"]] == [row for row in one if (row["edit"], row["k"]) == ("swap", 2)]


def test_a_caption_with_nothing_in_it_has_its_control_only():
    row = {"id": "a", "references": [""], "facts": None, "truth": None}
    assert [v["edit"] for v in plant([row], edits=[*EDITS], doses=[1], molecules=None, seed=0)] == ["none"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edits": ["swop"]}, "no edit 'swop'"),
        ({"doses": [0]}, "0 is no number of edits"),
        ({"rows": [ROWS[0], ROWS[0]]}, "more than once"),
    ],
)
def test_what_cannot_be_planted_is_refused(change, message):
    asked = {"edits": ["swap"], "doses": [1], "molecules": None, "seed": 0} | change
    with pytest.raises(MolmixError, match=message):
        plant(asked.pop("rows", ROWS), **asked)


# --- real captions


@pytest.fixture
def chebi20(shared: Path):
    with (shared / "data/chebi20/validation.tsv").open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [{"id": line["CID"], "references": [line["description"]], "facts": None, "truth": None} for line in lines]


def test_real_captions_are_read_and_told_unchanged(chebi20):
    for row in chebi20[:800]:
        caption = row["references"][0]
        assert to_text(read_document(caption)) == caption
        first = read_document(caption)[0].statements[0]
        assert to_text(changed(read_document(caption), {first: None})) != caption


@pytest.mark.slow
def test_real_captions_get_errors_that_their_reference_does_not_state(chebi20):
    variants = plant(chebi20, edits=[*EDITS], doses=DOSES, molecules=150, seed=1)
    made = Counter((variant["edit"], variant["k"]) for variant in variants)
    assert min(made[edit, 1] for edit in EDITS.keys() - {"none", *OF_REAL_CAPTIONS}) > 110
    as_meant = []
    for variant in variants:
        atoms, reference = (set(decompose([text])[0]) for text in (variant["text"], variant["references"][0]))
        new, lost = len(atoms - reference), len(reference - atoms)
        assert (variant["text"] == variant["references"][0]) == (variant["edit"] == "none")
        if EDITS[variant["edit"]].kind == HARMFUL:
            as_meant.append((variant["edit"] == "omit" or new >= variant["k"]) and (variant["edit"] == "add" or lost))
        elif variant["edit"] in ("repeat", "reorder"):
            as_meant.append(new == lost == 0)
    assert sum(map(bool, as_meant)) > 0.99 * len(as_meant)  # the rules read a few statements otherwise on their own


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("negation", {"It is not a dye.", "It does not have a role as a drug.", "is not an amine", "does not derive"}),
        ("class", {"conjugate acid of a D-serine", "conjugate base of a L-serine"}),
        ("number", {"positions 2 and", "positions 1 and", "two", "four"}),
        ("paraphrase", {"acts as", "serves as", "functions as", "is derived from", "The compound", "This compound"}),
    ],
)
def test_edits_of_any_text_by_example(edit, expected):
    caption = (
        "The molecule is an amine carrying three methyl groups at positions 3 and 5. It has a role as a drug. It is a "
        "dye and a base. It derives from a phenol. It is a conjugate acid of a L-serine."
    )
    row = {"id": "a", "references": [caption], "facts": None, "truth": None}
    texts = [v["text"] for seed in range(60) for v in plant([row], edits=[edit], doses=[1], molecules=1, seed=seed)]
    assert all(any(words in text for text in texts) for words in expected)


def test_a_prefix_is_no_opposite_within_another_word():
    row = {"id": "a", "references": ["The molecule impacts heart disease."], "facts": None, "truth": None}
    assert len(plant([row], edits=["class"], doses=[1], molecules=1, seed=0)) == 1


def test_long_captions_take_no_long_time() -> None:
    texts = ["It is a dye. " * 400, " ".join(f"It is dye {number}." for number in range(400))]
    rows = [
        {"id": str(number), "references": [text], "facts": None, "truth": None} for number, text in enumerate(texts)
    ]
    start = time.perf_counter()
    made = plant(rows, edits=[*EDITS], doses=DOSES, molecules=None, seed=1)
    assert time.perf_counter() - start < 20
    reordered = {row["of"] for row in made if row["edit"] == "reorder"}
    assert reordered == {"1"}  # no order of equal sentences is another one
