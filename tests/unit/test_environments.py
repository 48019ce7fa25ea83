"""The conda environments hold the pins of the lock."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_environments_hold_the_locks_pins() -> None:
    sys.path.insert(0, str(ROOT / "envs"))
    import split

    for name, content in split.environments().items():
        assert (ROOT / "envs" / name).read_text() == content, "run `make docs`"
    lock = set((ROOT / "requirements.lock").read_text().splitlines())
    pins = {line.strip(" -") for line in (ROOT / "envs/models.yaml").read_text().splitlines() if "==" in line}
    assert pins and pins <= lock
