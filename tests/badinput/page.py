"""Write docs/bad-input.md: the kinds of bad input, each with the message that it really meets. Run by `make docs`."""

import copy
import gzip
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from molmix.config.loading import read_yaml
from molmix.core.errors import MolmixError
from molmix.pipeline.setup import ready
from tests.badinput.studies import BASE, write_files

PAGE = Path(__file__).resolve().parents[2] / "docs/bad-input.md"

HEAD = """\
# Messages for bad input

When `snakemake` reads the workflow, molmix checks every key of the config, every name, every file that the config
names, and the first 100,000 rows of each file. A fault ends the command with one message. It names the key or the file
(and row), the value, and what to do. No job has run then, and earlier results are unchanged. Wrong keys and types are
listed together in one message. Jobs check the config again, but do not read the files again.

The messages below are printed by the code (`make docs` writes this page, and a test compares it). `tests/badinput`
damages at least {configs} distinct configs and {tables} distinct data files at random, from a fixed seed, and checks
the message of each in the same way.

| kind | for example | message |
| --- | --- | --- |
"""

FOOT = """
Rows after the first 100,000 are checked by the job that reads them, with the same messages. Jobs also read data sets of
the hub and models at a revision, because these may have to be downloaded first.

Some messages are Snakemake's: it reads the config file before molmix starts. If the file does not exist, is not UTF-8,
or has YAML anchors that contain themselves, Snakemake prints a traceback; `molmix models --configfile <file>`
says what is wrong with it.
"""


def _grpo(settings: dict[str, Any] | None = None, **over: Any) -> Callable[[dict[str, Any]], None]:
    """A study with GRPO and these settings."""
    align = {"method": "grpo", "starts": ["mol2cap"], "reward": {"atomic_f1": 1}, "settings": settings or {}} | over
    return _set("align", "grpo", align)


TSV = "SMILES\tdescription\tkey\nCCO\tAn alcohol.\tm0\n"


def _set(*key_path: Any) -> Callable[[dict[str, Any]], None]:
    """A change of the study: the last argument is put where the others lead to."""
    *way, key, value = key_path

    def change(study: dict[str, Any]) -> None:
        for part in way:
            study = study[part]
        study[key] = value

    return change


GRID = {"algorithm": "grid", "values": {"density": [0.2, 0.5]}}


def _search(**over: Any) -> Callable[[dict[str, Any]], None]:
    """A search of the weights of a TIES merge, with some other keys."""
    own = {"merge": {"method": "ties"}, "by": GRID} | over
    return _set("merge", "search", {"best": own})


def _grid(**values: list[float]) -> dict[str, Any]:
    return {"algorithm": "grid", "values": values}


def _adapt_to_a_test_set(study: dict[str, Any]) -> None:
    study["data"]["train"] = study["data"]["tests"]["mine"]["source"]
    study["nli"]["own"] = {"kind": "adapted", "parent": "embedded"}


def _align_an_endpoint(study: dict[str, Any]) -> None:
    study["initial"]["gpt"] = {"kind": "endpoint", "base_url": "http://localhost:8000/v1", "model": "m"}
    study["align"]["sft"]["starts"] = ["gpt"]


def _reward_of_a_language_model(study: dict[str, Any]) -> None:
    study["judges"]["mine"] = {"kind": "llm", "base_url": "http://localhost:8000/v1", "model": "m"}
    _grpo(reward={"mine.supported": 1})(study)


def _take_out(study: dict[str, Any]) -> None:
    del study["data"]["tests"]["id"]["source"]


CONFIGS: list[tuple[str, str, Callable[[dict[str, Any]], None] | str]] = [
    ("misspelt key", "`algn: {}`", _set("algn", {})),
    ("missing key", "a test set without `source`", _take_out),
    ("key given twice", "`run` on two lines", "run: a\nrun: b\n"),
    ("key that is no text", "`data: {1: x}`", _set("data", 1, "x")),
    ("misspelt value", "`method: spo`", _set("align", "sft", "method", "spo")),
    ("misspelt kind", "`kind: fulldok`", _set("judges", "atomic", {"kind": "fulldok"})),
    ("wrong type", "`seeds: 7`", _set("seeds", 7)),
    ("true for a number", "`rows: yes`", _set("data", "tests", "id", "rows", True)),
    ("out of range", "`fraction: 0`", _set("data", "subset", "fraction", 0)),
    ("not finite", "`temperature: .inf`", _set("generation", "temperature", float("inf"))),
    ("huge", "`max_new_tokens: 1e30`", _set("generation", "max_new_tokens", 10**30)),
    ("unsafe name", "`run: ../up`", _set("run", "../up")),
    ("reserved name", "`run: store`", _set("run", "store")),
    ("names that differ by case", "judges `atomic`, `Atomic`", _set("judges", "Atomic", {"kind": "atomic"})),
    ("name that is not there", "`starts: [mol2cpa]`", _set("align", "sft", "starts", ["mol2cpa"])),
    (
        "metric that is not there, in a training",
        "`eval_metrics: [atomic_f2]`",
        _set("align", "sft", "eval_metrics", ["atomic_f2"]),
    ),
    ("rewards without weight", "`reward: {atomic_f1: 0}`", _grpo(reward={"atomic_f1": 0})),
    ("reward for what is worse", "`reward: {hallucination: 1}`", _grpo(reward={"hallucination": 1})),
    ("reward that is not there", "`reward: {atomc_f1: 1}`", _grpo(reward={"atomc_f1": 1})),
    (
        "reward by a judge that is not there",
        "`reward: {summac.consistency: 1}`",
        _grpo(reward={"summac.consistency": 1}),
    ),
    (
        "pairs by a judge that is not there",
        "`rejected: {kind: judged, reward: {other.atomic_f1: 1}}`",
        _set("align", "sft", "rejected", {"kind": "judged", "reward": {"other.atomic_f1": 1}}),
    ),
    ("reward by a judge that asks a server", "a judge of `kind: llm`", _reward_of_a_language_model),
    ("true for a weight", "`reward: {atomic_f1: yes}`", _grpo(reward={"atomic_f1": True})),
    ("groups of one", "`num_generations: 1`", _grpo({"num_generations": 1})),
    ("groups that fill no step", "`num_generations: 5`", _grpo({"num_generations": 5})),
    (
        "early stopping by nothing",
        "`early_stopping: {metric: bleu4}`",
        _set("align", "sft", "early_stopping", {"metric": "bleu4"}),
    ),
    (
        "slot of the other direction",
        "`mol2cap: '{molecule} {caption}'`",
        _set("prompts", "mol2cap", "{molecule} {caption}"),
    ),
    ("misspelt slot", "`prompt: '{caption} {captoin}'`", _set("decomposers", "llm", "prompt", "{caption} {captoin}")),
    ("chat template of a model made here", "`template: chat`", _set("prompts", "template", "chat")),
    ("alignment of a model behind an endpoint", "`starts: [gpt]`", _align_an_endpoint),
    ("search on a test set", "`on: id` in `merge.search`", _search(on="id")),
    ("search of no parameter", "`values: {densty: [0.2]}`", _search(by=_grid(densty=[0.2]))),
    ("search of refused values", "`values: {density: [0.2, 2]}`", _search(by=_grid(density=[0.2, 2.0]))),
    (
        "search beyond its budget",
        "9 candidates and `budget: 8`",
        _search(budget=8, by=_grid(weights=[0.1, 0.5, 1.0])),
    ),
    ("true for a value", "`values: {density: [yes, 0.5]}`", _search(by=_grid(density=[True, 0.5]))),
    ("value given twice", "`values: {density: [0.5, 0.5]}`", _search(by=_grid(density=[0.5, 0.5]))),
    ("search without weights", "`values: {weights: [0]}`", _search(by=_grid(weights=[0.0]))),
    ("search by no metric", "`metric: blue4`", _search(metric="blue4")),
    ("setting of TRL", "`learning_rte: 1`", _set("align", "sft", "settings", {"learning_rte": 1})),
    ("setting that is molmix's", "`hub_token: …`", _set("align", "sft", "settings", {"hub_token": "x"})),
    ("password in an address", "`base_url: http://me:x@host`", _set("decomposers", "llm", "base_url", "http://m:x@h")),
    (
        "number format that the engine lacks",
        "`engine: torch, dtype: int8`",
        _set("nli", "e", {"kind": "pretrained", "id": "a", "revision": "v1", "engine": "torch", "dtype": "int8"}),
    ),
    (
        "revision with a path",
        "`revision: ../x`",
        _set("nli", "e", {"kind": "pretrained", "id": "a", "revision": "../x"}),
    ),
    ("captions that are judged", "an NLI model adapted to a test set", _adapt_to_a_test_set),
    ("no YAML", "`run: [a`", "run: [a\n"),
    ("tab", "a key behind a tab", "data:\n\ttests: {}\n"),
    ("no keys", "an empty file", ""),
    ("path with braces", "`path: {x}.tsv`", _set("data", "tests", "mine", "source", "path", "{x}.tsv")),
]
FILES: list[tuple[str, str, str, bytes | None]] = [
    ("file that is not there", "`path: none.tsv`", "none.tsv", None),
    ("unknown ending", "a spreadsheet", "t.xlsx", b"PK\x03\x04"),
    ("empty file", "0 bytes", "t.tsv", b""),
    ("header alone", "no row", "t.tsv", TSV.partition("\n")[0].encode() + b"\n"),
    ("misspelt column", "`Description`", "t.tsv", TSV.replace("desc", "Desc").encode()),
    ("column given twice", "two `key`", "t.tsv", TSV.replace("key\n", "key\tkey\n").encode()),
    ("ragged row", "a tab in a caption", "t.tsv", TSV.replace("An a", "An\ta").encode()),
    ("open quote", "a quote that never ends", "t.csv", TSV.replace("\t", ",").replace("An", '"An').encode()),
    (
        "quote that takes in rows",
        "and closes two rows later",
        "t.csv",
        TSV.replace("\t", ",").replace("An", '"An').encode() + b'CCN,An amine.,m1\nCCC,A gas.",m2\n',
    ),
    ("UTF-16", "as spreadsheets save it", "t.tsv", TSV.encode("utf-16")),
    ("latin-1", "one byte", "t.tsv", TSV.replace("An", "é").encode("latin-1")),
    ("gzip without `.gz`", "a download", "t.tsv", gzip.compress(TSV.encode(), mtime=0)),
    ("gzip cut short", "a download that broke", "t.tsv.gz", gzip.compress(TSV.encode(), mtime=0)[:-12]),
    ("no Parquet", "JSON by that name", "t.parquet", b'{"a": 1}\n'),
    ("no JSON", "a line cut short", "t.jsonl", b'{"SMILES": "C\n'),
    ("blank caption", "spaces", "t.tsv", TSV.replace("An alcohol.", "  ").encode()),
    ("number for a caption", "`5`", "t.jsonl", b'{"SMILES": "C", "description": 5, "key": "m0"}\n'),
    ("half a character", "`\\ud83d`", "t.jsonl", b'{"SMILES": "C", "description": "\\ud83d", "key": "m0"}\n'),
    ("id given twice", "`m0`", "t.tsv", (TSV + "CC\tA gas.\tm0\n").encode()),
]


@contextmanager
def _elsewhere() -> Iterator[Path]:
    """A folder with the study's files, for the working folder."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            write_files(Path(name))
            yield Path("study.yaml")
        finally:
            os.chdir(before)


def error_message(path: Path, text: str) -> str:
    """What is said of a config of this text.

    Raises:
        ValueError: nothing; it was accepted.
    """
    path.write_text(text, encoding="utf-8")
    try:
        ready(read_yaml(path), [path], read_files=True)
    except MolmixError as error:
        return str(error)
    raise ValueError(f"accepted: {text}")


def rows() -> Iterator[tuple[str, str, str]]:
    """Kind, example and message of each row of the table."""
    with _elsewhere() as path:
        for kind, example, change in CONFIGS:
            study = copy.deepcopy(BASE)
            if callable(change):
                change(study)
            text = change if isinstance(change, str) else yaml.safe_dump(study, sort_keys=False)
            yield kind, example, error_message(path, text)
        for kind, example, name, data in FILES:
            if data is not None:
                Path(name).write_bytes(data)
            study = copy.deepcopy(BASE)
            study["data"]["tests"]["mine"]["source"]["path"] = name
            yield kind, example, error_message(path, yaml.safe_dump(study, sort_keys=False))


def page() -> str:
    """The page as it is now to be."""
    from tests.badinput.test_configs import DISTINCT
    from tests.badinput.test_tables import DISTINCT as DISTINCT_TABLES

    lines = []
    for kind, example, message in rows():
        told = message.removeprefix("study.yaml: 1 thing to fix\n").replace("\n  Hint:", ". Hint:")
        told = " ".join(told.split())
        told = told.replace("`", "'").replace("|", "\\|")
        lines.append(f"| {kind} | {example} | `{told if len(told) <= 240 else told[:239] + '…'}` |\n")
    return HEAD.format(configs=DISTINCT, tables=DISTINCT_TABLES) + "".join(lines) + FOOT


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
