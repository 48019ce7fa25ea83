"""A study with something in every section, its files, and the ways to spoil it."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Study = dict[str, Any]
KeyPath = tuple[Any, ...]

ROWS = [("CCO", "An alcohol."), ("CC(=O)O", "An acid."), ("c1ccccc1", "A ring.")]

COLUMNS = {"molecule": "SMILES", "caption": "description", "id": "key"}
BASE: Study = {
    "run": "base",
    "domain": "molecules",
    "seeds": [7, 8],
    "data": {
        "train": {"kind": "demo", "split": "train"},
        "tests": {
            "id": {"source": {"kind": "demo", "split": "id"}, "rows": 8},
            "mine": {"source": {"kind": "file", "path": "refs.tsv", "columns": COLUMNS}, "direction": "mol2cap"},
        },
        "subset": {"fraction": 0.2, "strategy": "random"},
    },
    "world": {"molecules": 300},
    "prompts": {"mol2cap": "Molecule: {molecule}\nCaption:"},
    "initial": {
        "agnostic": {"kind": "made", "task": "unpaired", "epochs": 1.0, "hidden_size": 32, "layers": 2, "heads": 2},
        "mol2cap": {"kind": "made", "parent": "agnostic", "task": "mol2cap", "learning_rate": 1e-3},
    },
    "universal": {"both": {"parents": ["mol2cap", "agnostic"], "base": "agnostic"}},
    "preferences": {"rejected": {"mol2cap": {"kind": "file", "path": "rejected.csv", "molecule": "m", "text": "t"}}},
    "align": {
        "sft": {"method": "sft", "starts": ["mol2cap"], "lora": {"r": 4}, "settings": {"learning_rate": 1e-3}},
        "dpo": {"method": "dpo", "starts": ["mol2cap", "both.slerp"], "preset": "paper", "settings": {"beta": 0.1}},
    },
    "merge": {
        "starts": ["mol2cap"],
        "methods": {"slerp": {"method": "slerp", "t": 0.5}, "ties": {"method": "ties", "density": 0.2}},
    },
    "generation": {"max_new_tokens": 24, "temperature": 0.0, "top_p": 1.0},
    "systems": [
        {"name": "other", "predictions": {"id": {"path": "id.txt"}, "mine": {"path": "mine.jsonl", "id": "key"}}}
    ],
    "decomposers": {
        "rules": {"backend": "rules"},
        "llm": {"backend": "openai", "base_url": "http://localhost:8000/v1", "model": "m", "timeout": 10.0},
    },
    "nli": {"embedded": {"kind": "made", "pairs": 1000, "epochs": 0.5, "min_accuracy": 0.5}},
    "judges": {
        "atomic": {"kind": "atomic", "nli": "embedded", "decomposer": "rules"},
        "sentence": {"kind": "summac_zs", "nli": "embedded"},
    },
    "judge_validation": {"molecules": 6, "doses": [1, 2]},
    "metrics": {"vocabulary": "vocab.txt"},
    "statistics": {"resamples": 100, "level": 0.9},
}

# Entries whose names the user gives.
NAMED: list[KeyPath] = [
    ("data", "tests"),
    ("initial",),
    ("universal",),
    ("align",),
    ("merge", "methods"),
    ("decomposers",),
    ("nli",),
    ("judges",),
]
BAD_NAMES = [
    "../up",
    "a/b",
    "..",
    ".",
    "",
    " ",
    "a+b",
    "a@b",
    "a b",
    "é",
    "分子",
    "-a",
    "_a",
    "x" * 300,
    "a\n",
    "a\x1b[31m",
]
BAD_NAMES += ["$(touch pwned)", "`touch pwned`", ";ls", "a.b", "a\x00b", "{x}", "*", "~", "C:\\x", "%s", "\u202eab"]
# Read by YAML as something else than text, where they are not in quotes.
NOT_TEXT = [1, 1.5, None, True]

WRONG: list[Any] = [None, True, -1, 0, 1.5, 10**30, float("nan"), float("inf"), -float("inf"), "", "x", "\x00", "1e999"]
WRONG += ["../x", "x" * 5000, [], {}, [[]], {"a": 1}, [None], "{molecule}{molecule}", "\x1b[2J", "/dev/zero", "/"]
NUMBERS: list[Any] = [-1, 0, -0.5, 10**30, 10**400, 1e308, float("nan"), float("inf"), -float("inf"), True, "many", 0.1]


def write_files(folder: Path) -> None:
    """The files that the study names."""
    lines = [f"{smiles}\t{caption}\tm{number}" for number, (smiles, caption) in enumerate(ROWS)]
    (folder / "refs.tsv").write_text("\n".join(["SMILES\tdescription\tkey", *lines]) + "\n")
    (folder / "rejected.csv").write_text("m,t\n" + "".join(f"{smiles},Some gas.\n" for smiles, _ in ROWS))
    (folder / "id.txt").write_text("A caption.\n" * 8)
    (folder / "mine.jsonl").write_text("".join(f'{{"key": "m{n}", "caption": "A gas."}}\n' for n in range(len(ROWS))))
    (folder / "vocab.txt").write_text("[UNK]\na\n")


def key_paths(node: Any, here: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key and every item of a list, by its way from the top."""
    if here:
        yield here
    for part, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from key_paths(child, (*here, part))


KEY_PATHS = list(key_paths(BASE))
KEYS = [path for path in KEY_PATHS if isinstance(path[-1], str)]


def at(study: Any, path: KeyPath) -> Any:
    """What stands at a path of keys."""
    for part in path:
        study = study[part]
    return study


def changed(path: KeyPath, change: Callable[[Any, Any], None]) -> Study:
    """The study with a change made in what holds the key."""
    study = copy.deepcopy(BASE)
    change(at(study, path[:-1]), path[-1])
    return study


def _renamed(path: KeyPath, name: Any) -> Study:
    def change(holder: Any, part: Any) -> None:
        kept = [(name if key == part else key, value) for key, value in holder.items()]
        holder.clear()
        holder.update(kept)

    return changed(path, change)


def _typo(name: str, spot: int, kind: str) -> str:
    spot %= len(name)
    swapped = name[:spot] + name[spot + 1 : spot + 2] + name[spot] + name[spot + 2 :]
    return {"drop": name[:spot] + name[spot + 1 :], "double": name[: spot + 1] + name[spot:], "swap": swapped}[kind]


@st.composite
def spoiled(draw: Any) -> tuple[str, KeyPath, str, Study]:
    """A study that was spoilt: the kind of it, where, what stands there now, and the whole."""
    kind = draw(st.sampled_from(["typo", "missing", "extra", "type", "range", "name", "case", "reference"]))
    if kind == "typo":
        path = draw(st.sampled_from(KEYS))
        name = _typo(path[-1], draw(st.integers(0, 30)), draw(st.sampled_from(["drop", "double", "swap"])))
        return kind, (*path[:-1], name), name, _renamed(path, name)
    if kind == "missing":
        path = draw(st.sampled_from(KEY_PATHS))
        return kind, path, "", changed(path, lambda holder, part: holder.pop(part))
    if kind == "extra":
        path = draw(st.sampled_from([path for path in KEY_PATHS if isinstance(at(BASE, path), dict)]))
        name = draw(st.sampled_from([*BAD_NAMES, *NOT_TEXT]))
        return (
            kind,
            (*path, name),
            repr(name),
            changed((*path, name), lambda holder, part: holder.update({part: 1})),
        )
    if kind == "name":
        holder = draw(st.sampled_from(NAMED))
        path = (*holder, draw(st.sampled_from(sorted(at(BASE, holder)))))
        name = draw(st.sampled_from([*BAD_NAMES, *NOT_TEXT]))
        return kind, (*holder, name), repr(name), _renamed(path, name)
    if kind == "case":
        holder = draw(st.sampled_from(NAMED))
        name = draw(st.sampled_from(sorted(at(BASE, holder))))
        twin = (*holder, name.upper())
        entry = at(BASE, (*holder, name))
        return kind, twin, twin[-1], changed(twin, lambda holder, part: holder.update({part: copy.deepcopy(entry)}))
    if kind == "range":
        path = draw(st.sampled_from([p for p in KEY_PATHS if type(at(BASE, p)) in (int, float)]))
        value = draw(st.sampled_from(NUMBERS))
    elif kind == "reference":
        path = draw(st.sampled_from([p for p in KEY_PATHS if isinstance(at(BASE, p), str)]))
        value = draw(st.sampled_from([at(BASE, path) + "x", at(BASE, path)[:-1], at(BASE, path).upper(), "nobody"]))
    else:
        path, value = draw(st.sampled_from(KEY_PATHS)), draw(st.sampled_from(WRONG))
    return kind, path, repr(value), changed(path, lambda holder, part: holder.__setitem__(part, value))
