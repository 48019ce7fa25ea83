"""The origin of a result: every table and manifest carries the job, the settings and the inputs that made it.

Snakemake knows this too, but only while its own notes (``.snakemake/``) lie beside the results. A copy of a run has
none, and there a changed setting reruns nothing. So the origin lies in the file itself: in the metadata of a Parquet
table, or under a key of a JSON manifest. :mod:`molmix.pipeline.origins` follows origins back and compares them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ORIGIN_KEY = "molmix.made"
# Of the environment, so that the processes and threads of one job write the same origin.
_VARIABLE = "MOLMIX_ORIGIN"


@dataclass(frozen=True)
class Origin:
    """How a file was made.

    Attributes:
        rule: the rule of the workflow.
        wildcards: of the job, by name.
        settings: digest of the job's parameters.
        inputs: checksum of every file that the job was given, by path.
        file: path of a table below the folder of its run, as it was written; empty in manifests, and in tables of
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
    """A rule with its wildcards in alphabetical order, as ``generate(model=agnostic.sft)``."""
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
    """The entry of the origin among a file's metadata; none outside of a job.

    Args:
        file: :func:`path_in_run` of a table.
    """
    text = os.environ.get(_VARIABLE)
    if not text:
        return {}
    made = json.loads(text) | ({"file": file} if file else {})
    return {ORIGIN_KEY: json.dumps(made, sort_keys=True, ensure_ascii=False)}


def path_in_run(path: Path) -> str:
    """The path of a result below the folder of its run, so that a run can be renamed; empty of any other file."""
    return Path(*path.parts[2:]).as_posix() if path.parts[:1] == ("results",) else ""
