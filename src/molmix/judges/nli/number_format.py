"""The number format of an NLI model's computation.

Answers depend on the format. So it is decided before the NLI cache is opened, and without torch if there is no GPU: a
job that finds every pair in the cache never loads torch.
"""

from __future__ import annotations

from pathlib import Path

from molmix.core.errors import fault
from molmix.core.fingerprint import cpu_has_bfloat16
from molmix.judges.nli.engines import ENGINES, TORCH

DTYPES = ("auto", "float32", "bfloat16", "int8")

# Device files of NVIDIA's driver, of its driver in WSL (Linux on Windows), and of AMD's driver.
_GPUS = ("nvidia[0-9]*", "dxg", "kfd")


def resolve_dtype(dtype: str, engine: str = TORCH) -> str:
    """The format of ``auto`` with an engine on this machine; any other format is returned unchanged.

    ``auto`` is bfloat16 if the hardware supports it (a GPU, a CPU with AVX512-BF16 or AMX) and makes it about three
    times faster. On other hardware bfloat16 is slower than float32, so ``auto`` is float32.

    Args:
        dtype: one of :data:`DTYPES`.
        engine: a key of :data:`molmix.judges.nli.engines.ENGINES`.

    Raises:
        MolmixError: it is not in :data:`DTYPES`, or the engine does not compute in it.
    """
    if dtype not in DTYPES:
        raise fault("dtype", f"{dtype!r} is not known", f"give one of {', '.join(DTYPES)}")
    own = ENGINES[engine]
    if dtype == "auto":
        has_bfloat16 = "bfloat16" in own.dtypes and ((own.runs_on_gpu and _gpu_has_bfloat16()) or cpu_has_bfloat16())
        return "bfloat16" if has_bfloat16 else "float32"
    if dtype not in own.dtypes:
        able = [name for name, other in ENGINES.items() if dtype in other.dtypes]
        what = f"{dtype!r}, and the engine {engine!r} computes in {' and '.join(own.dtypes)}"
        raise fault("dtype", what, f"choose one of these, or `engine: {' or '.join(able)}`")
    return dtype


def _gpu_has_bfloat16(devices: Path = Path("/dev")) -> bool:
    if not any(next(devices.glob(pattern), None) for pattern in _GPUS):
        return False
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
