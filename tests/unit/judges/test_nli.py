"""The NLI stage: the cross matrices, what is asked and how often, and the small model's training."""

import logging
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_table
from molmix.core.progress import Progress
from molmix.judges.nli.cache import NliCache
from molmix.judges.nli.inference import predict_pairs, predict_tables
from molmix.judges.nli.pairs import Pairs
from molmix.models.manifests import write_manifest
from tests.nli_models import TEXTS, make_model, rows_computed

# ---- the stage -----------------------------------------------------------------------------------------------------

ATOMS = pa.schema([("id", pa.string()), ("atoms", pa.list_(pa.string()))])
REFERENCE = {"a": ["The molecule is a dye.", "It is long."], "b": ["It is long."], "c": [], "d": ["The molecule."]}
GENERATED = {"d": [], "b": ["The molecule is a dye.", "The molecule."], "a": ["The molecule."], "c": ["It is long."]}
OTHER = {"a": ["The rings."], "b": ["A dye."], "c": [], "d": []}


def write_atoms(path: Path, atoms: dict[str, list[str]]) -> Path:
    write_table(path, [{"id": name, "atoms": texts} for name, texts in atoms.items()], ATOMS)
    return path


@pytest.fixture
def stage(tmp_path: Path) -> dict:
    """Arguments of a small stage."""
    weights = make_model(tmp_path / "model" / "weights", "bert")
    write_manifest(tmp_path / "model" / "manifest.json", {"id": "nli"}, weights)
    tables = (write_atoms(tmp_path / "r.parquet", REFERENCE), write_atoms(tmp_path / "g.parquet", GENERATED))
    assert weights.is_dir()
    return {
        "atoms": {"id": tables},
        "outs": {"id": tmp_path / "out.parquet"},
        "model": tmp_path / "model" / "manifest.json",
        "cache": tmp_path / "store",
    }


def test_cells_hold_what_the_model_says(stage: dict) -> None:
    from molmix.judges.nli.model import NliModel

    predict_tables(**stage, dtype="float32")  # bfloat16, where the CPU has it, rounds by the batch
    model = NliModel.load(stage["model"].parent / "weights")
    rows = read_table(stage["outs"]["id"]).to_pylist()
    assert [row["id"] for row in rows] == list(GENERATED)
    assert [(row["n_generated"], row["n_reference"]) for row in rows] == [(0, 1), (2, 1), (1, 2), (1, 0)]
    for row in rows:
        cells = [(given, said) for said in GENERATED[row["id"]] for given in REFERENCE[row["id"]]]
        for direction, step in (("forward", 1), ("backward", -1)):
            expected = model.score([cell[::step] for cell in cells]).probabilities
            assert row[f"{direction}_entailment"] == pytest.approx(expected[:, 0], abs=1e-5)
            assert row[f"{direction}_contradiction"] == pytest.approx(expected[:, 2], abs=1e-5)
        assert row["n_truncated"] == 0


def test_atoms_that_were_left_to_rules_are_told(stage: dict) -> None:
    for path, fallen in zip(stage["atoms"]["id"], ("b", "a"), strict=True):
        rows = [{**row, "fallback": row["id"] == fallen} for row in read_table(path).to_pylist()]
        write_table(path, rows, ATOMS.append(pa.field("fallback", pa.bool_())))
    predict_tables(**stage)
    rows = read_table(stage["outs"]["id"]).to_pylist()
    assert {row["id"]: row["fallback"] for row in rows} == {"d": False, "b": True, "a": True, "c": False}


def test_one_way_asks_for_no_backward_pairs(stage: dict) -> None:
    both = predict_tables(**stage)["id"]
    forward = read_table(stage["outs"]["id"])["forward_entailment"].to_pylist()
    one = predict_tables(**stage | {"both_ways": False, "cache": stage["cache"].parent / "another"})["id"]
    table = read_table(stage["outs"]["id"])
    assert (one["cells"], one["computed"]) == (both["cells"] // 2, 3) and both["computed"] == 6
    assert table["forward_entailment"].to_pylist() == forward
    assert np.isnan([value for row in table["backward_entailment"].to_pylist() for value in row]).all()


def test_an_empty_a_full_and_a_damaged_store_give_the_same_bytes(stage: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molmix.judges.nli.cached_model.CHUNK", 2)
    out = stage["outs"]["id"]
    predict_tables(**stage)
    first = out.read_bytes()
    (folder,) = stage["cache"].iterdir()
    files = sorted(folder.glob("*.pairs"))
    assert len(files) > 2
    files[0].write_bytes(files[0].read_bytes()[:-1])
    files[1].unlink()
    predict_tables(**stage)
    assert out.read_bytes() == first
    # Now all is there, and the model is not missed.
    (stage["model"].parent / "weights").rename(stage["model"].parent / "gone")
    predict_tables(**stage)
    assert out.read_bytes() == first


def test_forward_passes_are_the_distinct_pairs(stage: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = rows_computed(monkeypatch)
    bars = []
    monkeypatch.setattr(
        "molmix.judges.nli.inference.Progress", lambda **settings: bars.append(Progress(**settings)) or bars[-1]
    )
    other = write_atoms(tmp_path / "other.parquet", OTHER)
    stage["atoms"] |= {"ood": (stage["atoms"]["id"][0], write_atoms(tmp_path / "twice.parquet", GENERATED))}
    stage["outs"] |= {"ood": tmp_path / "ood.parquet"}
    counts = predict_tables(**stage, neighbours={"id": [other], "ood": [other]})
    asked = {(given, said) for name in "abcd" for given in REFERENCE[name] for said in GENERATED[name]}
    more = {(given, said) for name in "abcd" for given in REFERENCE[name] for said in OTHER[name]} - asked
    own, others = (len(pairs | {pair[::-1] for pair in pairs}) for pairs in (asked, more))
    cells = 2 * sum(len(REFERENCE[name]) * len(GENERATED[name]) for name in "abcd")
    # Both test sets hold the same captions: the second finds the first one's pairs in the store.
    assert counts["id"] | {"computed_for_others": 0} == {
        "cells": cells,
        "distinct": own,
        "computed": own,
        "computed_for_others": 0,
    }
    assert counts["ood"]["computed"] == 0
    assert sum(count["computed_for_others"] for count in counts.values()) == others
    assert sum(seen) == own + others == bars[0].total == bars[0].done
    again = predict_tables(**stage, neighbours={"id": [other]})
    assert sum(seen) == own + others and bars[1].total == 0
    assert again["id"] == {"cells": cells, "distinct": own, "computed": 0, "computed_for_others": 0}


def test_formats_and_labels_do_not_mix(stage: dict, tmp_path: Path) -> None:
    for change in ({"dtype": "float32"}, {"dtype": "bfloat16"}, {"labels": ["neutral", "entailment", "contradiction"]}):
        assert predict_tables(**stage | change)["id"]["computed"] > 0
        assert predict_tables(**stage | change)["id"]["computed"] == 0
    assert len(list(stage["cache"].iterdir())) == 3


def test_neighbours_are_asked_in_the_same_go(stage: dict, tmp_path: Path) -> None:
    other = write_atoms(tmp_path / "other.parquet", OTHER)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1")
    stranger = write_atoms(tmp_path / "stranger.parquet", {"z": ["A dye."]})
    neighbours = {"id": [tmp_path / "absent.parquet", broken, stranger, other]}
    predict_tables(**stage, neighbours=neighbours)
    (stage["model"].parent / "weights").rename(stage["model"].parent / "gone")
    predict_tables(**stage | {"atoms": {"id": (stage["atoms"]["id"][0], other)}}, neighbours=neighbours)
    assert read_table(stage["outs"]["id"])["n_generated"].to_pylist() == [1, 1, 0, 0]


def test_any_pairs_are_asked_and_kept(stage: dict) -> None:
    from molmix.judges.nli.model import NliModel

    predict_tables(**stage, dtype="float32")
    pairs = [("A dye.", "The molecule."), ("The molecule.", "A dye."), ("It is long.", "The molecule is a dye.")] * 2
    where = {name: stage[name] for name in ("model", "cache")} | {"dtype": "float32"}
    values = predict_pairs(pairs, **where, name="some")
    expected = NliModel.load(stage["model"].parent / "weights").score(pairs).probabilities
    assert values["entailment"] == pytest.approx(expected[:, 0], abs=1e-5)
    (stage["model"].parent / "weights").rename(stage["model"].parent / "gone")
    assert (predict_pairs(pairs[::-1], **where, name="again") == values[::-1]).all()
    assert len(predict_pairs([], **where, name="none")) == 0


def test_long_pairs_are_counted_from_the_store_too(stage: dict, tmp_path: Path) -> None:
    said = write_atoms(tmp_path / "long.parquet", GENERATED | {"a": [TEXTS[3], "The molecule."]})
    stage["atoms"] = {"id": (stage["atoms"]["id"][0], said)}
    for _ in range(2):
        predict_tables(**stage)
        assert read_table(stage["outs"]["id"])["n_truncated"].to_pylist() == [0, 0, 4, 0]


def test_distinct_pairs_only(tmp_path: Path) -> None:
    many = {f"{number}": REFERENCE["a"] for number in range(50)}
    pairs = Pairs.of(write_atoms(tmp_path / "r.parquet", many), write_atoms(tmp_path / "g.parquet", many))
    distinct = pairs.distinct
    assert len(distinct.premises) == len(distinct.hypotheses) == len(distinct.keys) == 4
    assert len(pairs.cells) == 2 * 50 * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "lacks the caption"),
        (lambda rows: [*rows[:-1], {"id": "x", "atoms": []}], "lacks the caption"),
        (lambda rows: [*rows, rows[0]], "more than once"),
    ],
)
def test_ids_that_do_not_match_are_refused(stage: dict, change: Callable, message: str) -> None:
    path = stage["atoms"]["id"][1]
    write_table(path, change(read_table(path).to_pylist()), ATOMS)
    with pytest.raises(MolmixError, match=message):
        predict_tables(**stage)


def test_references_and_the_system_itself_are_no_neighbours(stage: dict, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="molmix.judges.nli.inference"):
        predict_tables(**stage, neighbours={"id": list(stage["atoms"]["id"])})
    assert len(caplog.records) == 1


# ---- several jobs at once ------------------------------------------------------------------------------------------

MANY = {
    str(number): [f"The molecule is a dye{' of' * (number % 9)}.", f"It is {'very ' * (number % 13)}long {number}."]
    for number in range(16)
}


def ask_slowly(stage: dict, start: object, seconds: float, computed: object) -> None:
    """The stage in a process of its own, with small chunks that take some time."""
    import torch

    from molmix.judges.nli import cached_model

    torch.set_num_threads(1)  # a fork has none of the threads of the process that it was forked from
    cached_model.CHUNK, cached_model.POLL = 8, 0.02
    score = cached_model.CachedModel.score

    def slow(*given: object) -> object:
        time.sleep(seconds)
        return score(*given)

    cached_model.CachedModel.score = slow
    start.wait()
    computed.put(predict_tables(**stage, dtype="float32")["id"]["computed"])


def processes(stages: list[dict], seconds: float) -> tuple[list, object, object]:
    """Processes, the queue of what they computed, and the barrier that they start at (it must outlive their start)."""
    import molmix.judges.nli.model  # noqa: F401 (for all of them)

    context = multiprocessing.get_context("fork")
    start, computed = context.Barrier(len(stages)), context.Queue()
    started = [context.Process(target=ask_slowly, args=(stage, start, seconds, computed)) for stage in stages]
    for process in started:
        process.start()
    return started, computed, start


@pytest.mark.slow
def test_jobs_at_once_share_the_work_and_compute_no_pair_twice(stage: dict, tmp_path: Path) -> None:
    tables = (
        write_atoms(tmp_path / "r.parquet", MANY),
        write_atoms(tmp_path / "g.parquet", dict(reversed(MANY.items()))),
    )
    own = stage | {"atoms": {"id": tables}, "ask_identical": True}
    stages = [own | {"outs": {"id": tmp_path / f"out{number}.parquet"}} for number in range(2)]
    started, computed, _start = processes(stages, 0.05)
    counts = [computed.get(timeout=120) for _ in started]
    for process in started:
        process.join()
    pairs = Pairs.of(*tables).distinct
    assert sum(counts) == len(pairs.keys) and min(counts) > 0
    (cache,) = stage["cache"].iterdir()
    assert NliCache(cache).stats()["repeats"] == 0
    assert not list((cache / "claims").iterdir())
    predict_tables(**own | {"cache": tmp_path / "another"}, dtype="float32")
    expected = stage["outs"]["id"].read_bytes()
    assert [Path(one["outs"]["id"]).read_bytes() for one in stages] == [expected] * 2


def test_the_claims_of_a_killed_job_are_taken_over(stage: dict, tmp_path: Path) -> None:
    tables = (write_atoms(tmp_path / "r.parquet", MANY), write_atoms(tmp_path / "g.parquet", MANY))
    stage |= {"atoms": {"id": tables}, "ask_identical": True}
    (process,), _, _start = processes([stage], 3600)
    while not any(stage["cache"].glob("*/claims/*")):
        time.sleep(0.05)
        assert process.is_alive()
    process.kill()
    process.join()
    assert any(stage["cache"].glob("*/claims/*"))
    counts = predict_tables(**stage, dtype="float32")["id"]
    assert counts["computed"] == counts["distinct"]
    assert not any(stage["cache"].glob("*/claims/*"))


# ---- training ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_small_judge_is_made_measured_and_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from molmix.judges.nli.model import NliModel
    from molmix.judges.nli.training import train

    monkeypatch.setattr("molmix.judges.nli.training.HELD_OUT", 300)
    settings = {"pairs": 1500, "epochs": 0.6, "seed": 3, "threads": 1}
    for name in ("one", "two"):
        train(**settings, min_accuracy=0.2, out=tmp_path / name)
    one, two = (read_json(tmp_path / name / "manifest.json") for name in ("one", "two"))
    assert one["weights"] == two["weights"]
    assert one["kind"] == "nli" and one["rows"] == {"train": 1500, "heldout": 300}
    assert set(one["accuracy"]["by_label"]) == {"entailment", "neutral", "contradiction"}
    model = NliModel.load(tmp_path / "one" / "weights")
    assert model.score([("The molecule is a dye.", "It is a dye.")]).probabilities.sum() == pytest.approx(1)
    with pytest.raises(MolmixError, match=r"nli\.three\.min_accuracy.*less than 1\.0.*\n.*nli\.three\.pairs"):
        train(**settings, min_accuracy=1.0, out=tmp_path / "three")
    assert not (tmp_path / "three" / "manifest.json").exists()


def test_muon_directions_are_orthogonal() -> None:
    import torch

    from molmix.judges.nli.training import Muon

    for shape in ((8, 8), (16, 8), (8, 16)):
        weight = torch.nn.Parameter(torch.zeros(shape))
        weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        Muon([weight], lr=1.0).step()
        singular = torch.linalg.svdvals(weight.detach()) / max(1, shape[0] / shape[1]) ** 0.5
        assert ((singular > 0.5) & (singular < 1.4)).all()
        assert (weight.detach() * weight.grad).sum() < 0  # downhill


def test_importing_the_light_parts_is_cheap() -> None:
    code = "import sys, molmix.judges.nli.inference; print(*{'torch', 'transformers', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
