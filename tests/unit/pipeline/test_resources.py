"""What jobs ask of a machine or a cluster, and which of them go there as one."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from molmix.config import documentation, loading
from molmix.pipeline import model_table
from molmix.pipeline.groups import Groups
from molmix.pipeline.products import Products
from molmix.pipeline.resources import JobResources, grows

ROOT = Path(__file__).resolve().parents[3]
HUB = {"kind": "hub", "id": "some/corpus", "revision": "v1", "split": "train"}
LLM = {"backend": "transformers", "id": "unsloth/llama-3-8b-Instruct", "revision": "v1"}


def job(**wildcards: str) -> Any:
    return SimpleNamespace(**wildcards)


def parts(**changes: Any) -> tuple[JobResources, Groups]:
    study = loading.parse(copy.deepcopy(documentation.DEMO) | changes)
    table = model_table.build(study)
    products = Products(study, table)
    return (
        JobResources(study, table, products, {"gpu_partition": "gpu", "slurm_partition": "cpu"}),
        Groups(study, products),
    )


def test_what_a_job_asks_for_grows_with_each_try() -> None:
    assert [grows(60)(job(), attempt) for attempt in (1, 2, 3)] == [60, 120, 180]
    assert grows(lambda wildcards: len(wildcards.model))(job(model="sft"), 2) == 6


def test_gpus_are_asked_for_by_the_jobs_that_use_them() -> None:
    needs, _ = parts(hardware={"gpus": {"align": 2, "decompose": 1}, "gpu_memory_gb": 40})
    assert needs.gpus("nli") == {} and (needs.cores("nli"), needs.cores("align")) == (1, 8)
    asked = {name: value(job()) for name, value in needs.gpus("align").items()}
    assert asked == {"gpu": 2, "gpu_memory_mb": 40_000, "slurm_partition": "gpu"}
    some = needs.gpus("decompose", lambda wildcards: wildcards.units == "llm")
    assert {name: value(job(units="rules")) for name, value in some.items()} == {
        "gpu": 0,
        "gpu_memory_mb": 0,
        "slurm_partition": "cpu",
    }


def test_a_small_model_adds_little_memory_and_a_second_try_doubles_it() -> None:
    needs, _ = parts()
    load = needs.to_align(3000, fully=False)
    assert [load(job(model="agnostic.sft"), attempt) for attempt in (1, 2)] == [4000, 8000]  # 16 texts of 1,024 tokens
    assert needs.align_cores("agnostic.sft") == 1
    assert needs.to_merge(3000, generates=True)(job(model="universal.ties"), 1) == 3000
    assert needs.to_decompose(1000)(job(units="rules"), 1) == 1000


def aligned(method: str, **changes: Any) -> int:
    """Memory in MB of an alignment of a 7B model; checks its CPU cores."""
    gpus = changes.pop("gpus", 0)
    settings = {"per_device_train_batch_size": 8, "max_length": 256} | changes
    start = {"kind": "pretrained", "id": "epfl-llm/meditron-7b", "revision": "v1"}
    rejected = {"mol2cap": {"kind": "model", "model": "start"}}
    needs, _ = parts(
        initial={"start": start}, universal={}, merge={}, preferences={"rejected": rejected},
        align={method: {"method": method, "starts": ["start"], "settings": settings}}, ablations={},
        hardware={"gpus": {"align": gpus}},
    )  # fmt: skip
    assert needs.align_cores(f"start.{method}") == (4 * gpus or 16)
    return needs.to_align(3000, fully=False)(job(model=f"start.{method}"), 1)


def test_memory_of_an_alignment_follows_method_batch_and_length() -> None:
    weights = 3000 + 4 * 6738  # float32
    token = 8 * 2_498_560 / 1e6  # twice the inputs and outputs of all linear layers in float32, in MB
    assert aligned("sft") == pytest.approx(weights + 8 * 256 * token, abs=1000)
    assert aligned("cpo") == aligned("dpo") == pytest.approx(weights + 16 * 256 * token, abs=1000)  # both texts at once
    assert aligned("kto") == aligned("sft")
    assert aligned("cpo", max_length=128) == aligned("cpo", per_device_train_batch_size=4) < aligned("cpo")
    kept = aligned("cpo", gradient_checkpointing=True) - weights
    assert kept < (aligned("cpo") - weights) / 5
    assert aligned("cpo", gpus=1) == pytest.approx(3000 + 2 * 6738, abs=1000)  # a step is in the memory of the GPU


def test_memory_of_nli_jobs_follows_the_number_of_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def asked(rows: int | None, attempt: int = 1) -> int:
        tests = {name: {"source": HUB, "rows": rows} for name in ("one", "two")}
        needs, _ = parts(data=documentation.DEMO["data"] | {"tests": tests})
        return needs.to_judge(2500)(job(judge="atomic"), attempt)

    assert [asked(150), asked(150, attempt=2)] == [2500, 5000]
    assert [asked(10_000), asked(20_000)] == [4500, 6500]  # 100 KB for each of 2 × rows captions
    assert asked(None) == 2500  # nobody knows how many
    manifest = tmp_path / "results/demo/data/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"counts": {"tests.one": {"molecules": 30000}, "tests.two": {"molecules": 1}}}')
    assert asked(None) == 5500  # once they are counted


def test_nli_jobs_share_the_time_of_all() -> None:
    needs, _ = parts()
    models = len(needs.table)
    assert needs.nli_minutes(job(judge="atomic")) == max(2, 120 // models)
    large, _ = parts(nli={"embedded": {"kind": "pretrained", "id": "some/nli", "revision": "v1"}})
    assert large.nli_minutes(job(judge="atomic")) == max(20, 1440 // models)
    assert (needs.nli_cores("atomic"), large.nli_cores("atomic")) == (1, 16)


def test_jobs_that_follow_from_captions_are_one_group_without_gpus() -> None:
    _, groups = parts()
    assert (groups.data, groups.external, groups.validation) == ("data", "judge", "judge_validation")
    assert groups.nli(job(author="agnostic")) == "judge" and groups.nli(job(author="planted")) == "judge_validation"
    by_author = {author: groups.decompose(job(units="rules", author=author)) for author in ("reference", "agnostic")}
    assert by_author == {"reference": "data", "agnostic": "judge"}


def test_jobs_with_gpus_and_language_models_are_in_groups_of_their_own() -> None:
    _, groups = parts(hardware={"gpus": {"nli": 1}})
    assert (groups.nli(job(author="agnostic")), groups.external, groups.validation) == ("nli", None, None)
    assert groups.decompose(job(units="rules", author="agnostic")) == "decompose"
    llm = {"decomposers": {"rules": {"backend": "rules"}, "llm": LLM}}
    for gpus, expected in ((0, "decompose"), (1, None)):
        _, groups = parts(**llm, hardware={"gpus": {"decompose": gpus}})
        assert groups.decompose(job(units="llm", author="agnostic")) == expected
        assert groups.validation is None


def test_a_run_on_this_machine_has_no_groups() -> None:
    _, groups = parts()
    here = Groups(groups.study, groups.products, used=False)
    wanted = job(author="agnostic", units="rules", judge="atomic")
    assert {here.data, here.generate, here.scores, here.external, here.validation, here.licence} == {None}
    assert {here.decompose(wanted), here.nli(wanted), here.verdicts(wanted)} == {None}


def test_a_download_runs_beside_snakemake() -> None:
    _, groups = parts(data=documentation.DEMO["data"] | {"train": HUB})
    assert groups.from_hub and groups.data is None


def test_memory_is_asked_for_by_the_size_of_the_models() -> None:
    study = loading.load(ROOT / "config/paper.yaml")  # nothing of it is on this machine
    table = model_table.build(study)
    needs = JobResources(study, table, Products(study, table), {})
    merge = needs.to_merge(3000, generates=False)(job(model="universal.slerp"), 1)
    assert merge == 3000 + 8000  # 50 bytes for each of the 131 M numbers of the embedding, and a shard of 2 GB
    load = needs.to_load("generate", 1000, lambda wildcards: wildcards.model)
    width = 2 if study.hardware.gpus.generate else 4
    assert load(job(model="agnostic"), 1) == 1000 + width * 6_738_554_880 // 10**9 * 1000
