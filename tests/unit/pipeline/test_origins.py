"""Results that do not fit together are refused."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from safetensors.numpy import save_file

from molmix.config.loading import parse
from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_json, write_table
from molmix.core.origin import recording
from molmix.models.manifests import write_manifest
from molmix.pipeline.job_settings import check_run, wants_current_results
from molmix.pipeline.model_table import build
from molmix.pipeline.origins import check_origins, checksum_of, origin_of, origin_of_job, settings_digest
from molmix.pipeline.paths import Paths
from molmix.pipeline.products import Products

SOURCE, CORPUS = Path("test.tsv"), Path("results/r/data/manifest.json")
ANSWERS, SCORES = Path("results/r/predictions/m/id.parquet"), Path("results/r/scores/m/id.parquet")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function that makes a small run of three jobs in a folder of its own, with these settings of generation."""
    monkeypatch.chdir(tmp_path)
    SOURCE.write_text("C\tA gas.\n")

    def make(upto: int = 3, tokens: int = 30, text: str = "A gas.") -> None:
        with recording(origin_of_job("corpus", {}, {}, [SOURCE])):
            write_json(CORPUS, {"rows": SOURCE.read_text()}, checksum=True)
        if upto > 1:
            with recording(origin_of_job("generate", {"model": "m"}, {"tokens": tokens}, [CORPUS])):
                write_table(ANSWERS, pa.table({"text": [text]}))
        if upto > 2:
            with recording(origin_of_job("score", {"model": "m"}, {}, [ANSWERS])):
                write_table(SCORES, pa.table({"bleu": [1.0]}))

    return make


def test_a_run_that_fits_together_passes(run: Callable[..., None]) -> None:
    run()
    check_origins([SCORES], {"generate(model=m)": settings_digest({"tokens": 30})})
    assert read_json(CORPUS) == {"rows": "C\tA gas.\n"}
    assert read_table(ANSWERS).schema.metadata is None
    origin = origin_of(SCORES)
    assert origin is not None and origin.job == "score(model=m)" and list(origin.inputs) == [str(ANSWERS)]


def test_other_captions_than_were_scored(run: Callable[..., None]) -> None:
    run()
    run(upto=2, text="A liquid.")
    with pytest.raises(MolmixError, match=rf"^{SCORES}: was made from another {ANSWERS}.*\n.*--forcerun {SCORES}"):
        check_origins([SCORES])


def test_other_settings_far_back(run: Callable[..., None]) -> None:
    run()
    with pytest.raises(
        MolmixError, match=rf"^{ANSWERS}: was made by generate\(model=m\) with settings that are not today's"
    ):
        check_origins([SCORES], {"generate(model=m)": settings_digest({"tokens": 60})})


def test_a_source_that_was_replaced_by_an_older_one(run: Callable[..., None]) -> None:
    run()
    SOURCE.write_text("C\tA liquid.\n")
    with pytest.raises(MolmixError, match=rf"^{CORPUS}: was made from another {SOURCE}"):
        check_origins([SCORES])


def test_the_table_of_another_model(run: Callable[..., None]) -> None:
    run()
    other = Path("results/r/scores/other/id.parquet")
    other.parent.mkdir()
    shutil.copy(SCORES, other)
    with pytest.raises(MolmixError, match=rf"^{other}: was written as scores/m/id.parquet.*\n.*--forcerun {other}"):
        check_origins([other])


def test_a_renamed_run_passes(run: Callable[..., None]) -> None:
    run()
    Path("results/r").rename("results/s")
    check_origins([Path("results/s/scores/m/id.parquet")])


def test_what_is_gone_or_older_than_origins_is_passed_over(run: Callable[..., None]) -> None:
    run()
    SOURCE.unlink()
    check_origins([SCORES, Path("results/r/none.parquet")])
    write_table(ANSWERS, pa.table({"text": ["No origin."]}))
    assert origin_of(ANSWERS) is None


def test_places_below_results_are_no_settings() -> None:
    assert settings_digest({"a": 1, "cache": "results/r/work"}) == settings_digest({"a": 1, "cache": "results/x/work"})
    assert settings_digest({"a": 1}) != settings_digest({"a": 2})


def test_the_checksum_is_the_one_in_the_file(run: Callable[..., None]) -> None:
    run(upto=2)
    before = checksum_of(ANSWERS)
    run(upto=2)
    assert checksum_of(ANSWERS) == before
    run(upto=2, text="A liquid.")
    assert checksum_of(ANSWERS) != before


# ---- the check before a run


STUDY = """
run: r
data:
  train: {kind: file, path: test.tsv}
  tests: {t: {source: {kind: file, path: test.tsv}, direction: cap2mol}}
initial: {local: {kind: pretrained, id: model}}
preferences: {rejected: {mol2cap: {kind: file, path: weak.tsv}}}
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The paths of a study whose folder holds a local model, and the manifest that was written for it."""
    monkeypatch.chdir(tmp_path)
    Path("model").mkdir()
    save_file({"a": np.ones(2)}, "model/model.safetensors")
    study = parse(yaml.safe_load(STUDY))
    table = build(study)
    write_manifest(Path("results/r/models/local/manifest.json"), {"id": "local"}, Path("model").resolve())
    return Paths(study, table, Products(study, table))


def test_a_local_model_that_was_replaced_is_refused_whatever_its_date(paths: Paths) -> None:
    check_run(paths, "0", dict)
    Path("model/model.safetensors").touch()
    check_run(paths, "0", dict)  # another date alone is no other model
    save_file({"a": np.zeros(2)}, "model/model.safetensors")
    os.utime("model/model.safetensors", (0, 0))
    with pytest.raises(MolmixError, match=r"model: holds other files.*\n.*--forcerun results/r/models/local/manifest"):
        check_run(paths, "0", dict)


def test_rejected_texts_that_were_replaced_by_an_older_file_are_refused(paths: Paths) -> None:
    Path("weak.tsv").write_text("C\tA gas.\n")
    with recording(origin_of_job("pairs", {}, {}, [Path("weak.tsv")])):
        write_json("results/r/preferences/manifest.json", {}, checksum=True)
    check_run(paths, "0", dict)
    Path("weak.tsv").write_text("C\tA dye.\n")
    os.utime("weak.tsv", (0, 0))
    with pytest.raises(MolmixError, match=r"^weak.tsv: is not the file .*\n.*touch weak.tsv"):
        check_run(paths, "0", dict)


@pytest.mark.parametrize(("command", "wants"), [("all", True), ("all --forcerun=x", False), ("--unlock", False)])
def test_a_command_that_runs_nothing_is_not_held_up(command: str, wants: bool) -> None:
    assert wants_current_results(["snakemake", *command.split()]) is wants
