"""Before any job starts: every shipped config plans whole, and what is wrong is refused in one message."""

import re
from pathlib import Path

import pytest

from molmix.config import loading
from molmix.data.settings import Prompts
from molmix.pipeline import model_table
from tests.nli_models import make_model

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))
LARGE = ("ablations.yaml", "paper.yaml", "small.yaml")  # plans of hundreds of jobs


def planned(output: str) -> dict[str, int]:
    """Jobs by rule, from the table that a dry run prints."""
    stats = output.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", stats, re.MULTILINE)}


def make_instruct_model(folder: Path) -> None:
    """A Llama of random weights whose tokenizer has a chat template."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from molmix.models.small import make_tokenizer
    from tests.hub_models import CHAT

    tokenizer = make_tokenizer([("CCO", "An alcohol.")], Prompts().model_dump(), 300)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that shipped configs name: the examples, and what the commands of their pages make."""
    folder = tmp_path_factory.mktemp("beside")
    (folder / "config").mkdir()  # the shipped examples are found from the folder that one runs in
    (folder / "config/example").symlink_to(ROOT / "config/example")
    real = ["chebi20/test", "chebi20/validation", "chebi20/molt5-small-smiles2caption", "pubchem324k/test"]
    found = [f"retrieval/{name}" for name in ("nearest-100", "nearest-10", "nearest-1", "any")]
    for name in real + found:
        file = folder / f"judge-data/{name}.tsv"  # which `make judge-figures` links or makes
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("CID\tSMILES\tdescription\toutput\n1\tCCO\tAn alcohol.\tA dye.\n")
    make_model(folder / "judge-data/nli", "bert")
    make_instruct_model(folder / "small-data/smollm2")  # and which `make small-figures` links
    (folder / "small-data/wordnet").mkdir()
    (folder / "small-data/chebi20").symlink_to(folder / "judge-data/chebi20")
    (folder / "small-data/nli").symlink_to(folder / "judge-data/nli")
    (folder / "small-data/vocab").mkdir()
    (folder / "small-data/vocab/scibert-scivocab-uncased.txt").write_text("the\n")
    return folder


@pytest.mark.parametrize(
    "path",
    [pytest.param(one, marks=[pytest.mark.slow] if one.name in LARGE else [], id=one.name) for one in SHIPPED],
)
def test_every_shipped_config_plans_every_model(path: Path, beside: Path, snakemake) -> None:
    done = snakemake(beside, "-n", "all", "judge", "--configfile", str(path))
    assert done.returncode == 0, done.stdout
    jobs = planned(done.stdout)
    assert jobs.get("score", 0) == len(model_table.build(loading.load(path)))
    assert jobs["judge_validation"] == jobs["audit"] == 1


def test_the_study_at_reduced_size_has_the_models_of_one_seed_but_one_merge_method() -> None:
    whole, reduced = (loading.load(ROOT / f"config/{name}.yaml") for name in ("small", "small-local"))
    rows = [row for row in model_table.build(whole).values() if row.seed == whole.seeds[0]]
    assert {row.id for row in rows if row.method != "slerp"} == model_table.build(reduced).keys()
    assert whole.prompts == reduced.prompts


def test_a_config_file_replaces_the_default_one_whole(tmp_path: Path, snakemake) -> None:
    study = {
        "run": "own",
        "data": {
            "train": {"kind": "demo", "split": "train"},
            "tests": {"only": {"source": {"kind": "demo", "split": "id"}}},
        },
        "initial": {"one": {"kind": "made", "task": "mol2cap"}},
        "align": {"sft": {"method": "sft", "starts": ["one"]}},  # which needs no `preferences`
    }
    done = snakemake(tmp_path, "-n", study=study)
    assert done.returncode == 0, done.stdout
    jobs = planned(done.stdout)
    assert jobs["generate"] == 2 and jobs["align"] == jobs["pairs"] == 1 and "generate_rejected" not in jobs
    assert "results/demo" not in done.stdout and "agnostic" not in done.stdout


def test_an_adapted_nli_model_is_made_from_its_parent_and_the_training_captions(tmp_path: Path, snakemake) -> None:
    (tmp_path / "captions.txt").write_text("A dye.\n")
    study = {
        "run": "own",
        "data": {
            "corpora": {"more": {"kind": "demo", "split": "validation"}},
            "train": {"kind": "demo", "split": "train"},
            "tests": {"id": {"source": {"kind": "demo", "split": "id"}}},
        },
        "systems": [{"name": "system", "predictions": {"id": {"path": "captions.txt"}}}],
        "nli": {"embedded": {"kind": "made"}, "own": {"kind": "adapted", "parent": "embedded", "corpus": "more"}},
        "judges": {"atomic": {"kind": "atomic", "nli": "own"}},
    }
    done = snakemake(tmp_path, "-n", "--printshellcmds", study=study)
    assert done.returncode == 0, done.stdout
    jobs = planned(done.stdout)
    assert jobs["train_nli"] == jobs["adapt_nli"] == 1 and "fetch_nli" not in jobs
    assert "data/corpora/more/train.parquet" in done.stdout


def test_one_file_can_be_asked_for(tmp_path: Path, snakemake) -> None:
    default = str(ROOT / "config/config.yaml")
    done = snakemake(tmp_path, "-n", "results/demo/scores/agnostic.sft/id.parquet", "--configfile", default)
    assert done.returncode == 0, done.stdout
    jobs = planned(done.stdout)
    assert jobs["score"] == jobs["align"] == jobs["generate"] == 1


PHASES = [
    "data_all",
    "align_all",
    "merge_all",
    "generate_all",
    "score_all",
    "tables",
    "judge",
    "report",
    "report_so_far",
]


@pytest.mark.parametrize("target", PHASES)
def test_every_phase_is_a_target(target: str, tmp_path: Path, snakemake) -> None:
    done = snakemake(tmp_path, "-n", target)
    assert done.returncode == 0, done.stdout
    assert planned(done.stdout)[target] == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"algn": {}}, ["algn", "did you mean 'align'?"]),
        ({"data": {"train": {"kind": "file", "path": "none.tsv"}, "tests": {}}}, ["data.tests"]),
        (
            {
                "data": {
                    "train": {"kind": "file", "path": "none.tsv"},
                    "tests": {"a": {"source": {"kind": "file", "path": "none.tsv"}}},
                }
            },
            ["none.tsv", "no such file"],
        ),
        (
            {"nli": {"embedded": {"kind": "pretrained", "id": "some/model"}}},
            ["nli.embedded.id", "'some/model' is no local folder", "`revision`"],
        ),
        (
            {"systems": [{"name": "other", "predictions": {"id": {"path": "none.csv"}, "back": {"path": "none.csv"}}}]},
            ["none.csv", "no such file"],
        ),
        ({"metrics": {"properties": {"taxonomy": "none.json"}}}, ["metrics.properties.taxonomy", "'none.json'"]),
        (
            {"metrics": {"text2mol": {"weights": __file__, "features": __file__}}},
            ["metrics.text2mol.text_model", "is no local folder", "`revision`"],
        ),
        (
            {"judges": {"conv": {"kind": "summac_conv", "weights": "none.bin"}}},
            ["'none.bin'", "weights"],
        ),
    ],
)
def test_refused_before_any_job(change, expected, tmp_path: Path, snakemake, micro) -> None:
    done = snakemake(tmp_path, "-n", study=micro | change)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert all(part in done.stdout for part in expected), done.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_an_ablation_makes_the_models_of_its_own_arms_only(tmp_path: Path, snakemake) -> None:
    path = ROOT / "config/ablations.yaml"
    done = snakemake(tmp_path, "-n", "ablation_share-sft", "--configfile", str(path))
    assert done.returncode == 0, done.stdout
    jobs = planned(done.stdout)
    shares = loading.load(path).ablations["share-sft"].models()
    assert jobs["align"] == jobs["score"] == jobs["generate"] == len(shares)
    # One generation of rejected texts, and pairs of every share.
    assert (jobs["generate_rejected"], jobs["pairs"]) == (1, 5)
    assert (jobs["compare_arms"], jobs["plot_arms"]) == (1, 1)
    across = snakemake(tmp_path, "-n", "ablation_corpus", "--configfile", str(path))
    assert (planned(across.stdout)["generate_rejected"], planned(across.stdout)["pairs"]) == (2, 2)
    everything = snakemake(tmp_path, "-n", "ablations", "--configfile", str(path))
    assert planned(everything.stdout)["compare_arms"] == len(loading.load(path).ablations)
