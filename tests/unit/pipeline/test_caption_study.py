"""`molmix score` before it runs: what it makes of files and options, and what it refuses."""

import shutil
from pathlib import Path

import pytest

from molmix.config import loading
from molmix.core.errors import MolmixError
from molmix.pipeline.caption_study import write_study
from tests.nli_models import make_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("nli") / "tiny", "bert")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "references.tsv").write_text("id\tSMILES\tdescription\nm1\tC\tA gas.\nm2\tCC\tA fuel.\n")
    (tmp_path / "by-id.csv").write_text("ID,output\nm2,A fuel.\nm1,A gas.\n")
    (tmp_path / "by smiles.jsonl").write_text('{"smiles": "C", "text": "A gas."}\n')
    (tmp_path / "in-order.txt").write_text("A gas.\nA fuel.\n")
    (tmp_path / "short.txt").write_text("A gas.\n")
    return tmp_path


def test_columns_are_found_and_files_joined(files: Path, model: Path) -> None:
    systems = [Path("by-id.csv"), Path("by smiles.jsonl"), Path("in-order.txt")]
    command, notes = write_study(
        Path("references.tsv"), systems, Path("out"), nli=str(model), kinds=["atomic", "fulldoc"]
    )
    assert [note.rpartition(" by ")[::2] for note in notes] == [
        ("by-id: captions are joined to the references", "id"),
        ("by-smiles: captions are joined to the references", "molecule"),
        ("in-order: captions are joined to the references", "order"),
    ]
    text = Path("out/config.yaml").read_text()
    assert " ".join(command[1:5]) in text.splitlines()[1] and command[-2:] == ["tables", "explorer"]
    study = loading.load(Path("out/config.yaml"))
    assert study.data.tests["references"].source.mapping() == {
        "molecule": "SMILES",
        "caption": "description",
        "id": "id",
    }
    joined = {
        system.name: (given.id, given.molecule, given.text)
        for system in study.systems
        for given in system.predictions.values()
    }
    assert joined == {
        "by-id": ("ID", None, "output"),
        "by-smiles": (None, "smiles", "text"),
        "in-order": (None, None, "caption"),
    }
    assert {judge.nli for judge in study.judges.values()} == {"tiny"} == set(study.nli)
    write_study(Path("references.tsv"), systems, Path("out"), nli=str(model))  # its own folder may be written again
    written = Path("out/config.yaml").read_text()
    Path("out/config.yaml").write_text(written + "metrics: {}\n")
    with pytest.raises(MolmixError, match="was changed since"):
        write_study(Path("references.tsv"), systems, Path("out"), nli=str(model))
    assert Path("out/config.yaml").read_text() == written + "metrics: {}\n"


@pytest.mark.parametrize(
    ("captions", "columns", "message"),
    [
        ("short.txt", {}, "has 1 caption, and .* has 2 references"),
        ("nowhere.txt", {}, "there is no such file"),
        ("by-id.csv", {"id": "idd"}, "references.tsv: has no column 'idd' for the id"),
        ("by-id.csv", {"molecule": "SMILE"}, "references.tsv: has no column 'SMILE' for the molecule"),
        ("planted.txt", {}, "cannot be called 'planted'"),
        ("by-id.csv", {"caption": "outptu"}, "has no column 'outptu' for the caption"),
        ("two.csv", {}, "several columns that can hold the caption: 'text', 'output'"),
        ("references.csv", {}, "a second system"),
        (
            "foreign.csv",
            {},
            r"none of the ids of .*references.tsv \(here 'x1', there 'm1'\)\n  Hint: name .* with --id",
        ),
        ("open.csv", {}, "open.csv, line 2: a quote opens here .*\n  Hint: .* set `--quoting none`"),
    ],
)
def test_bad_files_are_refused(captions: str, columns: dict, message: str, files: Path, model: Path) -> None:
    (files / "planted.txt").write_text("A gas.\nA fuel.\n")
    (files / "two.csv").write_text("id,text,output\nm1,a,b\n")
    (files / "references.csv").write_text("id,text\nm1,a\n")
    (files / "foreign.csv").write_text("id,text\nx1,a\nx2,b\n")
    (files / "open.csv").write_text('id,text\nm1,"a\nm2,b\n')
    systems = [Path(captions)] * 2 if "second" in message else [Path(captions)]
    with pytest.raises(MolmixError, match=message):
        write_study(Path("references.tsv"), systems, Path("out"), nli=str(model), columns=columns)
    assert not Path("out").exists()


def test_a_folder_of_others_and_a_model_without_names_are_refused(files: Path, model: Path) -> None:
    (files / "mine").mkdir()
    (files / "mine/config.yaml").write_text("run: mine\n")
    with pytest.raises(MolmixError, match="did not write there"):
        write_study(Path("references.tsv"), [Path("in-order.txt")], Path("mine"), nli=str(model))
    nameless = make_model(files / "nameless", "bert", ("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(MolmixError, match="LABEL_0"):
        write_study(Path("references.tsv"), [Path("in-order.txt")], Path("out"), nli=str(nameless))
    with pytest.raises(MolmixError, match="Hint: name an NLI model, or say in `--labels`"):
        write_study(Path("references.tsv"), [Path("in-order.txt")], Path("out"), nli=str(nameless))
    labels = ["entailment", "neutral", "contradiction"]
    write_study(Path("references.tsv"), [Path("in-order.txt")], Path("out"), nli=str(nameless), labels=labels)
    assert loading.load(Path("out/config.yaml")).nli["nameless"].labels == labels


def test_a_model_of_two_classes_is_said_to_lack_contradiction(files: Path) -> None:
    two = make_model(files / "two", "bert", ("not_entailment", "entailment"))
    kinds = ["atomic", "fulldoc", "minicheck"]
    _, notes = write_study(Path("references.tsv"), [Path("in-order.txt")], Path("out"), nli=str(two), kinds=kinds)
    (note,) = notes[1:]
    assert note.startswith(
        "the NLI model `two` of judge `atomic` has two classes, entailment or not: for hallucination"
    )
    assert "A model of three classes can tell" in note


@pytest.mark.parametrize(("given", "why"), [("", "no commit is named"), ("@main", "'main' can change")])
def test_the_commit_of_a_hub_model_is_told_if_none_is_named(
    given: str, why: str, files: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached, commit = files / "hub/models--lab--tiny", "f" * 40
    shutil.copytree(model, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(files / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    systems = [Path("in-order.txt")]
    _, notes = write_study(Path("references.tsv"), systems, Path("out"), nli=f"lab/tiny{given}")
    assert f"NLI model lab/tiny: {why}; the commit {commit} is used. Hint: give `--nli lab/tiny@{commit}`" in notes[-1]
    _, notes = write_study(Path("references.tsv"), systems, Path("out"), nli=f"lab/tiny@{commit}")
    assert len(notes) == 1


def test_judges_that_ask_no_nli_model_need_none(files: Path, model: Path) -> None:
    write_study(Path("references.tsv"), [Path("in-order.txt")], Path("out"), nli=None, kinds=["grounded", "entities"])
    study = loading.load(Path("out/config.yaml"))
    assert {name: judge.kind for name, judge in study.judges.items()} == {
        "grounded": "grounded",
        "entities": "entities",
    }
    write_study(
        Path("references.tsv"), [Path("in-order.txt")], Path("both"), nli=str(model), kinds=["atomic", "grounded"]
    )
    judges = loading.load(Path("both/config.yaml")).judges
    assert judges["atomic"].nli == "tiny" and "nli" not in judges["grounded"].model_dump()
    with pytest.raises(MolmixError, match="'fulldoc' asks an NLI model"):
        write_study(
            Path("references.tsv"), [Path("in-order.txt")], Path("none"), nli=None, kinds=["grounded", "fulldoc"]
        )
    with pytest.raises(MolmixError, match="--nli: is given, and the judge 'entities' asks no NLI model"):
        write_study(Path("references.tsv"), [Path("in-order.txt")], Path("none"), nli=str(model), kinds=["entities"])


def test_a_judge_that_needs_more_than_options_asks_for_a_config(files: Path) -> None:
    with pytest.raises(MolmixError, match=r"--judge: the judge 'llm' has no default for `base_url`, `model`"):
        write_study(Path("references.tsv"), [Path("by-id.csv")], Path("out"), nli=None, kinds=["llm"])
