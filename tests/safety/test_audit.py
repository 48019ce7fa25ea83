"""The audit of the pins: what it says of what pip-audit answers."""

import json

from envs.audit import verdict


def answer(*packages: dict) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "not found on PyPI"}
FLAWED = {
    "name": "c",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["3"], "description": "bad"}],
}


def test_clean_pins_pass() -> None:
    assert verdict(1, answer(CLEAN)) == ("No known vulnerability in 1 packages.", 0)


def test_a_flaw_fails_the_gate() -> None:
    said, status = verdict(3, answer(CLEAN, SKIPPED, FLAWED))
    assert status == 1 and "c 2: PYSEC-1, CVE-1 (fixed in 3)" in said


def test_what_was_not_asked_is_said() -> None:
    assert verdict(2, answer(CLEAN, SKIPPED)) == (
        "No known vulnerability in 1 packages; 1 could not be asked about.",
        0,
    )


def test_no_service_is_no_pass() -> None:
    for nothing in ("", "Traceback …", "{}", answer(SKIPPED)):
        said, status = verdict(1, nothing)
        assert said.startswith("Not audited") and status == 0
