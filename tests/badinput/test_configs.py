"""Configs spoilt by the hundred: each is refused in one message that names the key, or makes a whole model table."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from molmix.config.loading import read_yaml
from molmix.core.errors import MolmixError
from molmix.pipeline.setup import ready
from tests.badinput.conftest import assert_plain
from tests.badinput.studies import BASE, spoiled

CASES = 400
DISTINCT = 250  # of them, at least


def outcome(content: dict[str, Any]) -> str | None:
    """The message of the validation error; None where the study is accepted, and then its model table is sound."""
    path = Path("study.yaml")
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    try:
        study, table = ready(content, [path], read_files=True)  # reads the file, too
    except MolmixError as error:
        return str(error)
    json.dumps(study.model_dump(mode="json"), allow_nan=False)
    assert table and all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", model) for model in table)
    assert len({model.lower() for model in table}) == len(table)
    return None


def test_the_study_itself_is_accepted(folder: Path) -> None:
    assert outcome(BASE) is None


@pytest.mark.slow
def test_spoilt_studies(folder: Path) -> None:
    seen: dict[tuple[str, str, str], bool] = {}

    @settings(
        max_examples=CASES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(spoiled())
    def campaign(case: tuple[str, tuple[Any, ...], str, dict[str, Any]]) -> None:
        kind, path, value, content = case
        message = outcome(content)
        seen[kind, repr(path), value] = message is not None
        if message is None:
            assert kind not in ("name", "extra"), f"{path} was accepted"
            return
        assert_plain(message)
        # Its own key, what holds it (where the key is gone, or has no name), or its value.
        names = [*(str(part) for part in path[-2:] if isinstance(part, str) and part), value.strip("'")]
        assert any(name in message for name in names) or kind == "extra", (path, value, message)

    campaign()
    assert len(seen) >= DISTINCT, len(seen)
    # Most spoilings matter; a campaign that breaks nothing, or in which everything is refused, tests nothing.
    assert len(seen) / 2 < sum(seen.values()) < len(seen)


TEXTS: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["holds no keys", "config/config.yaml"]),
    "comment": (b"# nothing\n", ["holds no keys"]),
    "list": (b"- run: a\n", ["holds no keys"]),
    "text": (b"run\n", ["holds no keys"]),
    "tab": (b"run: a\ndata:\n\ttests: {}\n", ["is not YAML", "line 3"]),
    "bracket": (b"run: [a\n", ["is not YAML"]),
    "twice": (b"run: a\nrun: b\n", ["line 2", "'run' is given twice"]),
    "twice below": (b"data: {subset: {fraction: 0.1, fraction: 0.2}}\n", ["'fraction' is given twice"]),
    "latin-1": ("run: \u00e9\n".encode("latin-1"), ["is not UTF-8", "byte 5"]),
    "utf-16": ("run: a\n".encode("utf-16"), ["is not UTF-8"]),
    "utf-32": ("run: a\n".encode("utf-32"), ["is not UTF-8"]),
    "NUL": (b"run: a\x00b\n", ["is not YAML"]),
    "escape": (b"run: \x1b[31mred\n", ["is not YAML"]),
    "date that is none": (b"run: 2024-13-45\n", ["is not YAML", "month"]),
    "number of 5,000 digits": (b"seeds: [" + b"9" * 5000 + b"]\n", ["is not YAML"]),
    "nested 5,000 deep": (b"run: " + b"[" * 5000 + b"]" * 5000, ["is not YAML"]),
    "tag that would run code": (b"run: !!python/object/apply:os.system ['touch pwned']\n", ["is not YAML"]),
    "unknown anchor": (b"run: *a\n", ["is not YAML", "alias"]),
    "loop of anchors": (b"a: &a {b: *a}\n", ["is not YAML"]),
    "key that is a list": (b"? [a]\n: b\n", ["key"]),
    "key that is a mapping": (b"? {a: 1}\n: b\n", ["key"]),
    "zip": (b"PK\x03\x04\x14\x00\x08\x08\xff\xfe", ["study.yaml"]),
    "two documents": (b"run: a\n---\nrun: b\n", ["is not YAML", "document"]),
    "date": (b"run: 2024-01-01\n", ["run", "2024"]),
    "yes": (b"run: yes\n", ["run", "true"]),
    "number": (b"run: 007\n", ["run", "7"]),
    "sexagesimal": (b"run: 12:30:00\n", ["run", "45000"]),
    "null": (b"data: ~\n", ["data", "null"]),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_texts_that_are_no_config(folder: Path, text: bytes, expected: list[str]) -> None:
    path = Path("study.yaml")
    path.write_bytes(text)
    with pytest.raises(MolmixError) as caught:
        ready(read_yaml(path), [path], read_files=True)
    assert_plain(str(caught.value))
    assert all(part in str(caught.value) for part in ["study.yaml", *expected]), caught.value


def test_aliases_that_unfold_to_gigabytes(folder: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    Path("study.yaml").write_text("\n".join([*lines, "run: *a11", "align: {sft: {method: sft, starts: *a11}}"]))
    with pytest.raises(MolmixError) as caught:
        ready(read_yaml(Path("study.yaml")), [Path("study.yaml")], read_files=True)
    assert_plain(str(caught.value))


@pytest.mark.parametrize("change", ["bom", "crlf", "anchors", "flow"])
def test_yaml_that_is_odd_and_right(folder: Path, change: str) -> None:
    text = yaml.safe_dump(BASE, sort_keys=False, default_flow_style=change == "flow" or None)
    if change == "anchors":
        text = text.replace("  sft:", "  sft: &sft", 1).replace("  dpo:", "  dpo:\n    <<: *sft", 1)
    data = {"bom": b"\xef\xbb\xbf" + text.encode(), "crlf": text.replace("\n", "\r\n").encode()}.get(
        change, text.encode()
    )
    Path("study.yaml").write_bytes(data)
    study, table = ready(read_yaml(Path("study.yaml")), [Path("study.yaml")], read_files=True)
    assert study.run == "base" and "both.slerp.dpo-s8" in table
