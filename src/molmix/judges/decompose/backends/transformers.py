"""Decomposition by an instruct model on this machine that transformers runs."""

from __future__ import annotations

from typing import Literal

from molmix.judges.decompose.backends._local import LocalSettings


class TransformersSettings(LocalSettings):
    """An instruct model on this machine: no server, no key; a GPU for anything but a small one."""

    backend: Literal["transformers"]
