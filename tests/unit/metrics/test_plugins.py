"""A metric family is one file; importing all of them is cheap; empty captions earn nothing in any of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import molmix
from molmix.analysis.bootstrap import mean, value_of
from molmix.core.errors import MolmixError
from molmix.core.files import write_table
from molmix.judges.matrices import PairMatrices
from molmix.metrics import Answers, Options, all_metrics, load_families
from molmix.metrics.aggregate import figures_of, read_scores
from molmix.metrics.families import judges
from molmix.metrics.score import write_scores

TAXONOMY = '{"Biomedical": ["dye", "ligand"], "Other": ["toxic"]}'
HEAVY = {"numpy", "pandas", "pyarrow", "torch", "transformers", "rdkit", "scipy", "nltk", "tokenizers"}


@pytest.fixture
def options(tmp_path: Path) -> Options:
    (tmp_path / "taxonomy.json").write_text(TAXONOMY)
    return Options({}, None, None, "molecules", str(tmp_path / "taxonomy.json"))


def test_columns_stand_in_their_order(options: Options) -> None:
    assert [family.__name__.rpartition(".")[2] for family in load_families()] == [
        *("judges", "captions", "facts", "properties", "text2mol", "molecules", "fcd")
    ]
    columns = [metric.column for metric in all_metrics(options)]
    assert len(columns) == len(set(columns))
    assert columns[:2] == ["bleu2", "bleu4"] and columns[-1] == "bleu"
    assert "exact" not in [metric.column for metric in all_metrics(options, "mol2cap")]
    assert "bleu4" not in [metric.column for metric in all_metrics(options, "cap2mol")]


def test_the_names_of_all_metrics_are_known_without_a_heavy_import() -> None:
    code = (
        "import sys\nfrom molmix.metrics import Options, all_metrics\n"
        "assert all_metrics(Options(judges={}, vocabulary=None, wordnet=None, domain='molecules'))\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("told", [True, False])
def test_scores_say_which_captions_were_left_to_rules(told: bool) -> None:
    probabilities = {name: [[0.5]] * 3 for name in PairMatrices.__dataclass_fields__}
    pairs = pa.table({"id": [*"abc"], "n_generated": [1] * 3, "n_reference": [1] * 3} | probabilities)
    if told:  # tables of earlier versions do not
        pairs = pairs.append_column("fallback", pa.array([True, False, True]))
    judge = {"kind": "atomic", "nli": "made"}
    texts = ["It is a dye."] * 3
    answers = Answers(
        direction="mol2cap",
        texts=texts,
        molecules=["C"] * 3,
        references=[[text] for text in texts],
        facts=[None] * 3,
        truth=[None] * 3,
        judged={"full": pairs},
        options=Options({"full": judge}, None, None, "molecules"),
    )
    assert judges.count_fallback(judges.measure(answers)) == ({"": 2} if told else {})


def test_empty_captions_get_no_flattering_score(options: Options) -> None:
    """A system that writes nothing is not best in anything, even where the references state nothing."""
    rows = 4
    answers = Answers(
        direction="mol2cap",
        texts=["", " ", "\n", ""],
        molecules=["C"] * rows,
        references=[["It is a dye."], ["Nothing is known of it."], ["It is toxic."], [""]],
        facts=[["role=dye"], [], ["role=toxic"], []],
        truth=[["role=dye"], [], ["role=toxic"], []],
        judged={},
        options=options,
        text2mol=pa.table({"text2mol": [0.6, 0.7, None, 0.8]}),
    )
    scored = [family.measure(answers) for family in load_families() if family.DIRECTION == "mol2cap"]
    frame = pd.concat([part for part in scored if part is not None], axis=1).assign(id=[*"abcd"])
    columns, pooled = figures_of({"silent": frame}, options)
    found = {key[1]: value_of(mean(column)) for key, column in columns.items()}
    found |= {key[1]: value_of(figure) for key, figure in pooled.items()}
    assert {"bleu4", "rouge1", "meteor", "precision", "recall", "f1", "property_precision", "text2mol"} <= found.keys()
    covered = found.pop("text2mol_covered")
    assert covered == 0.75
    assert all(value == 0 or np.isnan(value) for value in found.values()), found


def test_empty_molecules_get_no_flattering_score(options: Options) -> None:
    from molmix.metrics.families.molecules import molecule_scores

    scores = molecule_scores(["CCO", "C"], ["", " "])
    assert (scores[["valid", "exact", "bleu"]] == 0).all().all()
    assert scores[["maccs", "rdk", "morgan"]].isna().all().all()


def test_scores_keep_what_is_wrong_with_texts_and_not_the_texts(tmp_path: Path) -> None:
    table = pa.table({"id": ["a", "b"], "text": ["", "a dye " * 9], "finish": ["stop", "length"], "x": [0.0, 1.0]})
    write_table(tmp_path / "scores.parquet", table)
    frame = read_scores(tmp_path / "scores.parquet")
    assert "text" not in frame
    assert frame[["empty", "cut", "repeated"]].to_numpy().tolist() == [[True, False, False], [False, True, True]]


def test_a_family_of_another_direction_is_not_asked(tmp_path: Path) -> None:
    frame = scored(tmp_path)
    assert frame["exact"].tolist() == [1.0] and "rouge1" not in frame


@pytest.mark.parametrize("what", ["judged", "text2mol"])
def test_what_was_made_of_other_answers_is_refused(what: str, tmp_path: Path) -> None:
    write_table(tmp_path / "other.parquet", pa.table({"id": ["b"], "text2mol": [0.5]}))
    path = tmp_path / "other.parquet"
    with pytest.raises(MolmixError, match=r"other\.parquet: its ids are not those of"):
        scored(tmp_path, **{what: {"atomic": path} if what == "judged" else path})


def scored(tmp_path: Path, **given: Any) -> pd.DataFrame:
    """Scores of one molecule that was written as it was to be."""
    test = {"id": ["a"], "molecule": ["CCO"], "references": [["It is a dye."]], "facts": [None], "truth": [None]}
    write_table(tmp_path / "test.parquet", pa.table(test | {"properties": [None], "smiles": ["CCO"]}))
    write_table(tmp_path / "said.parquet", pa.table({"id": ["a"], "text": ["CCO"], "finish": ["stop"]}))
    files = {
        "test": tmp_path / "test.parquet",
        "predictions": tmp_path / "said.parquet",
        "out": tmp_path / "out.parquet",
    }
    write_scores(
        **files,
        direction="cap2mol",
        **{"judged": {}, "text2mol": None} | given,
        options={"judges": {}, "vocabulary": None, "wordnet": None, "domain": "molecules"},
    )
    return read_scores(tmp_path / "out.parquet")


FAMILY = '''
"""How little a caption repeats itself."""

from molmix.metrics import Metric

DIRECTION, POSITION = "mol2cap", 15


def metrics(options):
    return (Metric("distinct", "higher", "distinct words"),)


def measure(answers):
    import pandas as pd

    words = [text.split() for text in answers.texts]
    return pd.DataFrame({"distinct": [len(set(said)) / len(said) if said else 0.0 for said in words]})


def note(options):
    return "Distinct words."
'''
EDIT = '''
"""Captions in capital letters."""

from molmix.analysis.judge_validation.perturbations._edit import HARMLESS, Edit, edit_each
from molmix.analysis.judge_validation.document import Statement


def shout(ground, one, rng):
    return Statement(one.verb, one.item.upper(), one.subject)


EDIT = Edit("capitals", HARMLESS, edit_each(shout))
'''
USE = """
import pandas as pd
from molmix.analysis.judge_validation.perturbations import EDITS
from molmix.analysis.judge_validation.planting import plant
from molmix.metrics import Answers, Options, all_metrics, load_families

options = Options(judges={}, vocabulary=None, wordnet=None, domain="molecules")
print([metric.column for metric in all_metrics(options)][0])
unknown = {name: [None] * 2 for name in ("molecules", "facts", "truth")}
answers = Answers("mol2cap", texts=["a b a b", ""], references=[["a"], ["b"]], judged={}, options=options, **unknown)
found = [family.measure(answers) for family in load_families() if family.DIRECTION == "mol2cap"]
print(pd.concat([part for part in found if part is not None], axis=1)["distinct"].tolist())
row = {"id": "a", "references": ["The molecule is a dye."], "facts": None, "truth": None}
print(list(EDITS)[-1], [one["text"] for one in plant([row], edits=EDITS, doses=[1], molecules=None, seed=1)][-1])
"""


def test_one_new_file_is_a_new_metric_or_a_new_planted_error(tmp_path: Path) -> None:
    library = Path(molmix.__file__).parent
    shutil.copytree(library, tmp_path / "molmix", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "molmix/metrics/families/repetition.py").write_text(FAMILY)
    (tmp_path / "molmix/analysis/judge_validation/perturbations/capitals.py").write_text(EDIT)
    said = subprocess.run(
        [sys.executable, "-c", USE],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines() == ["distinct", "[0.5, 0.0]", "capitals The molecule is A DYE."]
