"""What an answer depends on: a change of code, of a library or of hardware changes a cache's key."""

import sys
from pathlib import Path

import pytest

from molmix.core.fingerprint import (
    code_digest,
    cpu_has_bfloat16,
    device_name,
    environment,
    package_versions,
    statements_of,
)


@pytest.fixture
def digest_of(tmp_path: Path, monkeypatch):
    """Digest of a package of two modules, one of which has this text."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage/__init__.py").write_text("")
    (tmp_path / "stage/other.py").write_text("raise RuntimeError('is not imported')")

    def digest(text: str, *modules: str) -> str:
        (tmp_path / "stage/answers.py").write_text(text)
        statements_of.cache_clear()
        sys.modules.pop("stage", None)
        return code_digest(*(modules or ("stage",)))

    yield digest
    statements_of.cache_clear()
    sys.modules.pop("stage", None)


PLAIN = '"""Answers."""\n\n\ndef answer():\n    """Say it."""\n    # aloud\n    return 1\n'


@pytest.mark.parametrize("module", ["stage", "stage.answers"])
def test_a_statement_changes_it_and_words_do_not(digest_of, module: str) -> None:
    before = digest_of(PLAIN, module)
    assert digest_of('"""Other words."""\ndef answer():\n    return 1\n', module) == before
    assert digest_of(PLAIN.replace("return 1", "return 2"), module) != before


def test_a_module_counts_where_it_is_named(digest_of) -> None:
    assert digest_of(PLAIN, "stage") != digest_of(PLAIN, "stage.answers") != digest_of(PLAIN, "stage.other")
    with pytest.raises(ModuleNotFoundError):
        digest_of(PLAIN, "stage.nothing")


def test_packages_that_are_not_installed_have_no_version() -> None:
    assert package_versions(["no-such-package", "pyarrow"]).keys() == {"pyarrow"}


def test_the_device_is_found_without_torch_where_there_is_no_gpu(tmp_path: Path) -> None:
    assert device_name(tmp_path).startswith("cpu ")


def test_a_cpu_says_by_its_flags_whether_it_multiplies_bfloat16(tmp_path: Path) -> None:
    for flags, expected in (("fpu avx2", False), ("fpu avx512_bf16", True), ("amx_bf16 amx_tile", True)):
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\nbogomips : 1\n")
        assert cpu_has_bfloat16(tmp_path / "cpuinfo") is expected
    assert not cpu_has_bfloat16(tmp_path / "absent")


def test_the_environment_is_plain_json() -> None:
    about = environment(code=["molmix.core.files"], packages=["pyarrow"], dtype="float32")
    assert list(about) == ["code", "packages", "device", "dtype"]
