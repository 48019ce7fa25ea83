"""Searches of merge weights: candidates, the known best one, and what a killed search does again."""

from pathlib import Path
from typing import Any

import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_table
from molmix.data.corpus import CORPUS
from molmix.generation.generate import generate
from molmix.merge.algorithms._shared import to_point
from molmix.merge.algorithms.cma import Cma
from molmix.merge.algorithms.grid import Grid
from molmix.merge.merging import found_settings, merge
from molmix.merge.methods.linear import Linear
from molmix.merge.search import search_weights
from molmix.merge.settings import Search
from molmix.metrics import Options
from molmix.metrics.scorer import CaptionScorer, scorer_settings
from tests.unit.merge.test_merging import full

GENERATION = {"max_new_tokens": 12, "batch_tokens": 1024, "temperature": 0.0, "top_p": 1.0}
OPTIONS = Options(judges={}, domain="text", vocabulary=None, wordnet=None)
PROMPTS = {"mol2cap": "{molecule} holds", "cap2mol": "{caption}"}
MOLECULES = ["carbon oxygen ring", "acid", "ring ring acid", "oxygen a carbon", "the molecule", "a ring", "the acid"]


# ---- candidates -----------------------------------------------------------------------------------------------


def test_a_grid_tries_every_combination_and_each_weight_of_every_parent() -> None:
    grid = Grid(algorithm="grid", values={"density": [0.2, 0.5], "weights": [0.25, 1.0]})
    sizes = grid.sizes(3)
    points = [*grid.candidates(sizes, {}, 16, 7)]
    assert len(points) == 2 * 2**3 and len({str(point) for point in points}) == 16
    assert points[0] == {"density": 0.2, "weights": [0.25] * 3} and points[-1] == {"density": 0.5, "weights": [1.0] * 3}


def test_a_grid_leaves_out_weights_that_are_all_zero() -> None:
    search = Search(
        merge={"method": "linear"}, by={"algorithm": "grid", "values": {"weights": [0, 0.5, 1.0]}}, budget=8
    )
    assert isinstance(search.for_parents(["a.sft", "a.dpo"], "merge.search.best"), Linear)
    points = [*search.by.candidates(search.by.sizes(2), {}, 8, 7)]
    assert {"weights": [0.0, 1.0]} in points and {"weights": [0.0, 0.0]} not in points and len(points) == 8
    with pytest.raises(MolmixError, match="the grid has 8 candidates, and `budget` is 7"):
        search.by.check("merge.search.best.by", search.by.sizes(2), 7)


def run_cma(budget: int, seed: int = 7) -> list[tuple[dict[str, Any], float]]:
    """Candidates and values of a search whose best point is density 0.3, weights 0.2 and 0.8."""
    cma = Cma(algorithm="cma", bounds={"density": (0.1, 1.0), "weights": (0.0, 1.0)})
    points = cma.candidates(cma.sizes(2), {"density": 0.9, "weights": (0.5, 0.5)}, budget, seed)
    tried, point = [], next(points)
    try:
        while True:
            far = [point["density"] - 0.3, point["weights"][0] - 0.2, point["weights"][1] - 0.8]
            tried.append((point, -sum(x * x for x in far)))
            point = points.send(tried[-1][1])
    except StopIteration:
        return tried


def test_cma_begins_with_the_merge_itself_keeps_to_bounds_and_budget_and_comes_near_the_best() -> None:
    tried = run_cma(90)
    assert len(tried) == 90 and tried[0][0] == {"density": 0.9, "weights": [0.5, 0.5]}
    assert all(0.1 <= point["density"] <= 1 and all(0 <= w <= 1 for w in point["weights"]) for point, _ in tried)
    assert max(value for _, value in tried) > -0.005 > tried[0][1]
    assert run_cma(90) == tried and run_cma(10) == tried[:10]  # the seed alone decides
    assert run_cma(90, seed=8) != tried


def test_points_are_rounded_as_tables_show_them() -> None:
    assert to_point({"t": 1, "weights": 2}, [0.123456, 1 / 3, 1]) == {"t": 0.1235, "weights": [0.3333, 1.0]}


# ---- a search whose best candidate is known -------------------------------------------------------------------


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [full(folder, name, seed) for seed, name in enumerate(("start", "one", "other"), start=1)]


@pytest.fixture(scope="module")
def validation(parents: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Molecules whose captions were written by the merge with t = 0.6."""
    folder = tmp_path_factory.mktemp("data")
    merge_at(parents, folder / "known", {"method": "slerp", "t": 0.6})
    asked = {"id": (MOLECULES, [f"{molecule} holds" for molecule in MOLECULES])}
    generate(
        manifest=folder / "known" / "manifest.json",
        prompts=asked,
        outs={"id": folder / "answers.parquet"},
        settings=GENERATION,
        seed=7,
        cache=folder / "cache",
    )
    texts = read_table(folder / "answers.parquet")["text"].to_pylist()
    rows = [{"id": m, "molecule": m, "caption": text} for m, text in zip(MOLECULES, texts, strict=True) if text]
    assert len(rows) > 2  # ROUGE of an empty reference is 0
    write_table(folder / "validation.parquet", rows, CORPUS)
    return folder / "validation.parquet"


def merge_at(parents: list[Path], out: Path, settings: dict[str, Any]) -> dict[str, Any]:
    start, *others = parents
    merge(model_id="m", parents=others, base=start, out=out, work=out / "work", settings=settings, seed=7)
    return read_json(out / "manifest.json")


@pytest.fixture
def search(parents: list[Path], validation: Path, tmp_path: Path) -> Any:
    def run(by: dict[str, Any], out: str = "search.json", **over: Any) -> dict[str, Any]:
        own = {"by": by, "metric": "rougeL", "budget": 20, "molecules": 64}
        scorer = scorer_settings(["rougeL"], OPTIONS, {}, {}, {}, "key")
        search_weights(
            model_id="m",
            parents=parents[1:],
            base=parents[0],
            validation=validation,
            prompts=PROMPTS,
            generation=GENERATION,
            settings={"method": "slerp", "t": 0.5} | over | {"search": own, "scorer": scorer},
            nli={},
            seed=7,
            first_seed=7,
            work=tmp_path / "work",
            out=tmp_path / out,
        )
        return read_json(tmp_path / out)

    return run


GRID = {"algorithm": "grid", "values": {"t": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]}}


@pytest.mark.slow
def test_the_search_finds_the_merge_that_wrote_the_references(search, parents, tmp_path) -> None:
    found = search(GRID)
    assert found["settings"] == {"t": 0.6} and found["value"] == 1.0 and found["tried"] == 6
    values = [one["value"] for one in found["candidates"]]
    assert values[3] == 1.0 and all(value < 1 for i, value in enumerate(values) if i != 3)
    settings = {"method": "slerp", "t": 0.5, "search": {"by": GRID, "metric": "rougeL", "budget": 20, "molecules": 64}}
    made = merge_at(parents, tmp_path / "made", found_settings(settings, tmp_path / "search.json"))
    plain = merge_at(parents, tmp_path / "plain", {"method": "slerp", "t": 0.6})
    assert made["weights"]["digest"] == plain["weights"]["digest"]
    assert made["settings"]["search"] | {"value": 1.0, "tried": 6} == made["settings"]["search"]


@pytest.mark.slow
def test_a_killed_search_merges_no_finished_candidate_again(search, tmp_path, monkeypatch) -> None:
    whole = search(GRID, "whole.json")
    for file in (tmp_path / "work").glob("*.jsonl"):
        file.unlink()
    measured, score = [], CaptionScorer.figures

    def dies(*given: Any) -> dict[str, float]:
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append(given[1])
        return score(*given)

    with monkeypatch.context() as patch:
        patch.setattr(CaptionScorer, "figures", dies)
        with pytest.raises(KeyboardInterrupt):
            search(GRID)
    again: list[list[str]] = []
    with monkeypatch.context() as patch:
        patch.setattr(CaptionScorer, "figures", lambda *given: again.append(given[1]) or score(*given))
        assert search(GRID) == whole and len(again) == 3
        assert search(GRID, dtype="bfloat16")["tried"] == 6 and len(again) == 9  # other weights, other figures
    assert not [*(tmp_path / "work").glob(".*")]


@pytest.mark.slow
def test_a_further_candidate_of_cma_costs_one_merge(search, monkeypatch) -> None:
    cma = {"algorithm": "cma", "bounds": {"t": [0.0, 1.0]}}
    found = search(cma)
    assert found["tried"] == 20 and found["candidates"][0]["settings"] == {"t": 0.5}
    assert found["value"] == max(one["value"] for one in found["candidates"]) >= found["candidates"][0]["value"]
    monkeypatch.setattr(CaptionScorer, "figures", lambda *_: pytest.fail("all candidates are known"))
    assert search(cma) == found
