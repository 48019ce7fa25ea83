"""Judges that ask no NLI model: their stage, their scores, their explanation, and the same as a Python object."""

import json
import math
import re

import pytest

from molmix import Judge
from molmix.core.errors import MolmixError
from molmix.core.files import read_table, write_table
from molmix.judges.decompose.tables import decompose_tables
from molmix.judges.kinds import score_captions
from molmix.judges.verdicts import write_verdicts
from tests.unit.judges.test_decompose_backends import Faulty, good

CHLOROPHENOL = "OC1=CC=C(Cl)C=C1"
CAPTIONS = ["The molecule is an organochlorine compound. It is a diol. It has a role as a dye.", ""]
REFERENCES = ["The molecule is a member of phenols.", "The molecule is a member of monochlorobenzenes."]
GROUNDED = {"kind": "grounded"}


@pytest.fixture
def judged(tmp_path):
    """The table of verdicts of the stage."""
    rows = [(str(row), *texts) for row, texts in enumerate(zip(CAPTIONS, REFERENCES, strict=True))]
    captions, references = tmp_path / "captions.parquet", tmp_path / "references.parquet"
    write_table(captions, [{"id": name, "text": text} for name, text, _ in rows])
    write_table(references, [{"id": name, "references": [text], "molecule": CHLOROPHENOL} for name, _, text in rows])
    units = tmp_path / "reference-units.parquet", tmp_path / "generated-units.parquet"
    rules = {"units": "rules", "settings": {"backend": "rules"}, "cache": tmp_path, "model": None}
    decompose_tables(captions=[references, captions], outs=list(units), **rules)
    out = tmp_path / "verdicts.parquet"
    write_verdicts(
        captions=captions, references=references, units=units, out=out, settings=GROUNDED, cache=tmp_path / "cache"
    )
    return read_table(out)


def test_verdicts_and_scores_of_the_stage(judged):
    assert judged["verdicts"].to_pylist() == [["true", "false", "undecided"], []]
    assert judged["reasons"].to_pylist()[0][1] == "group: it has 1 hydroxy groups"
    first, empty = score_captions(GROUNDED, judged).to_pylist()
    assert first == {"id": "0", "n_generated": 3, "n_reference": 1, "decided": 2 / 3, "true": 0.5, "false": 1.0}
    assert math.isnan(empty["decided"]) and math.isnan(empty["true"]) and empty["false"] == 0


def test_the_same_as_a_python_object(judged, tmp_path):
    judge = Judge("grounded", store=tmp_path / "store")
    scores = judge.score(REFERENCES, CAPTIONS, molecules=[CHLOROPHENOL] * 2)
    assert scores.equals(score_captions(GROUNDED, judged).drop_columns("id").to_pandas())
    told = judge.explain(0)
    assert "1  true          The molecule is an organochlorine compound." in told
    assert "false         The molecule is a diol." in told and "it has 1 hydroxy groups" in told
    assert "Verdicts: 1 true, 1 false, 1 undecided" in told and "true = 0.5000" in told and "NLI" not in told
    assert "true = undefined" in judge.explain(1)
    means = judge.compute(predictions=CAPTIONS, references=REFERENCES, molecules=[CHLOROPHENOL] * 2)
    assert means["true"] == 0.5 and means["false"] == 0.5


def test_a_molecule_that_cannot_be_read_is_told(tmp_path, caplog):
    scores = Judge("grounded", store=tmp_path / "store").score(REFERENCES, CAPTIONS, molecules=["no SMILES", "C"])
    assert scores["decided"][0] == 0
    assert "1 of 2 molecules cannot be read as SMILES" in caplog.text and "'no SMILES'" in caplog.text


def test_wrong_calls(tmp_path):
    with pytest.raises(MolmixError, match="asks none"):
        Judge("grounded", nli="some/model")
    with pytest.raises(MolmixError, match="asks an NLI model"):
        Judge("atomic")
    judge = Judge("grounded", store=tmp_path)
    with pytest.raises(MolmixError, match="reads molecules"):
        judge.score(REFERENCES, CAPTIONS)
    with pytest.raises(MolmixError, match="1 molecule for 2 captions"):
        judge.score(REFERENCES, CAPTIONS, molecules=["C"])


def test_a_molecule_that_rdkit_cannot_read_decides_nothing(tmp_path):
    scores = Judge("grounded", store=tmp_path).score(REFERENCES[:1], CAPTIONS[:1], molecules=["?"])
    assert scores["decided"][0] == 0 and math.isnan(scores["true"][0])


# --- a language model behind a server


@pytest.fixture
def server():
    """Calls a statement supported if the description holds its words, and contradicted if it says "not"."""

    def reply(prompt, times):
        description, statements = re.search(
            r"Description: (.*)\n\nStatements:\n(.*)\n\nAnswer", f"{prompt} Answer", re.S
        ).groups()
        words = []
        for line in statements.splitlines():
            said = line.partition(". ")[2].removeprefix("The molecule is ").rstrip(".")
            words.append("supported" if said in description else "contradicted" if "not" in said else "unsupported")
        return good(f"Here it is: {json.dumps(words)}" if "odd" not in statements else "I cannot.")

    running = Faulty()
    running.reply = reply
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_a_language_model_as_judge(server, tmp_path):
    references = [
        "The molecule is a dye. It is a wax.",
        "The molecule is a dye.",
        "The molecule is a dye.",
        "It is a dye.",
    ]
    captions = [
        "The molecule is a dye. It is not a drug. It is a gas.",
        "",
        "The molecule is odd.",
        "The molecule is a dye.",
    ]
    settings = {"base_url": server.url, "model": "tiny", "key_variable": None, "retries": 0, "prompt_price": 2.0}
    judge = Judge("llm", store=tmp_path, **settings)
    scores = judge.score(references, captions)
    third = 1 / 3
    assert scores.iloc[0].to_dict() == {"n_generated": 3, "n_reference": 2} | {
        "supported": third, "contradicted": third, "unsupported": third, "coverage": 0.5
    }  # fmt: skip
    assert scores["supported"].isna().tolist() == [False, True, True, False]  # empty; an answer that cannot be used
    assert scores["coverage"].tolist()[1:] == [0, 0, 1]
    told = judge.explain(0)
    assert "contradicted  The molecule is not a drug." in told and "missed        The molecule is a wax." in told
    asked = len(server.asked)
    assert asked == 6 and all(body["temperature"] == 0 for body in server.asked)
    again = Judge("llm", store=tmp_path, **settings).score(references, captions)
    assert len(server.asked) == asked and again.equals(scores)


def test_a_language_model_that_does_not_answer_stops_the_job(server, tmp_path):
    judge = Judge("llm", store=tmp_path, base_url=server.url, model="tiny", key_variable=None, retries=0)
    server.reply = lambda prompt, times: good("Sorry.")
    with pytest.raises(MolmixError, match="none of 4 answers of 'tiny' can be used"):
        judge.score(["It is a dye.", "It is a wax."], ["It is a gas.", "It is a drug."])
