"""The judge's definitions, by hand."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from molmix.judge import COLUMNS, OPERATIONS, Cross, judge, score

# Two generated atoms (rows), three reference atoms (columns).
# The first is entailed by reference 0, though the model also sees a (false) clash with reference 1, one way only.
# The second is entailed by nothing; it clashes with reference 2 both ways, with reference 0 one way only.
ENTAILMENT = [[0.9, 0.0, 0.1], [0.1, 0.2, 0.0]]
CONTRADICTION = [[0.05, 0.95, 0.0], [0.8, 0.1, 0.7]]
BACKWARD_ENTAILMENT = [[0.6, 0.0, 0.2], [0.0, 0.3, 0.1]]
BACKWARD_CONTRADICTION = [[0.0, 0.1, 0.1], [0.1, 0.0, 0.9]]
CROSS = Cross(*map(np.array, (ENTAILMENT, CONTRADICTION, BACKWARD_ENTAILMENT, BACKWARD_CONTRADICTION)))


@pytest.mark.parametrize(
    ("operation", "contradiction"),
    [
        ("max", [0.95, 0.8]),
        ("min", [0.0, 0.1]),
        ("mean", [1 / 3, 1.6 / 3]),
        ("aligned", [0.05, 0.7]),
    ],
)
def test_operations(operation: str, contradiction: list[float]) -> None:
    assert OPERATIONS[operation](CROSS) == pytest.approx(contradiction)
    assert score(CROSS, operation)["hallucination"] == pytest.approx(np.mean(contradiction))


def test_shares_and_coverage() -> None:
    scores = score(CROSS, "aligned")
    assert [scores[name] for name in ("supported", "contradicted", "unsupported")] == [0.5, 0.5, 0.0]
    assert scores["coverage"] == pytest.approx((0.6 + 0.3 + 0.2) / 3)
    assert score(CROSS, "min")["unsupported"] == 0.5  # nothing contradicts the second atom everywhere


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        # hallucination, supported, contradicted, unsupported, coverage
        ((0, 3), (0, 0, 0, 0, 0)),
        ((3, 0), (0, 0, 0, 1, np.nan)),
        ((0, 0), (0, 0, 0, 0, np.nan)),
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_atoms(shape: tuple[int, int], expected: tuple[float, ...], operation: str) -> None:
    scores = score(Cross(*[np.zeros(shape)] * 4), operation)
    assert np.array_equal([scores[name] for name in COLUMNS], expected, equal_nan=True)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_table_is_scored_like_its_captions_one_by_one(operation: str) -> None:
    rng = np.random.default_rng(0)
    shapes = [(2, 3), (1, 1), (0, 2), (2, 3), (4, 0), (5, 2), (2, 3)]
    crosses = [Cross(*rng.random((4, *shape), dtype=np.float32)) for shape in shapes]
    table = pa.table(
        {
            "id": [f"c{number}" for number in range(len(shapes))],
            "n_generated": pa.array([shape[0] for shape in shapes], pa.int32()),
            "n_reference": pa.array([shape[1] for shape in shapes], pa.int32()),
        }
        | {
            name: pa.array([getattr(cross, name).ravel() for cross in crosses], pa.list_(pa.float32()))
            for name in Cross.__dataclass_fields__
        }
    )
    # What was filtered or sliced on the way is judged alike.
    judged = judge(table.slice(1), operation).to_pylist()
    for row, cross in zip(judged, crosses[1:], strict=True):
        expected = [float(score(cross, operation)[name]) for name in COLUMNS]
        assert [row[name] for name in COLUMNS] == pytest.approx(expected, nan_ok=True)
    assert [row["id"] for row in judged] == table["id"].to_pylist()[1:]


def test_importing_it_is_cheap() -> None:
    code = "import sys, molmix.judge; print(*{'torch', 'transformers', 'pandas'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
