"""The judges' definitions: by hand, against the published formulas written down a second time, and where nothing is."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter, ValidationError

from molmix.core.errors import MolmixError
from molmix.judges.decompose.units import UNITS
from molmix.judges.kinds import DIRECTIONS, Judge, parse_judge, score_captions
from molmix.judges.kinds.atomic import OPERATIONS, count_verdicts
from molmix.judges.kinds.summac_conv import bin_edges, read_layers
from molmix.judges.matrices import PairMatrices

# Two generated atoms (rows), three reference atoms (columns).
# The first is entailed by reference 0, though the model also sees a (false) clash with reference 1, one way only.
# The second is entailed by nothing; it clashes with reference 2 both ways, with reference 0 one way only.
ENTAILMENT = [[0.9, 0.0, 0.1], [0.1, 0.2, 0.0]]
CONTRADICTION = [[0.05, 0.95, 0.0], [0.8, 0.1, 0.7]]
BACKWARD_ENTAILMENT = [[0.6, 0.0, 0.2], [0.0, 0.3, 0.1]]
BACKWARD_CONTRADICTION = [[0.0, 0.1, 0.1], [0.1, 0.0, 0.9]]
MATRICES = PairMatrices(*map(np.array, (ENTAILMENT, CONTRADICTION, BACKWARD_ENTAILMENT, BACKWARD_CONTRADICTION)))

# Learned layers in the layout of the published file: random numbers, and no model.
STATE = {
    "mlp.weight": np.random.default_rng(0).normal(size=(1, 23)).astype(np.float32),
    "mlp.bias": np.array([0.6], np.float32),
    "layer_final.weight": np.array([[0.1, 0.6, 0.5], [-0.4, -0.3, 0.3]], np.float32),
    "layer_final.bias": np.array([0.1, -0.2], np.float32),
}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    from safetensors.numpy import save_file

    path = tmp_path_factory.mktemp("conv") / "conv.safetensors"
    save_file(STATE, path)
    return str(path)


@pytest.fixture(scope="session")
def judges(weights: str) -> dict[str, dict[str, Any]]:
    """Settings of a judge of every kind, as the config dumps them."""
    given: list[dict[str, Any]] = [
        {"kind": "atomic"},
        {"kind": "cross_nli"},
        {"kind": "fulldoc"},
        {"kind": "summac_zs"},
        {"kind": "summac_conv", "weights": weights},
        {"kind": "minicheck"},
        {"kind": "alignscore"},
    ]
    return {judge["kind"]: TypeAdapter(Judge).validate_python(judge).model_dump() for judge in given}


KINDS = ("atomic", "cross_nli", "fulldoc", "summac_zs", "summac_conv", "minicheck", "alignscore")
CONSISTENT = KINDS[2:]


def table(several: list[PairMatrices]) -> pa.Table:
    """What the NLI stage would have written of these captions."""
    shapes = [matrices.forward_entailment.shape for matrices in several]
    return pa.table(
        {
            "id": [f"c{number}" for number in range(len(shapes))],
            "n_generated": pa.array([shape[0] for shape in shapes], pa.int32()),
            "n_reference": pa.array([shape[1] for shape in shapes], pa.int32()),
        }
        | {
            name: pa.array([getattr(matrices, name).ravel() for matrices in several], pa.list_(pa.float32()))
            for name in PairMatrices.__dataclass_fields__
        }
    )


def consistency(judge: dict[str, Any], entailment: np.ndarray, contradiction: np.ndarray | None = None) -> float:
    """One caption's score."""
    against = np.zeros_like(entailment) if contradiction is None else contradiction
    pairs = table([PairMatrices(entailment, against, entailment, against)])
    return score_captions(judge, pairs)["consistency"][0].as_py()


# ---- atomic ------------------------------------------------------------------------------------------------------


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
    assert OPERATIONS[operation](MATRICES) == pytest.approx(contradiction)
    assert count_verdicts(MATRICES, operation)["hallucination"] == pytest.approx(np.mean(contradiction))


def test_shares_and_coverage() -> None:
    scores = count_verdicts(MATRICES, "aligned")
    assert [scores[name] for name in ("supported", "contradicted", "unsupported")] == [0.5, 0.5, 0.0]
    assert scores["coverage"] == pytest.approx((0.6 + 0.3 + 0.2) / 3)
    assert count_verdicts(MATRICES, "min")["unsupported"] == 0.5  # nothing contradicts the second atom everywhere


def judged(settings: dict[str, Any], matrices: PairMatrices) -> dict[str, float]:
    """One caption's scores."""
    return score_captions(TypeAdapter(Judge).validate_python(settings).model_dump(), table([matrices])).to_pylist()[0]


def f1_by_hand(forward: list[list[float]], backward: list[list[float]], threshold: float) -> tuple[float, float, float]:
    """F1, precision and recall over mutual entailment, atom by atom."""

    def match(one: int, other: int) -> float:
        return min(min(forward[one][other], backward[one][other]) / threshold, 1.0)

    rows, columns = range(len(forward)), range(len(forward[0]))
    precision = sum(max(match(row, column) for column in columns) for row in rows) / len(rows)
    recall = sum(max(match(row, column) for row in rows) for column in columns) / len(columns)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0, precision, recall


F1 = ("atomic_f1", "atomic_precision", "atomic_recall")


@given(arrays(np.float32, (2, 3, 4), elements=st.floats(0, 1, width=32)), st.sampled_from([0.25, 0.5, 1.0]))
@settings(max_examples=50)
def test_f1_is_its_formula(entailments: np.ndarray, threshold: float) -> None:
    forward, backward = entailments
    scores = judged(
        {"kind": "atomic", "threshold": threshold}, PairMatrices(forward, 1 - forward, backward, 1 - backward)
    )
    expected = f1_by_hand(forward.tolist(), backward.tolist(), threshold)
    assert [scores[name] for name in F1] == pytest.approx(expected, abs=1e-6)


def test_f1_by_hand() -> None:
    # Mutual entailment: [[.6, 0, .1], [0, .2, 0]]; of at least a half: [[1, 0, .2], [0, .4, 0]].
    scores = judged({"kind": "atomic"}, MATRICES)
    precision, recall = (1 + 0.4) / 2, (1 + 0.4 + 0.2) / 3
    assert [scores[name] for name in F1] == pytest.approx([2 / (1 / precision + 1 / recall), precision, recall])
    soft = judged({"kind": "atomic", "threshold": 1}, MATRICES)
    assert soft["atomic_precision"] == pytest.approx((0.6 + 0.2) / 2)


def test_one_to_one_an_atom_supports_one_claim() -> None:
    # Two claims that are both matched by the first reference atom, and a reference atom that nobody states.
    entailment = np.array([[0.9, 0.0], [0.8, 0.1]])
    both = PairMatrices(entailment, 1 - entailment, entailment, 1 - entailment)
    best = judged({"kind": "atomic", "threshold": 1}, both)
    one = judged({"kind": "atomic", "threshold": 1, "alignment": "one_to_one"}, both)
    assert [best[name] for name in F1[1:]] == pytest.approx([0.85, 0.5])
    assert [one[name] for name in F1[1:]] == pytest.approx([(0.9 + 0.1) / 2, (0.9 + 0.1) / 2])
    assert one["hallucination"] == best["hallucination"]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((0, 3), {"coverage": 0, "atomic_f1": 0, "atomic_recall": 0}),
        ((3, 0), {"hallucination": 0, "supported": 0, "contradicted": 0, "unsupported": 1}),
        ((0, 0), {}),
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("alignment", ["best", "one_to_one"])
def test_no_atoms(shape: tuple[int, int], expected: dict[str, float], operation: str, alignment: str) -> None:
    settings = {"kind": "atomic", "operation": operation, "alignment": alignment}
    scores = judged(settings, PairMatrices(*[np.zeros(shape)] * 4))
    defined = {name: value for name, value in scores.items() if name in DIRECTIONS and not np.isnan(value)}
    assert defined == expected


# ---- consistency -------------------------------------------------------------------------------------------------


def test_consistency_by_hand(judges: dict[str, dict[str, Any]]) -> None:
    entailment, contradiction = np.array(ENTAILMENT), np.array(CONTRADICTION)
    for kind in ("minicheck", "alignscore"):
        assert consistency(judges[kind], entailment, contradiction) == pytest.approx((0.9 + 0.2) / 2)
    assert consistency(judges["fulldoc"], np.array([[0.7]]), np.array([[0.2]])) == pytest.approx(0.7)
    # The maxima are taken apart: -0.05 and -0.6, and not the best difference of one pair, 0.85 and 0.1.
    assert consistency(judges["summac_zs"], entailment, contradiction) == pytest.approx((-0.05 - 0.6) / 2)


def published_zs(image: np.ndarray) -> float:
    """SummaC-ZS of an image [2, reference, generated], as the published defaults have it."""
    return float(np.mean([max(image[0, :, j]) - max(image[1, :, j]) for j in range(image.shape[2])]))


def published_conv(image: np.ndarray, edges: list[float], state: dict[str, np.ndarray], labels: str) -> float:
    """SummaC-Conv of an image [2, reference, generated], in torch: histograms, rows of padding, two layers, softmax."""
    import torch

    rows = [
        np.concatenate([np.histogram(image["ec".index(label), :, j], bins=edges)[0] for label in labels])
        for j in range(image.shape[2])
    ][:10]
    padded = torch.zeros(10, len(labels) * (len(edges) - 1))
    padded[: len(rows)] = torch.tensor(np.array(rows), dtype=torch.float32)
    first, final = torch.nn.Linear(padded.shape[1], 1), torch.nn.Linear(3, 2)
    with torch.no_grad():
        for layer, name in ((first, "mlp"), (final, "layer_final")):
            layer.weight.copy_(torch.tensor(state[f"{name}.weight"]))
            layer.bias.copy_(torch.tensor(state[f"{name}.bias"]))
        filled = (padded.sum(1) != 0).sum()
        mean = first(padded)[:filled, 0].mean()
        return float(final(mean.repeat(3)).softmax(-1)[1])


def images(largest: int, unique: bool = False) -> st.SearchStrategy[np.ndarray]:
    """Entailment and contradiction [2, reference, generated] in float32, the bins' edges among them."""
    edges = np.array(bin_edges("percentile"), np.float32).tolist()
    values = st.one_of(st.floats(0, 1, width=32), st.sampled_from(edges))
    shapes = st.tuples(st.just(2), st.integers(1, largest), st.integers(1, largest))
    return shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=values, unique=unique))


@given(images(12))
@settings(max_examples=40)
def test_summac_as_published(judges: dict[str, dict[str, Any]], image: np.ndarray) -> None:
    entailment, contradiction = image.transpose(0, 2, 1)
    zs = consistency(judges["summac_zs"], entailment, contradiction)
    assert zs == pytest.approx(published_zs(image), abs=1e-6)
    conv = consistency(judges["summac_conv"], entailment, contradiction)
    expected = published_conv(image.astype(float), bin_edges("percentile"), STATE, "e")
    assert conv == pytest.approx(expected, abs=1e-4)  # the network's float32 under sums of up to 13 weights


@pytest.mark.parametrize(("bins", "labels"), [("percentile", "ec"), ("even50", "c"), ("even50", "ec"), ("even7", "e")])
def test_other_layers_of_summac_conv(bins: str, labels: str, tmp_path: Path) -> None:
    import torch

    rng = np.random.default_rng(1)
    edges = bin_edges(bins)
    state = STATE | {"mlp.weight": rng.normal(size=(1, len(labels) * (len(edges) - 1))).astype(np.float32)}
    path = tmp_path / "conv.bin"  # PyTorch's own format, as published
    torch.save({name: torch.tensor(tensor) for name, tensor in state.items()}, path)
    judge = {"kind": "summac_conv", "weights": str(path), "bins": bins, "labels": labels}
    for shape in ((2, 3, 4), (2, 1, 1), (2, 12, 12)):
        image = rng.random(shape, dtype=np.float32)
        expected = published_conv(image.astype(float), edges, state, labels)
        assert consistency(judge, *image.transpose(0, 2, 1)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("kind", CONSISTENT)
def test_a_side_without_units_gets_no_flattering_score(
    kind: str, shape: tuple[int, int], judges: dict[str, dict[str, Any]]
) -> None:
    expected = 0.0
    if kind.startswith("summac") and not shape[0]:
        expected = np.nan  # the lowest score of the others is 0
    elif kind == "summac_conv":
        expected = published_conv(np.zeros((2, 1, 1)), bin_edges("percentile"), STATE, "e")
    assert consistency(judges[kind], np.zeros(shape)) == pytest.approx(expected, abs=1e-6, nan_ok=True)


# What may be done to every matrix of a caption, and the kinds of judge that it makes a difference to.
CHANGES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], set[str]]] = {
    "the reference backwards": (lambda matrix: matrix[:, ::-1], set()),
    "the caption backwards": (lambda matrix: matrix[::-1], set()),
    "the caption said twice": (lambda matrix: np.concatenate([matrix, matrix]), set()),
    # Coverage is a mean over the reference's atoms, and SummaC-Conv counts its sentences.
    "a part of the reference said twice": (
        lambda matrix: np.concatenate([matrix, matrix[:, :1]], axis=1),
        {"atomic", "cross_nli", "summac_conv"},
    ),
}


@given(images(5, unique=True))  # between two atoms that it is about alike, `aligned` takes the first
@settings(max_examples=25)
@pytest.mark.parametrize("kind", KINDS)
def test_what_makes_no_difference(kind: str, judges: dict[str, dict[str, Any]], image: np.ndarray) -> None:
    entailment, contradiction = image.transpose(0, 2, 1)
    matrices = (entailment, contradiction, contradiction, entailment)
    same = [change for change, others in CHANGES.values() if kind not in others]
    several = [PairMatrices(*matrices), *(PairMatrices(*map(change, matrices)) for change in same)]
    judged = score_captions(judges[kind], table(several))
    for column in {*judged.column_names} & {*DIRECTIONS}:
        values = judged[column].to_numpy()
        assert values == pytest.approx(np.full(len(values), values[0]), abs=1e-6), column


# ---- tables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_scored_like_its_captions_one_by_one(kind: str, judges: dict[str, dict[str, Any]]) -> None:
    rng = np.random.default_rng(0)
    shapes = [(2, 3), (1, 1), (0, 2), (2, 3), (4, 0), (5, 2), (2, 3), (12, 1)]
    several = [PairMatrices(*rng.random((4, *shape), dtype=np.float32)) for shape in shapes]
    for judge in parse_judge(judges[kind]).variants().values():
        # What was filtered or sliced on the way is judged alike.
        judged = score_captions(judge, table(several).slice(1))
        assert judged.column_names == ["id", *parse_judge(judge).columns]
        assert judged["id"].to_pylist() == [f"c{number}" for number in range(1, len(shapes))]
        for row, matrices in zip(judged.to_pylist(), several[1:], strict=True):
            alone = score_captions(judge, table([matrices])).to_pylist()[0]
            assert {**row, "id": ""} == pytest.approx({**alone, "id": ""}, nan_ok=True, abs=1e-6)
        assert score_captions(judge, table(several)[:0]).num_rows == 0


def test_many_captions_take_a_second(judges: dict[str, dict[str, Any]]) -> None:
    rng = np.random.default_rng(0)
    shapes = rng.integers(0, 13, (22_000, 2)).astype(np.int32)
    cells = shapes.prod(axis=1)
    offsets = pa.array(np.concatenate([[0], np.cumsum(cells)]), pa.int32())
    flat = pa.array(rng.random(cells.sum(), dtype=np.float32))
    sizes = {
        "id": pa.array(np.arange(len(cells)).astype(str)),
        "n_generated": shapes[:, 0],
        "n_reference": shapes[:, 1],
    }
    pairs = pa.table(
        sizes | {name: pa.ListArray.from_arrays(offsets, flat) for name in PairMatrices.__dataclass_fields__}
    )
    for judge in judges.values():
        start = time.process_time()
        score_captions(judge, pairs)
        assert time.process_time() - start < 1, judge["kind"]


# ---- settings ----------------------------------------------------------------------------------------------------


def test_variants(judges: dict[str, dict[str, Any]]) -> None:
    assert parse_judge(judges["atomic"]).variants() == {
        name: judges["atomic"] | {"operation": name} for name in OPERATIONS
    }
    assert parse_judge(judges["fulldoc"]).variants() == {"": judges["fulldoc"]}


@pytest.mark.parametrize("kind", KINDS)
def test_facts_of_a_kind(kind: str, judges: dict[str, dict[str, Any]]) -> None:
    judge = TypeAdapter(Judge).validate_python(judges[kind])
    assert judge.nli == "embedded"
    assert {*judge.columns} <= {*DIRECTIONS, "n_generated", "n_reference"}
    for units in (judge.reference_units, judge.generated_units):
        assert units in UNITS or (units == "rules" and judge.decomposed_by == "rules")


def test_summac_can_keep_short_sentences() -> None:
    judge = TypeAdapter(Judge).validate_python({"kind": "summac_zs", "min_characters": 0})
    assert (judge.reference_units, judge.generated_units) == ("sentences", "sentences")


@pytest.mark.parametrize(
    "bad", [{"kind": "bertscore"}, {"kind": "fulldoc", "decomposer": "rules"}, {"kind": "summac_conv"}]
)
def test_refused_settings(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Judge).validate_python(bad)


def test_weights_that_do_not_fit_are_refused(weights: str, tmp_path: Path) -> None:
    with pytest.raises(MolmixError, match=r"mlp.weight \[1, 23\].* not mlp.weight \[1, 46\]"):
        read_layers(Path(weights), 2, 23)
    with pytest.raises(MolmixError, match="cannot be read as weights"):
        read_layers(tmp_path / "missing.bin", 1, 23)
    (tmp_path / "text.safetensors").write_text("no weights")
    with pytest.raises(MolmixError, match="cannot be read as weights"):
        read_layers(tmp_path / "text.safetensors", 1, 23)


def test_importing_it_is_cheap() -> None:
    heavy = {"torch", "transformers", "pandas", "numpy", "pyarrow"}
    code = f"import sys, molmix.judges.kinds; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
