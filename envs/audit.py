"""Ask the Python advisory database about every pin of the lock file. Run by `make audit`, in CI too.

Known vulnerabilities end it with status 1. Where the database is out of reach nothing can be said, and that is said.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"


def verdict(pins: int, answer: str) -> tuple[str, int]:
    """What to say of pip-audit's answer, and the status to end with.

    Args:
        pins: packages that were asked about.
        answer: what it wrote as JSON; nothing where it met no service.
    """
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError):
        packages = []
    found = [
        f"{package['name']} {package['version']}: {', '.join([flaw['id'], *flaw['aliases']])}"
        f" (fixed in {', '.join(flaw['fix_versions']) or 'no version yet'})"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    asked = sum("vulns" in package for package in packages)
    if not asked:
        return f"Not audited: none of {pins} packages could be asked about, as from a network without pypi.org.", 0
    if found:
        return "\n".join([f"{len(found)} known vulnerabilities in {asked} packages:", *found]), 1
    unasked = f"; {pins - asked} could not be asked about" if asked < pins else ""
    return f"No known vulnerability in {asked} packages{unasked}.", 0


if __name__ == "__main__":
    command = ["pip-audit", "-r", str(LOCK), "--no-deps", "--disable-pip", "--progress-spinner", "off", "-f", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    said, status = verdict(len(LOCK.read_text(encoding="utf-8").split()), done.stdout)
    print(said)
    sys.exit(status)
