"""The code, libraries and hardware that an answer of a model depends on.

Some caches outlive a job (captions, atoms, NLI probabilities). The keys of their entries contain :func:`environment`,
so an entry is not used again after a change of the hardware, of a library version, or of the code that computed it.
This module imports torch only if there is a GPU.
"""

from __future__ import annotations

import ast
import platform
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from molmix.core.files import digest

# Device files of NVIDIA's driver, of its driver under Windows' Linux, and of AMD's.
_GPU_FILES = ("nvidia[0-9]*", "dxg", "kfd")
# Flags of CPUs that multiply bfloat16 matrices in hardware: x86, then ARM.
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def environment(*, code: Iterable[str], packages: Iterable[str], dtype: str) -> dict[str, Any]:
    """Code, libraries and hardware that an answer depends on, as plain JSON for the key of a cache entry.

    Args:
        code: full names of the modules or packages of molmix that compute the answer (see :func:`code_digest`).
        packages: names of the libraries that can change the answer.
        dtype: number format of the computation.
    """
    return {
        "code": code_digest(*code),
        "packages": package_versions(packages),
        "device": device_name(),
        "dtype": dtype,
    }


def code_digest(*modules: str) -> str:
    """Digest of the code of modules: 16 hex digits that change with any statement.

    Comments, docstrings and layout are ignored, so that a change of them computes nothing again. The modules are read,
    not imported. Modules that they import are included only if they are named too.

    Args:
        modules: full names of modules or packages. A package includes all modules below it.

    Raises:
        ModuleNotFoundError: a module does not exist.
    """
    sources: set[tuple[str, Path]] = set()
    for name in modules:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no module {name}", name=name)
        origin = Path(spec.origin)
        if spec.submodule_search_locations:
            sources |= {(f"{name}/{path.relative_to(origin.parent)}", path) for path in origin.parent.rglob("*.py")}
        else:
            sources.add((name, origin))
    return digest([(name, statements_of(path)) for name, path in sorted(sources)])


@cache
def statements_of(path: Path) -> str:
    """The syntax tree of a source file without its docstrings, as it was at the first call."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)


def read_loaded_code() -> None:
    """Read the source files of molmix's loaded modules, so that :func:`code_digest` is of the code that runs.

    A process that forks jobs calls it after its imports. A file can change before a job starts, which still runs the
    code that was imported. A file that cannot be read is left to the job, which meets the same error.
    """
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] == "molmix" and (file := getattr(module, "__file__", None)):
            with suppress(OSError, SyntaxError, ValueError):
                statements_of(Path(file))


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of the installed packages, by name. An environment of `envs/` need not contain all of them."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def device_name(devices: Path = Path("/dev")) -> str:
    """The hardware that models run on: the name of the first GPU, or ``cpu`` and the CPU's architecture."""
    if any(next(devices.glob(pattern), None) for pattern in _GPU_FILES):
        import torch

        if torch.cuda.is_available():
            return torch.cuda.get_device_name(0)
    return f"cpu {platform.machine()}"


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware; False where the system does not say (not Linux)."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = (line.split() for line in lines if line.lower().startswith(("flags", "features")))
    return any(_BFLOAT16_FLAGS & set(line) for line in flags)
