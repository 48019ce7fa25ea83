"""The number format that an NLI model computes in.

It is part of what an answer depends on, so it is settled before the pair store is opened, and without torch where there
is no GPU: a job that finds every pair in the store never loads torch.
"""

from pathlib import Path

from molmix.core.errors import fault

DTYPES = ("auto", "float32", "bfloat16")

# Device files of NVIDIA's driver, its driver under Windows' Linux, and AMD's.
_GPUS = ("nvidia[0-9]*", "dxg", "kfd")
# What a CPU that multiplies bfloat16 matrices in hardware says of itself: x86, then ARM.
_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def resolve(dtype: str) -> str:
    """The format that ``auto`` stands for on this machine; any other is itself.

    ``auto`` is bfloat16 where the hardware has it (a GPU, a CPU with AVX512-BF16 or AMX), where it is some three times
    faster; elsewhere it is slower than float32, which is taken there.

    Raises:
        MolmixError: it is none of :data:`DTYPES`.
    """
    if dtype not in DTYPES:
        raise fault("dtype", f"{dtype!r} is not known", f"give one of {', '.join(DTYPES)}")
    if dtype != "auto":
        return dtype
    return "bfloat16" if (_gpu_has_bfloat16() or _cpu_has_bfloat16()) else "float32"


def _gpu_has_bfloat16(devices: Path = Path("/dev")) -> bool:
    if not any(next(devices.glob(pattern), None) for pattern in _GPUS):
        return False
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def _cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:  # no Linux
        return False
    return any(_FLAGS & set(line.split()) for line in lines if line.lower().startswith(("flags", "features")))
