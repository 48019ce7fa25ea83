"""What a study will cost: hours from benchmarks and from what the user states, and disk."""

from dataclasses import replace
from pathlib import Path

import pytest

from molmix import cli
from molmix.config import loading, schema
from molmix.core.files import write_json
from molmix.core.settings import Hardware
from molmix.models import sizes as shapes
from molmix.pipeline import model_table
from molmix.pipeline.plan.counts import Corpus, Counts, count
from molmix.pipeline.plan.disk import held
from molmix.pipeline.plan.shapes import sizes
from molmix.pipeline.plan.times import Estimator, Stage, Stated, stages
from molmix.pipeline.status.graph import Job, jobs

ROOT = Path(__file__).resolve().parents[3]
STATED = Stated(100e12, 1e12, 150, 80)
OWN = Corpus(1000, 5, {0.1: 100})
ROWS = Counts({"": OWN}, {"lpm24": 20, "chebi20": 10}, True)


@pytest.fixture(scope="module")
def paper() -> schema.Config:
    return loading.load(ROOT / "config/paper.yaml")


def test_published_sizes_are_those_that_their_names_say(paper: schema.Config) -> None:
    found = {name: shapes.PUBLISHED[spec.id] for name, spec in paper.initial.items()}
    billions = {name: shape.parameters / 1e9 for name, shape in found.items()}
    assert billions["agnostic"] == pytest.approx(6.7, abs=0.1)
    assert billions["molt5-small"] == pytest.approx(0.077, abs=0.002)
    assert billions["molt5-base"] == pytest.approx(0.25, abs=0.01)
    assert billions["molt5-large"] == pytest.approx(0.78, abs=0.03)


def job(rule: str, name: str, needed: bool = True) -> Job:
    benchmark = Path(f"results/paper/benchmarks/{rule}/{name}.tsv")
    return Job(rule, name, (f"{rule}/{name}",), Path("log"), benchmark, needed)


def plan(study: schema.Config, *jobs: Job, rows: Counts | None = ROWS) -> dict[str, Stage]:
    models = model_table.build(study)
    return stages(jobs, "paper", Estimator(study, models, sizes(study, models), rows, STATED, STATED))


def test_hours_are_computed_from_what_is_stated_where_nothing_ran(paper, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = plan(paper, job("align", "cap2mol.sft"), job("align", "cap2mol.dpo"), job("score", "cap2mol"))
    assert found["align"].measured == found["align"].unknown == 0 and found["align"].gpu > 0
    assert found["score"].unknown == 1, "no device tells how long a job without a model takes"
    seen = 6_738_554_880 * 230 * (4 * 100 + 2 * 5) / 100e12  # weights, tokens, operations, those a second
    assert seen <= found["align"].gpu < 20 * seen  # more passes over the rows, a second text, a reference
    names = {"merge": "universal.slerp", "decompose": "llama/cap2mol", "nli": "atomic/cap2mol"}
    others = plan(paper, *(job(rule, name) for rule, name in names.items()))
    assert all(stage.unknown == 1 for stage in others.values()), "how many pairs are new to the cache is not known"
    many = replace(ROWS, corpora={"": Corpus(1_000_000, 5, {0.1: 100_000})})
    one, other = (plan(paper, job("align", f"cap2mol.{name}"), rows=many)["align"] for name in ("sft", "dpo"))
    assert other.gpu == pytest.approx(3 * one.gpu, rel=0.01)  # a pair has two texts, and a reference reads them too


def test_rates_of_a_gpu_count_for_jobs_on_a_gpu_alone(paper: schema.Config, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    without = paper.model_copy(update={"hardware": Hardware()})
    models = model_table.build(without)
    shown, slow = sizes(without, models), Stated(0.1e12, 0.01e12, 150, 80)
    of_gpu = stages([job("align", "cap2mol.sft")], "paper", Estimator(without, models, shown, ROWS, STATED))["align"]
    assert (of_gpu.unknown, of_gpu.gpu, of_gpu.cpu) == (1, 0.0, 0.0)
    of_cpu = stages([job("align", "cap2mol.sft")], "paper", Estimator(without, models, shown, ROWS, STATED, slow))
    assert of_cpu["align"].gpu == 0.0
    assert of_cpu["align"].cpu == pytest.approx(1000 * plan(paper, job("align", "cap2mol.sft"))["align"].gpu)


def test_rejected_texts_of_a_further_corpus_are_jobs_of_their_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = ROOT / "config/ablations.yaml"
    found = [job for job in jobs(path, ["ablation_corpus"]) if job.rule in ("generate_rejected", "pairs")]
    assert {(job.rule, job.name) for job in found} == {
        ("generate_rejected", "mol2cap"),
        ("generate_rejected", "corpora/others/mol2cap"),
        ("pairs", "share-0.051"),
        ("pairs", "corpora/others/share-1.0"),
    }
    study = loading.load(path)
    models = model_table.build(study)

    def generate_rejected(others: int) -> Stage:
        corpora = {"": OWN, "others": Corpus(others, 5, {0.1: others // 10, 1.0: others})}
        estimator = Estimator(study, models, sizes(study, models), replace(ROWS, corpora=corpora), STATED, STATED)
        return stages(found, "none", estimator)["generate_rejected"]

    assert (generate_rejected(500).jobs, generate_rejected(500).unknown) == (2, 0)
    one, other = (generate_rejected(others).cpu for others in (500, 10**7))
    assert other > 100 * one > 0  # for the largest share, of each corpus


def test_a_training_costs_what_its_share_of_its_corpus_does(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = loading.load(ROOT / "config/ablations.yaml")
    models, rows = model_table.build(study), count(study)
    assert rows and not rows.known and rows.corpora["others"].train < rows.corpora[""].train
    estimator = Estimator(study, models, sizes(study, models), rows, STATED, STATED)

    def seconds(model: str) -> float:
        return estimator.seconds(job("align", f"agnostic.{model}")) or 0

    assert seconds("sft-100") == pytest.approx(10 * seconds("sft"), rel=0.1)
    assert seconds("sft-1") < seconds("sft") / 5
    assert seconds("sft-others") < seconds("sft-100") / 5  # all of the smaller corpus


def test_rows_of_the_hub_are_known_by_split_and_slice(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = count(loading.load(ROOT / "config/druglike.yaml"))
    assert rows and rows.tests == {"druglike": 1000, "chebi20": 1000}
    assert rows.corpora[""].train + rows.corpora[""].validation == 200_000
    assert rows.corpora["chebi20"].train + rows.corpora["chebi20"].validation == 26_407


def test_jobs_that_are_done_cost_nothing(paper) -> None:
    assert plan(paper, job("score", "cap2mol", needed=False)) == {}


def test_what_ran_before_is_measured(paper, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for run, rule, name, seconds in (
        ("paper", "align", "cap2mol.sft", 600),
        ("paper", "generate", "agnostic", 60),
        ("other", "align", "cap2mol.dpo", 5),
        ("other", "score", "x", 3),
    ):
        path = tmp_path / f"results/{run}/benchmarks/{rule}/{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tcpu_time\n{seconds}\t{seconds * 2}\n")
    jobs = {"align": "cap2mol.dpo", "generate": "agnostic", "score": "cap2mol", "nli": "atomic/cap2mol"}
    found = plan(paper, *(job(rule, name) for rule, name in jobs.items()))
    align = found["align"]
    assert (align.measured, align.gpu, align.cpu) == (1, 600, 1200)  # by this run's training, not by the other's
    assert (found["generate"].measured, found["generate"].gpu) == (1, 60)
    assert (found["score"].measured, found["score"].gpu, found["score"].cpu) == (1, 0, 6)  # loads no model: any run's
    assert found["nli"].measured == 0


def test_what_is_not_known_is_said(paper, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # where nothing was measured
    found = plan(paper, job("align", "cap2mol.sft"), job("score", "cap2mol"), rows=None)
    assert found["align"].unknown == 1 and found["score"].unknown == 1


def test_where_nothing_is_stated_hours_are_measured_or_not_known(paper, tmp_path, monkeypatch) -> None:
    """A study on a laptop was told hours at the rates of an A100."""
    monkeypatch.chdir(tmp_path)
    demo = loading.load(ROOT / "config/config.yaml")
    for study, name in ((paper, "cap2mol.sft"), (demo, "mol2cap.sft")):
        models = model_table.build(study)
        estimator = Estimator(study, models, sizes(study, models), ROWS)
        found = stages([job("align", name), job("nli", f"{next(iter(study.judges))}/mol2cap")], "paper", estimator)
        assert [(stage.unknown, stage.gpu, stage.cpu) for stage in found.values()] == [(1, 0, 0)] * 2


def test_hours_on_a_gpu_are_those_of_stages_that_ask_for_one() -> None:
    content = loading.read_yaml(ROOT / "config/config.yaml")
    for gpus in (0, 1):
        study = loading.parse(content | {"hardware": {"gpus": {"align": gpus}}})
        found = plan(study, job("align", "mol2cap.sft"))["align"]
        assert found.cpu > 0 and (found.gpu > 0) == bool(gpus)


def test_captions_are_those_that_language_models_decompose(paper) -> None:
    found = plan(paper, job("decompose", "llama/cap2mol"), job("decompose", "sentences/cap2mol"))
    assert found["decompose"].captions == ROWS.captions
    weather = loading.load(ROOT / "config/weather.yaml")
    units = next(iter(weather.decomposers))
    assert plan(weather, job("decompose", f"{units}/plain"))["decompose"].captions == 0


def test_disk_is_bounded_by_merges_in_flight_not_by_their_number(paper) -> None:
    models = model_table.build(paper)
    shape = sizes(paper, models)

    def gigabytes(at_once: int, when: str) -> float:
        return sum(one.size or 0 for one in held(paper, models, shape, at_once) if one.when == when) / 1e9

    assert gigabytes(2, "kept") == gigabytes(1, "kept")
    assert gigabytes(2, "running") == pytest.approx(2 * gigabytes(1, "running"))
    assert 27 < gigabytes(1, "running") < 33  # a merge of 7B in float32, and the checkpoints of a training
    half = paper.model_copy(update={"merge": paper.merge.model_copy(update={"dtype": "bfloat16"})})
    halved = next(one for one in held(half, models, sizes(half, models), 1) if "merge under way" in one.what)
    assert halved.size == pytest.approx(13.5e9, rel=0.01)


def test_a_manifest_of_before_the_config_grew_is_passed_over(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = loading.load(ROOT / "config/ablations.yaml")
    shares = {str(share): 7 for share in study.shares()}
    subset = {"fraction": 0.1, "rows_by_share": shares, "rows": 7}
    counts = {f"tests.{name}": {"molecules": 3} for name in study.data.tests} | {"validation": {"rows": 2}}
    for train, part in (("train", "subset"), ("corpora.others", "corpora.others.subset")):
        counts |= {train: {"rows": 70}, part: subset}

    def known(counts: dict) -> bool:
        write_json(tmp_path / "results/ablations/data/manifest.json", {"counts": counts})
        found = count(study)
        assert found and set(found.corpora) == {"", "others"} and set(found.tests) == {"id", "ood"}
        assert all(set(study.shares()) <= set(corpus.shares) for corpus in found.corpora.values())
        return found.known

    assert known(counts)
    assert not known({name: rows for name, rows in counts.items() if name != "tests.ood"})
    assert not known({name: rows for name, rows in counts.items() if name != "corpora.others"})
    fewer = {share: rows for share, rows in shares.items() if share != "0.3"}
    assert not known(counts | {"subset": subset | {"rows_by_share": fewer}})


def test_what_hours_are_computed_from_is_stated_whole(monkeypatch, capsys) -> None:
    """With one of two rates alone the plan said nothing of it, and computed nothing."""
    monkeypatch.setattr("sys.argv", ["molmix", "plan", "--tflops", "109"])
    with pytest.raises(SystemExit):
        cli.run()
    assert "--answer-tokens are stated together" in " ".join(capsys.readouterr().err.replace("│", " ").split())
