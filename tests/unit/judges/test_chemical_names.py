"""Chemical names in texts, by their shape and their endings."""

import math

import pytest

from molmix import Judge
from molmix.judges.decompose.chemical_names import chemical_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("The molecule is a dye. It is found in membranes and genes, with a purpose.", []),
        ("It derives from a hexadecanoic acid.", ["hexadecanoic acid"]),
        ("It is a conjugate acid of an oleate(1-).", ["oleate(1-)"]),
        ("It is a monocarboxylic acid anion, an aromatic ether.", ["monocarboxylic acid anion", "aromatic ether"]),
        ("It has two hydroxy groups at the 4- and 6-positions.", ["hydroxy"]),
        ("an inhibitor (5-lipoxygenase) of L-tyrosine and beta-D-glucosides", ["l-tyrosine", "beta-d-glucoside"]),
        ("It is N-acetyl-D-glucosamine (chloro).", ["n-acetyl-d-glucosamine", "chloro"]),
        ("ketones and a ketone", ["ketone"]),
        ("", []),
    ],
)
def test_names_of_a_text(text, names):
    assert chemical_names(text) == names


def test_precision_and_recall(tmp_path):
    judge = Judge("entities", store=tmp_path)
    references = ["It is a ketone and a phenol.", "It is a dye.", "It is a ketone."]
    captions = ["It is a ketone, a lactone, an amine and a phenol.", "It is a ketone.", "It is a dye."]
    scores = judge.score(references, captions)
    assert scores.iloc[0][["entity_precision", "entity_recall"]].tolist() == [0.5, 1.0]
    assert scores["entity_f1"][0] == pytest.approx(2 / 3)
    assert scores["entity_precision"][1] == 0 and math.isnan(scores["entity_recall"][1])
    assert math.isnan(scores["entity_precision"][2]) and scores["entity_recall"][2] == 0
    assert scores["entity_f1"].tolist()[1:] == [0, 0]
    told = judge.explain(0)
    assert "unsupported   lactone" in told and "covered       phenol" in told and "entity_recall = 1.0000" in told
