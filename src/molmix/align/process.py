"""What each process of an alignment on several GPUs runs (see :mod:`molmix.align.launch`)."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import torch

from molmix.align.training import align
from molmix.core.errors import MolmixError


def main(given: Path) -> None:
    """Align with the arguments in a JSON file; this process leaves its number beside it, and a user's mistake."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    given.with_name(f"{os.environ['RANK']}.pid").write_text(str(os.getpid()), encoding="ascii")
    arguments: dict[str, Any] = json.loads(given.read_text(encoding="utf-8"))
    arguments |= {name: Path(arguments[name]) for name in ("start", "pairs", "out", "work", "curves")}
    try:
        align(**arguments)
    except MolmixError as error:
        given.with_name(f"{os.environ['RANK']}.fault").write_text(str(error), encoding="utf-8")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
