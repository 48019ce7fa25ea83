"""Figures of studies of every shape: what is drawn is what the tables hold, and no word touches another or the edge."""

import copy
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from molmix.config import loading
from molmix.core.errors import MolmixError
from molmix.metrics import Metric, Options, all_metrics
from molmix.pipeline import model_table
from molmix.report.plots.ablations import draw_ablation
from molmix.report.plots.cost import cost, read_benchmarks
from molmix.report.plots.distribution import distribution
from molmix.report.plots.effects import effects
from molmix.report.plots.figures import draw_figures
from molmix.report.plots.judges import draw_judges
from molmix.report.plots.learning import preferences, rewards
from molmix.report.plots.merges import matrix, merges, set_matrix
from molmix.report.plots.points import label_positions, point_styles
from molmix.report.plots.results import Results, read_result_table
from molmix.report.plots.style import save, save_svg, settle, style
from molmix.report.plots.tradeoff import tradeoff
from molmix.report.plots.training import training
from tests.commands import ROOT
from tests.graph.conftest import MICRO

TESTS = ("id", "ood")


class Recorder(RendererAgg):
    """Remembers where every text is drawn."""

    def __init__(self, figure: Figure):
        super().__init__(*(int(size) for size in figure.bbox.size), figure.dpi)
        self.texts: list[tuple[str, Bbox]] = []

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        if mtext:
            self.texts.append((s, Text.get_window_extent(mtext, self)))  # without the line that leads to a point
        else:  # a line of several, from the left end of its baseline, counted from the top
            width, height, descent = self.get_text_width_height_descent(s, prop, ismath)
            self.texts.append((s, Bbox.from_bounds(x, self.height - y - descent, width, height)))


def read_off(figure: Figure) -> list[str]:
    """Every text of a figure; none lies over another or over the edge."""
    settle(figure)
    recorder = Recorder(figure)
    figure.draw(recorder)
    width, height = figure.bbox.size
    for text, box in recorder.texts:
        inside = box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1
        assert inside, f"{text!r} is cut off"
    for (one, a), (other, b) in combinations(recorder.texts, 2):
        apart = min(a.x1, b.x1) - max(a.x0, b.x0) < 1 or min(a.y1, b.y1) - max(a.y0, b.y0) < 1
        assert apart, f"{one!r} lies over {other!r}"
    return [text for text, _ in recorder.texts]


def rows_of(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    keys = ("kind", "method", "seed", "start", "unseeded")
    return {
        name: {key: getattr(row, key) for key in keys} | {"parents": list(row.parents)}
        for name, row in model_table.build(loading.parse(study)).items()
    }


def metrics_of(study: dict[str, Any]) -> tuple[Metric, ...]:
    parsed = loading.parse(study)
    judges = {name: judge.model_dump() for name, judge in parsed.judges.items()}
    return all_metrics(Options(judges=judges, domain="molecules", vocabulary=None, wordnet=None))


def results_of(study: dict[str, Any], *, empty: bool = False) -> Results:
    """Tables of a study as its rules write them, with figures that are drawn by chance, or with none."""
    models, metrics = rows_of(study), metrics_of(study)
    shown = [metric for metric in metrics if metric.headline and metric.column not in ("valid", "exact", "morgan")]
    shown += [metric for metric in metrics if metric.column in ("atomic_precision", "atomic_recall")]
    generator = np.random.default_rng(4)
    figures = {key: np.nan if empty else generator.beta(2, 5) for key in _keys(TESTS, models, shown)}
    board = pd.DataFrame([{"model": model, "test": test} for test in TESTS for model in models])
    for metric in shown:
        value = np.array([figures[test, model, metric.column] for model, test in board[["model", "test"]].to_numpy()])
        board[[metric.column, f"{metric.column}_low", f"{metric.column}_high"]] = np.stack(
            [value, value - 0.02, value + 0.03], axis=1
        )
    compared, merged = [], []
    for (test, model, column), value in figures.items():
        row = models[model]
        if row["start"]:
            gap = value - figures[test, row["start"], column]
            verdict = "" if empty or abs(gap) < 0.1 else "better" if gap > 0 else "worse"
            ends = {"difference": gap, "difference_low": gap - 0.04, "difference_high": gap + 0.04}
            compared.append(
                {"test": test, "metric": column, "sort": "start", "model": model, "verdict": verdict} | ends
            )
        if row["kind"] == "merged":
            sides = dict(zip(("first", "second", "third"), row["parents"], strict=False))
            said = {f"{side}_value": figures[test, parent, column] for side, parent in sides.items()}
            said |= {f"{side}_verdict": "better" if value > said[f"{side}_value"] else "" for side in sides}
            own = {"start": row["start"], "seed": row["seed"], "merge": row["method"], "model": model, "value": value}
            merged.append({"test": test, "metric": column} | sides | said | own)
    columns = ["test", "metric", "sort", "model", "verdict", "difference", "difference_low", "difference_high"]
    return Results(models, metrics, board, pd.DataFrame(compared, columns=columns), pd.DataFrame(merged))


def _keys(tests, models, metrics):
    return [(test, model, metric.column) for test in tests for model in models for metric in metrics]


def systems(number: int) -> dict[str, Any]:
    """A study of captions from elsewhere alone."""
    files = {"id": {"path": "id.csv"}, "ood": {"path": "ood.csv"}}
    source = {"source": {"kind": "file", "path": "references.csv"}}
    return {
        "data": {"tests": {"id": source, "ood": source}},
        "systems": [{"name": f"system-{index}", "predictions": files} for index in range(number)],
    }


def two_tests(study: dict[str, Any]) -> dict[str, Any]:
    study = copy.deepcopy(study)
    study["data"]["tests"] = {test: {"source": {"kind": "demo", "split": test}} for test in TESTS}
    return study


def many_methods() -> dict[str, Any]:
    study = two_tests(MICRO)
    study["align"] = {f"a-{index}": {"method": "sft", "starts": ["mol2cap"]} for index in range(9)}
    return study


DEFAULT = loading.read_yaml(ROOT / "config/config.yaml")
STUDIES = {
    "default": (DEFAULT, False),
    "seeds": (two_tests(MICRO) | {"seeds": [1, 2, 3]}, False),
    "many methods": (many_methods(), False),
    "one system": (systems(1), False),
    "a thousand systems": (systems(1000), False),
    "nothing defined": (two_tests(MICRO), True),
}


@pytest.fixture(scope="module", params=STUDIES)
def results(request) -> Results:
    study, empty = STUDIES[request.param]
    return results_of(study, empty=empty)


@pytest.fixture(autouse=True)
def styled():
    with style():
        yield


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tradeoff", "distribution", "effects", "merges"])
def test_no_word_touches_another_whatever_the_study(kind: str, results: Results, tmp_path: Path) -> None:
    if kind == "merges" and results.merges.empty:
        pytest.skip("a study without merges has no such figure")
    figure = {
        "tradeoff": lambda: tradeoff(results, TESTS),
        "distribution": lambda: distribution(results, *TESTS),
        "effects": lambda: effects(results, "id"),
        "merges": lambda: merges(results, "id"),
    }[kind]()
    said = " ".join(read_off(figure))
    assert figure.get_figwidth() <= 6.81 and figure.get_figheight() <= 9.5
    if len(results.models) == 1000 and kind in ("tradeoff", "distribution"):
        assert " of 1000 models" in said
    save_svg(figure, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size < 1_000_000


@pytest.mark.slow
def test_processes_draw_what_one_draws_and_pass_on_what_is_wrong(tmp_path: Path) -> None:
    results = results_of(two_tests(MICRO))
    for name in ("leaderboard", "comparisons"):
        getattr(results, name).to_csv(tmp_path / f"{name}.csv", index=False)
    study = {
        "models": results.models,
        "logs": {},
        "benchmarks": tmp_path,
        "options": asdict(Options({}, None, None, "")),
    }
    figures = {test: {"kind": "effects", "tests": [test]} for test in TESTS}
    drawn = []
    for processes in (1, 2, 3):
        draw_figures(figures=figures, processes=processes, tables=tmp_path, out=tmp_path / str(processes), **study)
        drawn.append({path.name: path.read_bytes() for path in (tmp_path / str(processes)).iterdir()})
    assert drawn[0].keys() == {"id.svg", "id.png", "ood.svg", "ood.png"}
    assert drawn[0] == drawn[1] == drawn[2]
    with pytest.raises(MolmixError, match=r"gone/leaderboard\.csv: cannot be read"):
        draw_figures(figures=figures, processes=2, tables=tmp_path / "gone", out=tmp_path, **study)


def test_points_stand_where_the_leaderboard_says() -> None:
    results = results_of(DEFAULT)
    figure = tradeoff(results, ["id"])
    (axes,) = figure.subfigs[0].axes
    board = results.leaderboard[results.leaderboard["test"] == "id"].set_index("model")
    drawn = {line.get_label(): line.get_xydata()[0] for line in axes.lines if line.get_label() in results.models}
    assert set(drawn) == set(results.models)
    for model, point in drawn.items():
        assert tuple(point) == pytest.approx(tuple(board.loc[model, ["atomic_recall", "atomic_precision"]]))
    numbers = {text.get_text(): text.xy for text in axes.texts}
    for number, model in enumerate(results.models, start=1):  # every point has its number, and the key says whose
        assert numbers[str(number)] == pytest.approx(tuple(drawn[model]))
    key = [text.get_text() for text in figure.subfigs[1].legends[0].get_texts()]
    assert key[:2] == ["1 agnostic", "2 mol2cap"] and len(key) == len(results.models)


def test_no_two_models_of_the_default_study_look_alike() -> None:
    styles = point_styles(results_of(DEFAULT).models, list(results_of(DEFAULT).models))
    looks = {(look["marker"], look["fillstyle"], str(look["markerfacecolor"])) for look in styles.values()}
    assert len(looks) == len(styles) > 20
    # The fill is the same for all that was made from the same models, so merge methods can be compared.
    ties, linear = styles["agnostic.sft_dpo.ties"], styles["agnostic.sft_dpo.linear"]
    assert ties["marker"] != linear["marker"] and ties["fillstyle"] == linear["fillstyle"]


def test_both_test_sets_and_their_intervals_are_drawn() -> None:
    results = results_of(two_tests(MICRO))
    figure = distribution(results, *TESTS)
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == "coverage ↑")
    for test, line in zip(TESTS, axes.lines, strict=True):
        held = results.figures(test, "coverage")
        assert line.get_xdata() == pytest.approx(held["value"].to_numpy())
    ends = np.array([segment[:, 0] for lines in axes.collections[1:] for segment in lines.get_segments()])
    held = np.concatenate([results.figures(test, "coverage")[["low", "high"]] for test in TESTS])
    assert ends == pytest.approx(held)


def test_a_star_stands_where_the_comparison_has_a_verdict() -> None:
    results = results_of(two_tests(MICRO))
    own = results.comparisons[(results.comparisons["test"] == "id") & (results.comparisons["metric"] == "coverage")]
    axes = effects(results, "id").axes[2]
    assert axes.get_title(loc="left") == "coverage ↑"
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(own["difference"].tolist())
    assert [text.xy[1] for text in axes.texts] == [row for row, said in enumerate(own["verdict"]) if said]


def test_a_merge_is_marked_where_it_beats_both_parents() -> None:
    rows = pd.DataFrame(
        [
            {"first": "s.a", "second": "s.b", "value": 0.5, "first_value": 0.2, "second_value": 0.3}
            | {"first_verdict": "better", "second_verdict": "better"},
            {"first": "s.a", "second": "s.c", "value": 0.1, "first_value": 0.2, "second_value": 0.4}
            | {"first_verdict": "worse", "second_verdict": ""},
        ]
    )
    made = matrix(rows, ["s.a", "s.b", "s.c"])
    assert np.array_equal(made.cells, [[0.2, 0.5, 0.1], [np.nan, 0.3, np.nan], [np.nan, np.nan, 0.4]], equal_nan=True)
    assert made.signs.tolist() == [["", "▲", ""], ["", "", ""], ["", "", ""]]


def test_sets_of_three_have_a_row_each_beside_the_matrix_of_pairs() -> None:
    study = copy.deepcopy(DEFAULT)
    study["align"]["kto"]["starts"] = study["merge"]["starts"] = ["agnostic"]
    study["merge"]["of"] = [["sft", "dpo", "cpo"], ["sft", "dpo", "kto"], ["start", "sft"], ["sft", "dpo"]]
    study["merge"]["methods"] = {name: {"method": name} for name in ("slerp", "ties", "linear")}
    results = results_of(study)
    figure = merges(results, "id")
    said = read_off(figure)
    assert {"sft + dpo + cpo", "sft + dpo + kto"} <= set(said)
    assert any("in the last matrices each row is the merge of its models" in text for text in said)
    own = results.merges[(results.merges["test"] == "id") & (results.merges["merge"] == "ties")]
    own = own[own["third"].notna() & (own["metric"] == own["metric"].iloc[0])]
    assert own["parents" if "parents" in own else "third"].tolist() == ["agnostic.cpo", "agnostic.kto"]
    made = set_matrix(
        own.assign(parents=[tuple(results.models[model]["parents"]) for model in own["model"]]),
        [tuple(results.models[model]["parents"]) for model in own["model"]],
    )
    assert made.cells[:, 0].tolist() == own["value"].tolist()
    better = own[["first_verdict", "second_verdict", "third_verdict"]].eq("better").all(axis=1)
    assert made.signs[:, 0].tolist() == ["▲" if all_better else "" for all_better in better]


def test_curves_of_training_hold_every_loss() -> None:
    models = rows_of(two_tests(MICRO) | {"seeds": [1, 2]})
    steps = np.arange(1, 31)
    logs = {
        model: pd.DataFrame({"step": steps, "loss": 5 / steps, "eval_loss": np.where(steps % 10 == 0, 0.5, np.nan)})
        for model, row in models.items()
        if row["kind"] == "aligned"
    }
    logs["agnostic"] = pd.DataFrame({"step": np.arange(1, 100_001), "loss": np.full(100_000, 2.0)})
    figure = training(models, logs)
    said = read_off(figure)
    panels = {axes.get_title(loc="left"): axes for axes in figure.subfigs[0].axes if axes.get_visible()}
    assert set(panels) == {"initial models", "sft", "dpo", "cpo", "kto"} and "both.slerp" in said
    lines = {line.get_label(): line for line in panels["sft"].lines}
    assert lines["mol2cap.sft"].get_ydata() == pytest.approx(5 / steps)
    assert {"mol2cap.sft", "mol2cap.sft-s2"} <= set(lines)
    assert any(np.array_equal(line.get_xdata(), [10, 20, 30]) for line in panels["sft"].lines)
    (long,) = (line for line in panels["initial models"].lines if line.get_label() == "agnostic")
    assert len(long.get_xdata()) == 60 and set(long.get_ydata()) == {2.0}


def test_curves_of_rewards_hold_every_evaluation() -> None:
    steps = np.arange(0, 31)
    sampled = np.where(steps > 0, steps / 30, np.nan)
    log = pd.DataFrame({"step": steps, "reward": sampled, "kl": sampled, "loss": sampled})
    log["eval_f1"] = np.where(steps % 10 == 0, 0.4, np.nan)
    figure = rewards({"sft.grpo": log, "other.grpo": log.drop(columns="kl")}, {"bleu4": "BLEU-4", "f1": "fact F1"})
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}
    assert list(panels) == ["reward", "KL from the start [nats]", "fact F1"]
    assert [len(axes.lines) for axes in panels.values()] == [2, 1, 2]
    assert panels["reward"].lines[0].get_ydata() == pytest.approx(steps[1:] / 30)
    assert panels["fact F1"].lines[0].get_xdata().tolist() == [0, 10, 20, 30]
    assert {"sft.grpo", "other.grpo"} <= set(read_off(figure))
    assert read_off(rewards({}, {})) == ["no model learned from rewards"]


def test_curves_of_pairs_hold_log_probabilities_margins_and_captions() -> None:
    steps = np.arange(1, 21)
    log = pd.DataFrame({"step": steps, "logps/chosen": -steps, "rewards/margins": steps / 20.0, "loss": 1.0 / steps})
    log["eval_rougeL"] = np.where(steps % 10 == 0, 0.3, np.nan)
    figure = preferences({"a.sft.dpo": log, "a.cpo": log.drop(columns="eval_rougeL")}, {"rougeL": "ROUGE-L"})
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}
    assert set(panels) == {"log p of chosen [nats]", "margin of the pair", "ROUGE-L"}
    assert [len(axes.lines) for axes in panels.values()] == [2, 2, 1]
    assert list(panels["log p of chosen [nats]"].lines[0].get_ydata()) == [-step for step in steps]
    assert list(panels["ROUGE-L"].lines[0].get_xdata()) == [10, 20]


def test_cost_is_told_by_rule(tmp_path: Path) -> None:
    head = "s\th:m:s\tmax_rss\tmax_vms\tcpu_time\n"
    for path, seconds, memory in [("align/a.b", 30, 700), ("align/c", 50, 900), ("score/m", 2, "-"), ("world", 1, 90)]:
        file = tmp_path / f"{path}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{head}{seconds}\t0\t{memory}\t1\t{seconds / 2}\n")
    (tmp_path / "torn.tsv").write_text("")
    jobs = read_benchmarks(tmp_path)
    assert jobs.groupby("rule")["seconds"].sum().to_dict() == {"align": 80, "score": 2, "world": 1}
    assert jobs.groupby("rule")["cpu"].sum().to_dict() == {"align": 40, "score": 1, "world": 0.5}
    assert jobs.set_index("rule")["megabytes"].isna().to_dict() == {"align": False, "score": True, "world": False}
    said = read_off(cost(jobs))
    assert [text for text in said if text.endswith(("(1)", "(2)"))] == ["align (2)", "score (1)", "world (1)"]
    read_off(cost(read_benchmarks(tmp_path / "none")))


def test_labels_keep_off_each_other_and_off_points() -> None:
    points = np.random.default_rng(1).normal(100, 12, (40, 2))
    sizes = np.tile([8.0, 5.0], (40, 1))
    found = label_positions(points, sizes, np.array([[0, 0], [200, 200]]), radius=2, others=np.empty((0, 2)))
    assert not np.isnan(found).any()
    for one, other in combinations(range(40), 2):
        assert (np.abs(found[one] - found[other]) >= sizes[0]).any()
    assert all((np.abs(found - point) >= sizes / 2 + 2).any(axis=1).all() for point in points)
    nowhere = label_positions(points, sizes, np.array([[0, 0], [1, 1]]), radius=2, others=np.empty((0, 2)))
    assert np.isnan(nowhere).all()


def test_equal_figures_are_equal_bytes_and_bear_no_date(tmp_path: Path) -> None:
    results = results_of(two_tests(MICRO))
    for name in ("one", "two"):
        save(tradeoff(results, TESTS), tmp_path / f"{name}.svg", tmp_path / f"{name}.png")
    for suffix in (".svg", ".png"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    text = (tmp_path / "one.svg").read_text()
    assert "dc:date" not in text and ">1 agnostic<" in text


def test_models_may_be_called_na_or_a_number(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model,test,verdict,coverage\nNA,01,,0.5\n007,01,better,\n")
    frame = read_result_table(tmp_path / "t.csv")
    assert frame["model"].tolist() == ["NA", "007"] and frame["test"].tolist() == ["01", "01"]
    assert frame["verdict"].tolist() == ["", "better"] and np.isnan(frame["coverage"][1])
    with pytest.raises(MolmixError, match=r"none.csv: cannot be read"):
        read_result_table(tmp_path / "none.csv")


UNBALANCED = "cost in $: $x and $\\frac{1}$"  # three `$`, and what mathtext cannot parse between two of them


def test_a_dollar_sign_in_an_ablation_is_text(tmp_path: Path) -> None:
    """matplotlib takes text between two `$` for a formula: a title such as this one ended the run."""
    metric = next(metric for metric in metrics_of(MICRO) if metric.headline)
    row = {"test": "id", "metric": metric.column, "value": 0.2, "low": 0.1, "high": 0.3}
    row |= {"difference": 0.1, "difference_low": 0.0, "difference_high": 0.2, "family": 1, "verdict": ""}
    options = vars(Options(judges={"atomic": {"kind": "atomic"}}, domain="molecules", vocabulary=None, wordnet=None))
    for arms in (["$a$ $\\x$", "b"], ["0.1", "1"]):
        pd.DataFrame([row | {"arm": arm} for arm in arms]).to_csv(tmp_path / "t.csv", index=False)
        svg, png = tmp_path / "a.svg", tmp_path / "a.png"
        draw_ablation(tmp_path / "t.csv", title=UNBALANCED, factor="$a $\\b$ $", options=options, svg=svg, png=png)
        assert "cost in $: $x and $\\frac{1}$" in svg.read_text()


@pytest.mark.parametrize("text", [UNBALANCED, "$\\frac$"])
def test_a_dollar_sign_in_a_name_is_text(text: str) -> None:
    results = results_of(two_tests(MICRO))
    log = pd.DataFrame({"step": [1, 2], "loss": [1.0, 0.5]})
    initial = {text: {"kind": "initial", "start": None, "method": "pretrained"}}
    assert text in read_off(training(initial, {text: log}))
    assert any(text in said for said in read_off(distribution(renamed(results, "ood", text), "id", text)))


def renamed(results: Results, test: str, name: str) -> Results:
    """The same results with another name of a test set."""
    tables = [table.replace({"test": {test: name}}) for table in (results.leaderboard, results.comparisons)]
    return Results(results.models, results.metrics, *tables, results.merges)


def test_nothing_to_draw_is_a_figure_that_says_so(tmp_path: Path) -> None:
    """No reference has a statement to edit, no model was trained, no arm has a value: these ended the run."""
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    columns = [
        "author",
        "kind",
        "edit",
        "column",
        "k",
        "auroc",
        "change",
        "change_low",
        "change_high",
        "deviation",
        "better",
    ]
    draw_judges(pd.DataFrame(columns=columns), svg=svg, png=png)
    assert "no caption could be edited" in svg.read_text() and png.stat().st_size > 0
    draw_judges(pd.DataFrame([dict.fromkeys(columns) | {"kind": "control", "edit": "none"}]), svg=svg, png=png)
    assert "no caption could be edited" in svg.read_text()
    assert read_off(training({}, {})) == ["no model was trained"]
    assert read_off(tradeoff(results_of(two_tests(MICRO)), [])) == ["no test set has captions to judge"]
    (tmp_path / "t.csv").write_text(
        "test,metric,arm,value,low,high,difference,difference_low,difference_high,verdict\n"
    )
    options = vars(Options(judges={}, domain="molecules", vocabulary=None, wordnet=None))
    draw_ablation(tmp_path / "t.csv", title="t", factor="f", options=options, svg=svg, png=png)
    assert "no arm has a value" in svg.read_text()


def test_cells_of_all_matrices_have_one_width() -> None:
    study = copy.deepcopy(DEFAULT)
    study["merge"]["starts"] = ["agnostic", "agnostic.sft"]
    results = results_of(study)
    shown = [axes for axes in merges(results, "id").axes if axes.images]
    sizes = {axes.images[0].get_array().shape[1] for axes in shown}
    assert len(sizes) > 1, "groups of two and of more models"
    assert {axes.get_xlim() for axes in shown} == {(-0.5, max(sizes) - 0.5)}
