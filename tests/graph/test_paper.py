"""config/paper.yaml end to end at tiny size: its keys and hub ids, from a stand-in for the hub, without a network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from molmix.config import loading
from molmix.core.files import read_json, read_table
from molmix.pipeline import model_table
from molmix.pipeline.prefetch import downloads
from tests.hub import Hub, serve
from tests.hub_models import make_repositories

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def tiny() -> dict[str, Any]:
    """The paper's study with fewer rows, starts and seeds. 4 bits need CUDA: no `quantize`, and no GPU asked for."""
    study = loading.read_yaml(ROOT / "config/paper.yaml")
    study["seeds"] = study["seeds"][:1]
    study["data"]["subset"]["fraction"] = 0.3
    study["data"]["tests"]["lpm24"]["rows"] = 6
    study["data"]["tests"]["chebi20"]["rows"] = 4
    starts = {"sft": ["cap2mol"], "dpo": ["universal.slerp"], "cpo": ["cap2mol"], "kto": ["agnostic"]}
    for name, align in study["align"].items():
        align.update(quantize=False, starts=starts[name])
    study["hardware"] = {}
    study["merge"]["starts"] = ["cap2mol"]
    study["generation"]["max_new_tokens"] = 12
    study["decomposers"]["llama"]["max_new_tokens"] = 12
    study["statistics"] = {"resamples": 100}
    return study


def no_network() -> list[str]:
    """How to start a process in a network of its own, with nothing in it."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        pytest.skip("this machine lets no process have a network namespace of its own (unshare -n)")
    return ["unshare", "-n"]


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """A folder in which the study was prefetched, and then run where every way out is counted and leads nowhere."""
    folder, alone, study = tmp_path_factory.mktemp("paper"), no_network(), tiny()
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    parsed = loading.parse(study)
    hub = Hub()
    repositories = make_repositories(parsed, folder / "repositories")
    for one in downloads(parsed):
        hub.add(one.repository, repositories[one.repository], one.revision)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment["HF_HOME"] = str(folder / "hf")
    # Snakemake's plugin for SLURM asks `scontrol`, where there is one, which looks for its cluster by name unless it is
    # told of none.
    (folder / "slurm.conf").touch()
    environment["SLURM_CONF"] = str(folder / "slurm.conf")
    with serve(hub):
        subprocess.run(
            [sys.executable, "-c", "from molmix.cli import run; run()", "prefetch", "--configfile", "study.yaml"],
            cwd=folder,
            env=environment | {"HF_ENDPOINT": hub.address},
            check=True,
        )
    snakemake = (
        f"{sys.executable} -m snakemake --snakefile {ROOT}/Snakefile --cores 2 tables cards --configfile study.yaml"
    )
    # The kernel counts what found no route: one such packet is somebody who tried.
    count = "cat /proc/net/snmp /proc/net/snmp6 > network"
    run = subprocess.run(
        [*alone, "sh", "-c", f"{snakemake}; status=$?; {count}; exit $status"],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=3000,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    return folder


def test_the_leaderboard_holds_every_model(done: Path) -> None:
    board = pd.read_csv(done / "results/paper/tables/leaderboard.csv")
    assert set(board["model"]) == set(model_table.build(loading.parse(tiny())))
    assert set(board["test"]) == {"lpm24", "chebi20"}
    assert board[["coverage", "bleu4"]].notna().all().all()
    for row in board.to_dict("records"):
        scores = read_table(done / f"results/paper/scores/{row['model']}/{row['test']}.parquet")
        # A model whose captions state nothing has no hallucination.
        assert any(scores["n_generated"].to_pylist()) == (row["hallucination"] == row["hallucination"])


def test_no_job_tries_the_network(done: Path) -> None:
    lines = [line.split() for line in (done / "network").read_text().splitlines()]
    titles, values = (line for line in lines if line[0] == "Ip:")
    counts = dict(zip(titles, values, strict=True)) | {line[0]: line[1] for line in lines if len(line) == 2}
    assert counts["OutNoRoutes"] == counts["Ip6OutNoRoutes"] == "0"


def test_the_counter_sees_who_tries(tmp_path: Path) -> None:
    tries = "import socket; socket.create_connection(('203.0.113.1', 80), 1)"
    alone = subprocess.run(
        [*no_network(), "sh", "-c", f'{sys.executable} -c "{tries}"; grep Ip: /proc/net/snmp'],
        text=True,
        capture_output=True,
        check=False,
    )
    titles, values = (line.split() for line in alone.stdout.splitlines())
    assert int(dict(zip(titles, values, strict=True))["OutNoRoutes"]) > 0


def test_manifests_say_revision_commit_and_licence(done: Path) -> None:
    study = loading.parse(tiny())
    manifest = read_json(done / "results/paper/models/agnostic/manifest.json")
    assert manifest["revision"] == manifest["commit"] == study.pretrained()["initial.agnostic"].revision
    assert manifest["license"] == "llama2"
    floating = read_json(done / "results/paper/models/mol2cap/manifest.json")
    assert floating["revision"] == "main" and len(floating["commit"]) == 40


def test_several_captions_are_several_references(done: Path) -> None:
    rows = read_table(done / "results/paper/data/tests/lpm24.parquet").to_pylist()
    assert len(rows) == 6 and all(len(row["references"]) == 2 for row in rows)


def test_every_adapter_and_merge_has_its_card(done: Path) -> None:
    from huggingface_hub import ModelCard

    for name in model_table.build(loading.parse(tiny())).of_kind("aligned", "merged"):
        card = ModelCard.load(done / f"results/paper/cards/{name}/README.md")
        assert card.data.license == "llama2" and card.data.base_model
        assert {result.dataset_name for result in card.data.eval_results} == {"lpm24", "chebi20"}
