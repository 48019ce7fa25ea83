"""The licence of a judge: what is asked, the bounds, the words of warnings, and the file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from molmix import Judge
from molmix.core.errors import MolmixError
from molmix.core.files import read_json, write_table
from molmix.data.corpus import TEST
from molmix.judges.decompose.tables import ATOMS
from molmix.judges.kinds import parse_judge
from molmix.judges.nli.cache import VALUE
from molmix.judges.nli.licence import (
    Licence,
    draw_null_pairs,
    measure_licence,
    percent,
    read_licences,
    refuse_unlicensed,
    unlicensed_scores,
    warn_about,
    wilson,
    write_licence,
)
from molmix.models.pretrained import fetch
from tests.nli_models import make_model

ATOMIC = parse_judge({"kind": "atomic"})
GOOD = Licence(
    atoms=200,
    itself=1.0,
    own_text=0.95,
    null_pairs=200,
    null_entailed=0.02,
    null_contradicted=0.1,
    has_contradiction=True,
)
TEXTS = [f"The molecule is dye {number}. It has {number} rings." for number in range(8)]
UNITS = [[f"The molecule is dye {number}.", f"The molecule has {number} rings."] for number in range(8)]


def test_what_is_asked_of_the_model() -> None:
    asked: list[tuple[str, str]] = []

    def ask(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        asked.extend(pairs)
        values = np.zeros(len(pairs), VALUE)
        values["entailment"] = [
            0.9 if premise == hypothesis or hypothesis[-3] in "02" else 0.2 for premise, hypothesis in pairs
        ]
        values["contradiction"] = [
            0.7 if "dye" in premise and "dye" in hypothesis else 0.0 for premise, hypothesis in pairs
        ]
        return values

    found = measure_licence(TEXTS, UNITS, ask, sample=10)
    assert (found.atoms, found.null_pairs, found.itself) == (10, 10, 1.0)
    itself, own, null = asked[:10], asked[10:20], asked[20:]
    assert all(premise == hypothesis for premise, hypothesis in itself)
    assert [atom for atom, _ in itself] == [atom for _, atom in own]  # the same atoms
    assert all(atom in UNITS[TEXTS.index(text)] for text, atom in own)
    molecule = {atom: number for number, atoms in enumerate(UNITS) for atom in atoms}
    assert len(null) == 10 and all(molecule[premise] != molecule[hypothesis] for premise, hypothesis in null)
    contradicted = np.mean(["dye" in premise and "dye" in hypothesis for premise, hypothesis in null])
    assert found.null_contradicted == pytest.approx(contradicted) and found.has_contradiction


def test_statements_that_both_molecules_share_are_no_null_pairs() -> None:
    table = [["The molecule is a dye.", f"It has {number} rings."] for number in range(4)]
    drawn = draw_null_pairs([table], 50, seed=0)
    assert len(drawn) == 12 and all("dye" not in premise + hypothesis for premise, hypothesis in drawn)
    assert draw_null_pairs([table[:1]], 50, seed=0) == []


@pytest.mark.parametrize(
    ("measured", "unlicensed"),
    [
        ({}, set()),
        ({"itself": 0.3}, {"hallucination", "supported", "contradicted", "unsupported", "coverage"}),
        ({"own_text": 0.2}, {"hallucination", "supported", "contradicted", "unsupported", "coverage"}),
        ({"null_entailed": 0.3}, {"hallucination", "supported", "contradicted", "unsupported", "coverage"}),
        ({"null_contradicted": 0.8}, {"hallucination", "contradicted", "unsupported"}),
        ({"itself": None, "own_text": None, "atoms": 0}, set()),
        ({"itself": 0.5, "atoms": 2}, set()),  # two atoms show nothing
        ({"itself": 0.0, "atoms": 10}, {"hallucination", "supported", "contradicted", "unsupported", "coverage"}),
    ],
)
def test_bounds(measured: dict[str, float], unlicensed: set[str]) -> None:
    licence = Licence(**vars(GOOD) | measured)
    columns = {score.column for score in ATOMIC.scores}
    found = set(unlicensed_scores(ATOMIC, licence))
    assert found == (columns if "coverage" in unlicensed else unlicensed)


def test_warnings_say_what_is_wrong_and_what_is_asked_for() -> None:
    licence = Licence(**vars(GOOD) | {"itself": 0.3, "null_contradicted": 0.8})
    lines = list(warn_about("atomic", ATOMIC, "id", licence))
    assert all("judge `atomic` is not licensed for" in line and "on id" in line for line in lines)
    assert all("30 % of 200 reference atoms entail themselves (at least 90 %)" in line for line in lines)
    assert any("80 % of 200 pairs" in line and "hallucination" in line for line in lines)
    assert list(warn_about("atomic", ATOMIC, "id", GOOD)) == []
    two = Licence(**vars(GOOD) | {"has_contradiction": False})
    assert "two classes, entailment or not" in " ".join(warn_about("atomic", ATOMIC, "id", two))
    with pytest.raises(
        MolmixError, match=r"judges\.atomic: judge `atomic` is not licensed(.|\n)*without `strict`, this is a warning"
    ):
        refuse_unlicensed("atomic", ATOMIC, {"id": licence})
    refuse_unlicensed("atomic", ATOMIC, {"id": GOOD})


def test_shares_in_words() -> None:
    assert [percent(share) for share in (0.0, 0.001, 0.42, 0.999, 1.0)] == ["0 %", "1 %", "42 %", "99 %", "100 %"]
    interval = binomtest(180, 200).proportion_ci(method="wilson")
    assert wilson(0.9, 200) == pytest.approx((interval.low, interval.high), abs=1e-5)


def test_a_file_by_a_real_model_from_an_empty_and_a_full_cache(tmp_path: Path) -> None:
    model = tmp_path / "models/tiny/manifest.json"
    fetch(model_id="tiny", kind="nli", source=str(make_model(tmp_path / "tiny", "bert")), revision=None, manifest=model)
    texts, units = tmp_path / "texts.parquet", tmp_path / "units.parquet"
    known = {"rows": [0], "ids": ["0"], "properties": None, "facts": None, "truth": None}
    rows = [{"id": str(n), "molecule": "C", "references": [text]} | known for n, text in enumerate(TEXTS)]
    write_table(texts, rows, TEST)
    write_table(units, [{"id": str(n), "atoms": a, "fallback": False} for n, a in enumerate(UNITS)], ATOMS)
    given = {"judge": "atomic", "settings": {"kind": "atomic", "nli": "tiny"}, "texts": {"id": texts}}
    given |= {"units": {"id": units}, "model": model, "cache": tmp_path / "cache", "strict": False, "dtype": "bfloat16"}
    for name in ("first", "again"):
        write_licence(**given, out=tmp_path / f"{name}.json")
    assert read_json(tmp_path / "first.json") == read_json(tmp_path / "again.json")
    tests, accuracy, agreement = read_licences(tmp_path / "first.json")
    assert agreement is not None and (agreement.dtype, agreement.pairs) == ("bfloat16", 128)
    assert tests["id"].atoms == 16 and tests["id"].null_pairs > 100 and accuracy is None
    with pytest.raises(MolmixError, match="not licensed"):  # its weights are random
        write_licence(**given | {"strict": True}, out=tmp_path / "strict.json")
    assert not (tmp_path / "strict.json").exists()


@pytest.mark.slow
def test_a_small_english_model_is_licensed_on_real_captions(shared: Path, tmp_path: Path) -> None:
    if not (shared / "models/nli-minilm").is_dir():
        pytest.skip("no small NLI model")
    rows = (shared / "data/chebi20/test.tsv").read_text(encoding="utf-8").splitlines()[1:7]
    captions = [row.split("\t")[2] for row in rows]
    judge = Judge(nli=shared / "models/nli-minilm", store=tmp_path, strict=True)
    judge.score(captions, captions)
    assert judge.licence is not None and judge.licence.itself == 1.0 and judge.licence.null_entailed < 0.05
