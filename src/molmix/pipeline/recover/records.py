"""Snakemake's records of a run in ``.snakemake/``: its locks, the files that jobs have begun, how results were made,
and which jobs in SLURM it started.

All SLURM jobs of one Snakemake process have the same name. Its log contains this name before the first job. (The record
of a begun file has the id of its job too, but only until the Snakemake inside that job writes the record again.)
"""

from __future__ import annotations

import os
import platform
import pwd
import re
from pathlib import Path
from types import SimpleNamespace

from molmix.core.errors import fault
from molmix.pipeline.snakemake_records import recorded_files

_SLURM_NAME = re.compile(r"^SLURM run ID: (\S+)$", re.MULTILINE)
_HOST = re.compile(r"^ *Host: (\S+)$", re.MULTILINE)
_RUN = re.compile(r"\bresults/([\w.-]+)/")
CLOCKS = 10  # seconds that clocks on a shared file system may differ by


class Records:
    """The records of one run. Records of other runs in the same folder are not changed."""

    def __init__(self, run: str, snakemake: Path) -> None:
        self.run, self.prefix, self.folder = run, f"results/{run}/", snakemake
        self.locks = {lock: lock.read_text().splitlines() for lock in sorted((snakemake / "locks").glob("*.lock"))}
        self.begun = recorded_files(snakemake / "incomplete")
        self._logs = [
            (log.stat().st_mtime, log.read_text(encoding="utf-8", errors="replace"))
            for log in (snakemake / "log").glob("*.log")
        ]
        named = ((found[1], text) for _, text in self._logs if (found := _SLURM_NAME.search(text)))
        self._runs_by_name = {name: set(_RUN.findall(text)) for name, text in named}

    def check_locks(self, ended_on: str | None) -> None:
        """Check that the locks of this run may be removed: no Snakemake that is not visible here may be running.

        Args:
            ended_on: a machine on which the user knows that no Snakemake of the run is left.

        Raises:
            MolmixError: another user holds a lock, or the Snakemake that took it ran on another machine.
        """
        for lock in self._locks("output"):
            if (owner := lock.stat().st_uid) != os.getuid():
                what = f"belongs to user {_user(owner)}, whose Snakemake may still be running"
                hint = "leave it to that user; if no Snakemake runs, that user can run `molmix recover` here"
                raise fault(lock, what, hint)
        here, host = platform.node(), self._host()
        if self._locks("output") and host and host != ended_on and host.partition(".")[0] != here.partition(".")[0]:
            what = f"the Snakemake of this run was started on {host}, and this is {here}: it may still be running"
            hint = f"run `molmix recover` on {host}, or add `--ended-on {host}` if nothing of the run is left there"
            raise fault(self.folder, what, hint)

    def _host(self) -> str | None:
        """The machine on which the last Snakemake of this run was started, from its log; None if no log has it."""
        logs = sorted((age, text) for age, text in self._logs if self.run in _RUN.findall(text))
        found = _HOST.search(logs[-1][1]) if logs else None
        return found[1] if found else None

    def in_slurm(self) -> bool:
        """Whether this run is locked and a Snakemake of it has used SLURM."""
        return bool(self._locks("output")) and any(self.run in runs for runs in self._runs_by_name.values())

    def names_of_others(self) -> set[str]:
        """SLURM names of the jobs of other runs."""
        return {name for name, runs in self._runs_by_name.items() if runs and self.run not in runs}

    def unfinished(self) -> list[str]:
        """Existing files that no job has finished. `rerun-incomplete` makes them again."""
        return [path for path in self.begun if path.startswith(self.prefix) and Path(path).exists()]

    def unrecorded(self) -> tuple[list[str], list[str]]:
        """Existing results without a record of how they were made: those made since the killed Snakemake took its lock,
        and older ones. The former are recorded as begun, so that Snakemake makes them again.
        """
        young: list[str] = []
        older: list[str] = []
        locks = self._locks("output")
        if not locks:
            return young, older
        from snakemake.io import IOFile
        from snakemake.persistence.file import FilePersistence

        persistence = FilePersistence(path=self.folder)
        for lock, paths in locks.items():
            for path in paths:
                file = IOFile(path)
                if not Path(path).exists() or path in self.begun or persistence.metadata(file):
                    continue
                if Path(path).stat().st_mtime >= lock.stat().st_mtime - CLOCKS:
                    persistence.started(SimpleNamespace(output=[file]))
                    young.append(path)
                else:
                    older.append(path)
        return young, older

    def unlock(self) -> bool:
        """Remove the locks of this run only; returns whether there were any."""
        runs = {lock.name.partition(".")[0] for lock in self._locks("output")}
        for lock in self.locks:
            if lock.name.partition(".")[0] in runs:
                lock.unlink(missing_ok=True)
        return bool(runs)

    def _locks(self, kind: str) -> dict[Path, list[str]]:
        return {
            lock: paths
            for lock, paths in self.locks.items()
            if lock.name.endswith(f".{kind}.lock") and any(path.startswith(self.prefix) for path in paths)
        }


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
