"""What Snakemake noted of a run in ``.snakemake/``: its locks, what was begun, how finished results were made, and
which jobs in SLURM its heads handed out.

All jobs of one head have one name in SLURM, which the head's log tells before the first of them. (The mark of a file
that was begun holds its job's number too, but only until the Snakemake inside that job writes the mark anew.)
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

from snakemake.io import IOFile
from snakemake.persistence.file import FilePersistence

from molmix.pipeline.unfinished import begun

_HEAD = re.compile(r"^SLURM run ID: (\S+)$", re.MULTILINE)
_RUN = re.compile(r"\bresults/([\w.-]+)/")
CLOCKS = 10  # seconds that clocks on a shared file system may differ by


class Marks:
    """The notes on one run, among those on others in the same folder."""

    def __init__(self, run: str, snakemake: Path) -> None:
        self.run, self.ours = run, f"results/{run}/"
        self.locks = {lock: lock.read_text().splitlines() for lock in (snakemake / "locks").glob("*.lock")}
        self.notes = FilePersistence(path=snakemake)
        self.begun = begun(snakemake / "incomplete")
        texts = [log.read_text(encoding="utf-8", errors="replace") for log in (snakemake / "log").glob("*.log")]
        self._heads = {head[1]: set(_RUN.findall(text)) for text in texts if (head := _HEAD.search(text))}

    def in_slurm(self) -> bool:
        """Whether a head of this run that took its lock may have handed jobs out to SLURM."""
        return bool(self._locks("output")) and any(self.run in runs for runs in self._heads.values())

    def names_of_others(self) -> set[str]:
        """Names in SLURM of the jobs of other runs' heads."""
        return {name for name, runs in self._heads.items() if runs and self.run not in runs}

    def unfinished(self) -> list[str]:
        """Files that exist and that no job says it has finished: `rerun-incomplete` makes them again."""
        return [path for path in self.begun if path.startswith(self.ours) and Path(path).exists()]

    def unrecorded(self) -> tuple[list[str], list[str]]:
        """Results that exist without a record of how they were made: those made since the dead head took its lock,
        which are now marked to be made again, and older ones.
        """
        young, older = [], []
        for lock, paths in self._locks("output").items():
            for path in paths:
                file = IOFile(path)
                if not Path(path).exists() or path in self.begun or self.notes.metadata(file):
                    continue
                if Path(path).stat().st_mtime >= lock.stat().st_mtime - CLOCKS:
                    self.notes.started(SimpleNamespace(output=[file]))
                    young.append(path)
                else:
                    older.append(path)
        return young, older

    def unlock(self) -> bool:
        """Take away this run's locks, and no others; whether there were any."""
        runs = {lock.name.partition(".")[0] for lock in self._locks("output")}
        for lock in self.locks:
            if lock.name.partition(".")[0] in runs:
                lock.unlink(missing_ok=True)
        return bool(runs)

    def _locks(self, kind: str) -> dict[Path, list[str]]:
        return {
            lock: paths
            for lock, paths in self.locks.items()
            if lock.name.endswith(f".{kind}.lock") and any(path.startswith(self.ours) for path in paths)
        }
