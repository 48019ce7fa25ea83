"""Every command in README and docs is tried: for real where that is cheap, else as a dry run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import MAIN, SNAKEFILE, run_command
from tests.docs.notebook import run_cells
from tests.docs.snippets import PAGES, ROOT, snippets
from tests.docs.ways import Command, attempt, commands, is_run

TUTORIALS = ROOT / "docs/tutorials"
# These are run as a whole, but for commands that wait for a reader, take long, or are run by other tests.
RUN = ("score.md", "results.md", "own-data.md", "add-a-method.md")
LEFT_OUT = (
    "source ",
    "make ",
    "tensorboard ",
    "snakemake --cores all report ",
    "snakemake --cores all --configfile my/",
)


def is_run_below(command: Command) -> bool:
    """Whether a tutorial's test runs it."""
    page = command.snippet.page
    return page.parent == TUTORIALS and page.name in RUN and not command.text.startswith(LEFT_OUT)


ALL = [command for page in PAGES for block in snippets(page) if block.language == "bash" for command in commands(block)]
ONCE = list({command.text: command for command in ALL if not is_run_below(command)}.values())


def checkout(folder: Path) -> Path:
    """A folder to run in that has the workflow, the configs, the examples and the profiles, and no results."""
    for name in ("config", "profiles", "Snakefile", "workflow", "src", "envs"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory) -> Path:
    return checkout(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def scored(tmp_path_factory, job_server: dict[str, str]) -> Path:
    """A folder in which config/score.yaml was run."""
    folder = checkout(tmp_path_factory.mktemp("scored"))
    words = (*SNAKEFILE, "--cores", "2", "--configfile", "config/score.yaml")
    done = run_command("snakemake", *words, folder=folder, environment=os.environ | job_server)
    assert done.returncode == 0, done.stdout
    return folder


def test_there_are_commands() -> None:
    assert {command.words[0] for command in ONCE} >= {"make", "snakemake", "molmix"}


def marked(command: Command):
    """Dry runs of Snakemake are many, and take seconds each."""
    return pytest.param(command, marks=[pytest.mark.slow] if command.words[0] == "snakemake" else [], id=str(command))


@pytest.mark.parametrize("command", [marked(one) for one in ONCE if not is_run(one)])
def test_it_would_run(command: Command, empty: Path) -> None:
    attempt(command, empty)


@pytest.mark.slow
@pytest.mark.parametrize("command", [one for one in ONCE if is_run(one)], ids=str)
def test_it_runs_on_a_finished_run(command: Command, scored: Path) -> None:
    attempt(command, scored)


def run_tutorial(name: str, folder: Path) -> str:
    """Write the files that a tutorial shows, run its commands as they stand there, and return what they print."""
    printed = ""
    for block in snippets(TUTORIALS / name):
        if block.file:
            (folder / block.file).parent.mkdir(exist_ok=True)
            (folder / block.file).write_text(block.text)
        elif block.language == "bash":
            for command in commands(block):
                if is_run_below(command):
                    done = run_in_shell(command, folder)
                    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
                    printed += done.stdout
    return printed


def run_in_shell(command: Command, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader does; but one that only runs this checkout's code is forked, which saves its start."""
    program, *words = command.words
    if program in MAIN and (folder / "src").samefile(ROOT / "src"):
        return run_command(program, *words, folder=folder, together=False)
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "PATH": os.pathsep.join(paths)}
    shell = ["bash", "-c", command.text]
    return subprocess.run(shell, cwd=folder, env=environment, text=True, capture_output=True, check=False)


@pytest.mark.slow
def test_the_tutorials_of_scoring_run(
    scored: Path, job_server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in job_server.items():
        monkeypatch.setenv(name, value)
    printed = run_tutorial("score.md", scored) + run_tutorial("results.md", scored)
    assert "# Leaderboard" in printed and "5  contradicted" in printed
    assert (scored / "scored/results/captions/explorer/index.html").is_file()
    monkeypatch.chdir(scored)
    notebook = json.loads((TUTORIALS / "scoring.ipynb").read_text(encoding="utf-8"))
    said = run_cells(notebook)
    shown = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [bool(text) for text in said] == [bool(outputs) for outputs in shown]
    (page,) = (block for block in snippets(TUTORIALS / "results.md") if block.language == "python")
    exec(page.text, {})


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> Path:
    """A copy of the checkout, to which a reader adds files."""
    folder = tmp_path_factory.mktemp("copied") / "molmix"
    return shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("results", "logs", ".*", "site", "__pycache__"))


@pytest.mark.slow
def test_the_tutorial_of_own_data_runs(copied: Path) -> None:
    assert "agnostic.sft_cpo.ties" in run_tutorial("own-data.md", copied)
    counts = json.loads((copied / "results/mine/data/manifest.json").read_text())["counts"]
    assert counts["train"]["removed_in_tests.held-out"] == 5 and counts["subset"]["rows"] == 12


@pytest.mark.slow
def test_the_tutorial_of_a_method_runs(copied: Path) -> None:
    run_tutorial("add-a-method.md", copied)
    manifest = json.loads((copied / "results/ld-dpo/models/agnostic.ld-dpo/manifest.json").read_text())
    assert manifest["settings"]["trl"]["ld_alpha"] == 0.3 and manifest["steps"] > 0


@pytest.mark.parametrize("target", ["small-figures", "judge-figures"])
def test_folders_of_figures_may_have_blanks_in_their_names(target: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").symlink_to(ROOT / "Makefile")
    for program in ("python", "snakemake"):  # only the links are of interest here
        (tmp_path / ".venv/bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / ".venv/bin" / program).symlink_to("/bin/true")
    given = {"DATA": "my data", "MODEL": "a model", "NLI": str(tmp_path / "an nli"), "WORDNET": "word net"}
    for name in given.values():
        (tmp_path / name).mkdir(exist_ok=True)
    for name in ("chebi20", "vocab", "pubchem324k"):
        (tmp_path / "my data" / name).mkdir()
    words = [f"{key}={value}" for key, value in given.items()]
    done = subprocess.run(
        ["make", "-o", ".venv/.ready", target, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    links = [path for path in (tmp_path / target.replace("figures", "data")).iterdir() if path.is_symlink()]
    assert len(links) >= 3 and all(link.is_dir() for link in links)
