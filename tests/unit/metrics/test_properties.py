"""L+M-24's property scores against a plain reading of the published definition, and against published figures."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from molmix.core.errors import MolmixError
from molmix.data.properties import read_properties
from molmix.metrics import Answers, Options
from molmix.metrics.families.properties import (
    DUE,
    STATED,
    Finder,
    Taxonomy,
    measure,
    metrics,
    note,
    pooled,
    pooled_properties,
    property_scores,
    read_taxonomy,
)
from molmix.metrics.tokenize import SimpleTokenizer, load_metric_tokenizer

CONTENT = {
    "Bio": ["fuel", {"inhibitors": ["kinase inhibitor", "protein kinase inhibitor", "kinase inhibitor"]}, {"new": []}],
    "Human": [{"taste": ["bitter", "Bitter", "sweet"]}],
    "Light and electricity": ["glow"],
}
KINASE, PROTEIN = "Bio__inhibitors__kinase inhibitor", "Bio__inhibitors__protein kinase inhibitor"
BITTER = ["Human__taste__Bitter", "Human__taste__bitter"]
simple = SimpleTokenizer()

words = st.sampled_from(["kinase", "inhibitor", "protein", "bitter", "Bitter", "sweet", "fuel", "glow", "a"])
captions = st.lists(words, max_size=8).map(" ".join)
rows = st.lists(st.tuples(captions, captions), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("taxonomy") / "nested_props.json"
    path.write_text(json.dumps(CONTENT))
    return path


@pytest.fixture(scope="module")
def taxonomy(file: Path) -> Taxonomy:
    return read_taxonomy(file)


def plainly(sample: list[tuple[str, str]], kind: str, node: dict | list) -> float:
    """A group's published figure, by loops over groups, properties and captions."""
    figures = []
    for member in node.values() if isinstance(node, dict) else dict.fromkeys(map(json.dumps, node)):
        if isinstance(member, list):
            figures.append(plainly(sample, kind, member))
        elif isinstance(json.loads(member), dict):
            figures.append(plainly(sample, kind, json.loads(member)))
        else:
            name = f" {json.loads(member).lower()} "
            pairs = [(name in f" {text.lower()} ", name in f" {gold.lower()} ") for text, gold in sample]
            hits, stated, due = (sum(map(kept, pairs)) for kept in (all, lambda p: p[0], lambda p: p[1]))
            above, below = {"precision": (hits, stated), "recall": (hits, due), "f1": (2 * hits, stated + due)}[kind]
            figures += [above / below] if below else []
    return float(np.mean(figures)) if figures else 1.0


@settings(max_examples=100)
@given(rows)
def test_figures_equal_the_definition(sample: list[tuple[str, str]]) -> None:
    content = CONTENT | {"Bio": CONTENT["Bio"][:2]}  # a group without properties is no group
    taxonomy = Taxonomy(tuple(dict.fromkeys(_keys(content))))
    frame = property_scores([text for text, _ in sample], [[gold] for _, gold in sample], taxonomy, simple)
    found = {
        name: float(value(counts.sum(axis=0))) for name, (counts, value) in pooled_properties(frame, taxonomy).items()
    }
    expected = {f"property_{kind}": plainly(sample, kind, content) for kind in ("precision", "recall", "f1")}
    expected |= {
        "property_f1_bio": plainly(sample, "f1", content["Bio"]),
        "property_f1_human": plainly(sample, "f1", content["Human"]),
        "property_f1_light_and_electricity": plainly(sample, "f1", content["Light and electricity"]),
    }
    if not any(frame["properties_stated"]):  # published: 1
        expected["property_precision"] = np.nan
    assert found == pytest.approx(expected, nan_ok=True)


def _keys(node: dict, above: str = "") -> list[str]:
    keys = []
    for group, members in node.items():
        for member in members:
            nested = isinstance(member, dict)
            keys += _keys(member, f"{above}{group}__") if nested else [f"{above}{group}__{member}"]
    return keys


def test_resamples_average_the_same_properties(taxonomy: Taxonomy) -> None:
    texts = ["sweet fuel", "protein kinase inhibitor", "sweet", "fuel"]
    frame = property_scores(texts, [["fuel"], ["kinase inhibitor"], ["sweet bitter"], ["sweet"]], taxonomy, simple)
    figures = pooled_properties(frame, taxonomy)
    often = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 0, 4, 0]])
    found = {name: value(often @ counts) for name, (counts, value) in figures.items()}
    # Row 1 is missing from the second resample, so both inhibitors keep 1 and 0; the third lacks fuel as well: 1/2.
    bio = np.array([(1 / 2 + 1 / 2) / 2, (2 / 3 + 1 / 2) / 2, (1 / 2 + 1 / 2) / 2])
    human = np.array([(1 / 2 + 0 + 0) / 3, (1 / 2 + 0 + 0) / 3, (1 + 0 + 0) / 3])
    np.testing.assert_allclose(found["property_precision"], (bio + [1 / 2, 1 / 3, 1] + 1) / 3)
    np.testing.assert_allclose(found["property_recall"], ([1, 1, 1] + human + 1) / 3)


def test_what_a_text_states(taxonomy: Taxonomy) -> None:
    find = Finder(taxonomy, simple)
    texts = [
        "A Protein kinase-inhibitor",
        "a PROTEIN kinase inhibitor.",
        "BITTER!",
        "bitterness",
        "",
        "fuel " * 600 + "glow",
    ]
    found = [[taxonomy.keys[index] for index in indices] for indices in find([[text] for text in texts])]
    assert [sorted(keys) for keys in found] == [
        [],
        sorted([KINASE, PROTEIN]),
        BITTER,
        [],
        [],
        ["Bio__fuel", "Light and electricity__glow"],
    ]
    assert len(find([["sweet fuel", "glow"]])[0]) == 3


def test_rows_keep_their_own_scores(taxonomy: Taxonomy) -> None:
    texts = ["protein kinase inhibitor, sweet", "fuel", ""]
    frame = property_scores(texts, [["kinase inhibitor fuel"], ["fuel"], ["fuel"]], taxonomy, simple)
    assert frame[STATED].tolist() == [[KINASE, PROTEIN, "Human__taste__sweet"], ["Bio__fuel"], []]
    assert frame[DUE].tolist() == [["Bio__fuel", KINASE], ["Bio__fuel"], ["Bio__fuel"]]
    np.testing.assert_allclose(frame["property_precision"], [1 / 3, 1, np.nan])
    np.testing.assert_allclose(frame["property_recall"], [1 / 2, 1, 0])
    np.testing.assert_allclose(frame["property_f1"], [2 / 5, 1, 0])
    np.testing.assert_allclose(frame["property_f1_bio"], [2 / 4, 1, 0])
    np.testing.assert_allclose(frame["property_f1_human"], [0, np.nan, np.nan])


def test_wrong_taxonomies_are_refused(taxonomy: Taxonomy, tmp_path: Path) -> None:
    assert len(taxonomy.keys) == 7  # the name that is there twice counts once
    path = tmp_path / "props.json"
    for content in ("", "[]", "{}", '{"Bio": "fuel"}', '{"Bio": [" "]}', '{"Bio": [3]}'):
        path.write_text(content)
        with pytest.raises(MolmixError, match="taxonomy of properties"):
            read_taxonomy(path)
    with pytest.raises(MolmixError, match="taxonomy of properties"):
        read_taxonomy(tmp_path / "absent.json")
    frame = property_scores(["glow"], [["glow"]], taxonomy, simple)
    with pytest.raises(MolmixError, match="score again"):
        pooled_properties(frame, Taxonomy(("Bio__fuel",)))


def answers(file: Path | None, truth: str, properties: list[list[str] | None] | None = None) -> Answers:
    options = Options({}, None, None, "molecules", str(file) if file else None, truth)  # type: ignore[arg-type]
    texts, golds = ["fuel", "glow"], [["glow"], ["glow"]]
    none: list[list[str] | None] = [None, None]
    return Answers("mol2cap", texts, ["C", "CC"], golds, none, none, {}, options, properties)


def test_as_a_family(file: Path) -> None:
    given = answers(file, "reference", [["fuel"], ["fuel"]])
    assert measure(given)[DUE].tolist() == [["Light and electricity__glow"]] * 2
    assert [metric.column for metric in metrics(given.options)] == list(pooled(measure(given), given.options))
    assert "against the reference caption. Not the published" in note(given.options)

    given = answers(file, "molecule", [["Protein kinase inhibitor", "unheard of"], ["glow"]])
    assert measure(given)[DUE].tolist() == [[KINASE, PROTEIN], ["Light and electricity__glow"]]
    for properties in (None, [["fuel"], None]):
        with pytest.raises(MolmixError, match="no properties"):
            measure(answers(file, "molecule", properties))

    silent = answers(None, "reference")
    assert measure(silent) is None
    assert metrics(silent.options) == ()
    assert note(silent.options) == ""


def test_properties_of_molecules(tmp_path: Path) -> None:
    path = tmp_path / "props.txt.gz"
    path.write_bytes(
        gzip.compress(b"OCC\t{'fuel', 'EC 1.1 (a\"b) inhibitor'}\nCCO\t{'sweet'}\nCN\t{}\nCC\topen('x')\n")
    )
    assert read_properties(path, ["CCO"]) == {"CCO": {"sweet"}}  # there as written: nothing is made canonical
    assert read_properties(path, ["CCO", "CCC"]) == {"CCO": {"fuel", 'EC 1.1 (a"b) inhibitor', "sweet"}}
    for smiles, line in (("CN", 3), ("CC", 4)):
        with pytest.raises(MolmixError, match=f"line {line}: .*not a Python set of names"):
            read_properties(path, [smiles])
    with pytest.raises(MolmixError, match="cannot be read"):
        read_properties(tmp_path / "absent.txt", ["C"])


# How many of the 21,805 scored captions state a property: (FP + FN) / ((1 - P) / P + (1 - R) / R) / P, out of the
# accuracy, precision P and recall R that L+M-24 publishes for it (final_evaluation/captioning/scores_props).
PUBLISHED = {
    "Meditron": {
        "Human Interaction and Organoleptics__organoleptic_effect_relations__fatty": 9002,
        "Biomedical__cancer__Cervical cancer": 416,
        "Biomedical__treatments__inflammatory disease treatment": 36,
        "Human Interaction and Organoleptics__organoleptic_effect_relations__bitter": 18,
        "Biomedical__modulators__glucocorticoid receptor modulator": 12,
        "Biomedical__antagonists__bradykinin antagonist": 8,
        "Biomedical__cancer__Testicular cancer": 6,
        "Biomedical__inhibitors__mat2a inhibitor": 4,
        "Biomedical__antagonists__tachykinin antagonist": 3,
        "Biomedical__treatments__breast cancer treatment": 1,
    },
    "MolT5-Small": {
        "Biomedical__disease__Non-alcoholic fatty liver disease": 9716,
        "Agriculture and Industry__role_relation__Proton trap for oxidative phosphorylation": 8993,
        "Agriculture and Industry__role_relation__Cholesterol translocation": 8840,
        "Agriculture and Industry__role_relation__inhibitor": 4456,
        "Biomedical__health_effect_relation__Metabolic syndrome": 3154,
        "Biomedical__cancer__Cancer": 2972,
        "Biomedical__health_effect_relation__Obesity": 1845,
        "Biomedical__health_effect_relation__Diabetes mellitus type 2": 787,
        "Light and electricity__lights__electroluminescent": 284,
        "Light and electricity__lights__light-emitting": 236,
    },
}


@pytest.mark.parametrize("system", PUBLISHED)
def test_properties_of_published_captions(system: str, shared: Path) -> None:
    taxonomy = read_taxonomy(shared / "data/lpm24/nested_props.json")
    assert len(taxonomy.keys) == 3447
    lines = gzip.decompress((shared / f"data/lpm24/{system}-submission.txt.gz").read_bytes()).decode().split("\n")
    find = Finder(taxonomy, load_metric_tokenizer(shared / "data/vocab/scibert-scivocab-uncased.txt"))
    indices = np.concatenate(find([[line.strip()] for line in lines[:21805]])).astype(int)
    often = np.bincount(indices, minlength=len(taxonomy.keys))
    assert {key: often[taxonomy.index[key]] for key in PUBLISHED[system]} == PUBLISHED[system]


def test_example_captions(shared: Path) -> None:
    lines = (shared / "data/lpm24/smiles2caption_example.tsv").read_text(encoding="utf-8").split("\n")[1:200]
    fields = [line.split("\t") for line in lines]
    taxonomy = read_taxonomy(shared / "data/lpm24/nested_props.json")
    tokenizer = load_metric_tokenizer(shared / "data/vocab/scibert-scivocab-uncased.txt")
    texts, golds = [row[2].removeprefix("[CLS] ") for row in fields], [[row[1]] for row in fields]
    found = pooled_properties(property_scores(texts, golds, taxonomy, tokenizer), taxonomy)
    figures = {
        name.removeprefix("property_"): float(value(counts.sum(axis=0))) for name, (counts, value) in found.items()
    }
    assert figures == pytest.approx(
        {
            "precision": 0.8508,
            "recall": 0.3663,
            "f1": 0.3606,
            "f1_biomedical": 0.6073,
            "f1_light_and_electricity": 0.0417,
            "f1_human_interaction_and_organoleptics": 0.0587,
            "f1_agriculture_and_industry": 0.7349,
        },
        abs=5e-5,
    )
