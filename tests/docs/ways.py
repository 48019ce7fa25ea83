"""The known ways to try a command of the docs. One that is not known fails, so that each is taken care of."""

import re
import shlex
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import typer

from molmix.cli import app
from tests.commands import SNAKEFILE, run_command
from tests.docs.snippets import ROOT, Snippet

# Configs that a reader writes, and a shipped one that plans the same stages.
OWN = {
    "my-chebi20.yaml": "config/chebi20.yaml",
    "chebi-judge.yaml": "config/score.yaml",
    "my-study.yaml": "config/config.yaml",
    "my/study.yaml": "config/config.yaml",
    "study.yaml": "config/config.yaml",
}
# Commands of other programs: molmix defines none of them; only their order in the text counts.
FOREIGN = {
    *("head", "sed", "apptainer", "docker", "snakedeploy", "module", "transformers"),
    *("cd", "cp", "mkdir", "mv", "rm", "ls", "cat", "export", "source", "git", "pip", "python3", "tar"),
    *(
        "$EDITOR",
        "sbatch",
        "srun",
        "squeue",
        "sinfo",
        "sacct",
        "scancel",
        "ssh",
        "scp",
        "rsync",
        "tmux",
        "nohup",
        "tensorboard",
    ),
}


@dataclass(frozen=True)
class Command:
    """A command line of a page, without its comment."""

    snippet: Snippet
    text: str

    @property
    def words(self) -> list[str]:
        """What a shell makes of it, without variables that are set in front."""
        words = shlex.split(self.text)
        while words and words[0].split("=")[0].isidentifier() and "=" in words[0]:
            words = words[1:]
        return words

    def __str__(self) -> str:
        return f"{self.snippet}: {self.text}"


def commands(snippet: Snippet) -> list[Command]:
    """The commands of a block, continued lines joined."""
    text = snippet.text.replace("\\\n", " ")
    ends = set(re.findall(r"<<'(\w+)'", text))  # what is handed to a program that way are commands too
    lines = (line for line in text.splitlines() if line not in ends)
    bare = (" ".join(shlex.split(line, comments=True, posix=False)).removeprefix("exec ") for line in lines)
    return [Command(snippet, part.strip()) for line in bare for part in line.split("&&") if part.strip()]


def is_run(command: Command) -> bool:
    """Whether a command needs a finished run, and is run in one."""
    return command.words[0] == "molmix" and command.words[1:2] in (["explain"], ["store"])


def attempt(command: Command, folder: Path) -> None:
    """Try a command in a folder that holds what a checkout does.

    Raises:
        AssertionError: it fails, or there is no known way to try it (what the command line refuses has its own error).
    """
    program, *words = command.words
    if program == "snakemake":
        _snakemake(words, folder)
    elif program == "make":
        make = ["make", "-n", *words]
        _done(subprocess.run(make, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False))
    elif program == "molmix" and words[:1] in (["models"], ["explain"], ["store"]):
        _done(run_command("molmix", *words, folder=folder))
    elif program == "molmix":
        _parsed(words)
    elif program in ("python", "pytest") and words:
        _python(words if program == "python" else ["-m", "pytest", *words])
    else:
        assert program in FOREIGN, f"no test knows how to try this: see {Path(__file__).name}"


def _snakemake(words: list[str], folder: Path) -> None:
    words = words[: words.index("|")] if "|" in words else words  # what another program makes of it is its own
    words = [OWN.get(word, word) for word in words]
    if "-s" in words:  # this checkout, which lies beside the reader's folder
        del words[words.index("-s") : words.index("-s") + 2]
    if "apptainer" in words:  # it is not installed everywhere, and Snakemake looks for it in a dry run, too
        del words[words.index("apptainer") - 1 : words.index("apptainer") + 1]
        if "--apptainer-args" in words:
            del words[words.index("--apptainer-args") : words.index("--apptainer-args") + 2]
    for name, value in pairwise(words):
        assert name not in ("--profile", "--workflow-profile") or (folder / value).is_dir(), f"no profile {value}"
    dry = [] if {"--unlock", "--summary", "-n", "--dry-run"} & set(words) else ["-n"]
    if dry and not {"--cores", "--profile", "--workflow-profile"} & set(words):
        dry += ["--cores", "1"]
    # Targets may stand behind an option that takes any number of words, so what is put to them goes in front.
    _done(run_command("snakemake", *SNAKEFILE, *dry, *words, folder=folder))


def _parsed(words: list[str]) -> None:
    """The command line of `molmix` takes it, without running it."""
    name, *rest = words
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert name == "--help" or name in known, f"molmix has no command {name!r}"
    if "--help" not in words:
        known[name].make_context(name, rest)  # raises where the command would print how it is used


def _python(words: list[str]) -> None:
    """The module or the file is there; ``path/to/`` stands for a reader's own file."""
    if words[0] == "-m":
        assert find_spec(words[1]) is not None, f"no module {words[1]}"
        words = words[2:]
    for word in words:
        if "/" in word and not word.startswith(("path/to/", "http://")):
            assert (ROOT / word).exists(), f"no file {word}"


def _done(command: subprocess.CompletedProcess[str]) -> None:
    assert command.returncode == 0, command.stdout
