"""The origin of a result: every table and manifest records the job, the settings and the inputs that made it.

Snakemake records this too, but only in ``.snakemake/``. A copy of a run has no such records, so a changed setting
reruns nothing there. Therefore the file itself contains its origin: in the metadata of a Parquet table, or under a key
of a JSON manifest. :mod:`molmix.pipeline.origins` compares origins with the current files and settings.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ORIGIN_KEY = "molmix.made"
# An environment variable, so that all processes and threads of a job write the same origin.
_VARIABLE = "MOLMIX_ORIGIN"


@dataclass(frozen=True)
class Origin:
    """How a file was made.

    Attributes:
        rule: the rule of the workflow.
        wildcards: wildcards of the job, by name.
        settings: digest of the job's parameters.
        inputs: checksum of every input file of the job, by path.
        file: path of a table below the folder of its run, when it was written; empty in manifests, and in tables of
            earlier versions.
    """

    rule: str
    wildcards: Mapping[str, str]
    settings: str
    inputs: Mapping[str, str]
    file: str = ""

    @property
    def job(self) -> str:
        """The rule with its wildcards; see :func:`job_name`."""
        return job_name(self.rule, self.wildcards)


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """A rule with its wildcards in alphabetical order, such as ``generate(model=agnostic.sft)``."""
    return f"{rule}({', '.join(f'{name}={value}' for name, value in sorted(wildcards.items()))})"


@contextmanager
def recording(origin: Origin) -> Iterator[None]:
    """Write this origin into every table and manifest that is written inside the block."""
    made = {name: value for name, value in asdict(origin).items() if name != "file"}
    os.environ[_VARIABLE] = json.dumps(made, sort_keys=True, ensure_ascii=False)
    try:
        yield
    finally:
        del os.environ[_VARIABLE]


def origin_entry(file: str = "") -> dict[str, str]:
    """The metadata entry with the origin; empty outside of a job.

    Args:
        file: :func:`path_in_run` of a table.
    """
    text = os.environ.get(_VARIABLE)
    if not text:
        return {}
    made = json.loads(text) | ({"file": file} if file else {})
    return {ORIGIN_KEY: json.dumps(made, sort_keys=True, ensure_ascii=False)}


def path_in_run(path: Path) -> str:
    """The path of a result below the folder of its run, so that a run can be renamed; empty for any other file."""
    return Path(*path.parts[2:]).as_posix() if path.parts[:1] == ("results",) else ""
