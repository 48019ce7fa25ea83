"""Runs the code cells of a notebook, as Jupyter does.

`python -m tests.docs.notebook FILE` writes what they print into the notebook. Run it in the folder that it reads from.
"""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def run_cells(notebook: dict[str, Any]) -> list[str]:
    """What each code cell of a notebook prints."""
    printed, names = [], {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            with contextlib.redirect_stdout(io.StringIO()) as stream:
                exec("".join(cell["source"]), names)
            printed.append(stream.getvalue())
    return printed


def write_outputs(path: Path) -> None:
    """Run a notebook, and keep in the file what its cells print."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, text) in enumerate(zip(cells, run_cells(notebook), strict=True), 1):
        stream = {"name": "stdout", "output_type": "stream", "text": text.splitlines(True)}
        cell["execution_count"], cell["outputs"] = number, [stream] if text else []
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_outputs(Path(sys.argv[1]))
