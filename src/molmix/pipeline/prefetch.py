"""Downloads everything that a study needs from the hub into its cache, for nodes without a network.

METEOR's WordNet, the word lists of the published metrics and files of captions are local paths in the config. They are
only checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from molmix.config.files import check_files
from molmix.config.schema import Config
from molmix.core.errors import MolmixError
from molmix.core.hub import Kind, snapshot
from molmix.data.settings import HubSource
from molmix.data.sources import read_hub
from molmix.models.weights import check_weights

COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Download:
    """A repository to download.

    Attributes:
        key: config key that names it.
        repository: its hub id.
        revision: commit hash, tag or branch.
        kind: which of its files are needed.
        sources: for a data set, the splits and columns that are read.
    """

    key: str
    repository: str
    revision: str
    kind: Kind
    sources: tuple[HubSource, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit hash, which cannot change."""
        return bool(COMMIT.fullmatch(self.revision))


@dataclass(frozen=True)
class CachedDownload:
    """A repository in the cache.

    Attributes:
        download: the download that was asked for.
        commit: commit hash of its revision.
        size: size of its files in bytes.
    """

    download: Download
    commit: str
    size: int


def downloads(study: Config) -> list[Download]:
    """The downloads that a study needs, each repository and revision once."""
    found: dict[tuple[str, str, Kind], Download] = {}
    for key, model in study.pretrained().items():
        if not Path(model.id).is_dir():
            found.setdefault(
                (model.id, str(model.revision), "model"), Download(key, model.id, str(model.revision), "model")
            )
    text2mol = study.metrics.text2mol
    if text2mol and not Path(text2mol.text_model).is_dir():
        key, name, revision = "metrics.text2mol", text2mol.text_model, str(text2mol.revision)
        found.setdefault((name, revision, "tokenizer"), Download(key, name, revision, "tokenizer"))
    for key, source in _sources(study):
        repository: tuple[str, str, Kind] = (source.id, source.revision, "dataset")
        known = found.get(repository, Download(key, *repository))
        found[repository] = Download(known.key, *repository, (*known.sources, source))
    return list(found.values())


def _sources(study: Config) -> Iterator[tuple[str, HubSource]]:
    data = study.data
    named = {"data.train": data.train, "data.validation": data.validation}
    named |= {f"data.corpora.{name}": source for name, source in data.corpora.items()}
    named |= {f"data.tests.{name}": test.source for name, test in data.tests.items()}
    for key, source in named.items():
        if isinstance(source, HubSource):
            yield key, source


def prefetch(study: Config) -> Iterator[CachedDownload]:
    """Download what is missing in the cache, and check all of it: weights are complete, splits and columns exist.

    A second call downloads only missing files.

    Raises:
        MolmixError: something cannot be downloaded or used. It is raised last, with one message for all of them.
    """
    check_files(study)
    refused = []
    for one in downloads(study):
        try:
            folder = snapshot(one.key, one.repository, one.revision, one.kind)
            if one.kind == "model":
                check_weights(folder)
            for source in one.sources:
                next(read_hub(source), None)
        except MolmixError as error:
            refused.append(str(error))
            continue
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        yield CachedDownload(one, folder.name, size)
    if refused:
        raise MolmixError("\n".join(refused))
