"""A check inside a job that it has the GPUs that it asked for, before it works on the wrong hardware."""

from __future__ import annotations

import os

from molmix.core.errors import counted, fault


def check_gpus(count: int, memory_mb: int = 0) -> None:
    """Check that a job has the GPUs that the config asks for.

    Args:
        count: number of GPUs that the job needs; more are allowed. 0 checks nothing.
        memory_mb: minimum memory of each GPU in MB (10^6 bytes), as its driver reports it; 0 for any.

    Raises:
        MolmixError: there are fewer GPUs, or one of them has less memory.
    """
    if not count:
        return
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
    where = f"{_machine()}, CUDA_VISIBLE_DEVICES {visible}"
    found = torch.cuda.device_count()
    if found < count:
        raise fault(
            "hardware.gpus",
            f"asks for {counted(count, 'GPU')}, and PyTorch finds {found} on {where}",
            "on a cluster see to `gpu_partition` in profiles/slurm and to a CUDA build of torch; without GPUs set 0",
        )
    for number in range(count):
        device = torch.cuda.get_device_properties(number)
        if device.total_memory < memory_mb * 10**6:
            raise fault(
                "hardware.gpu_memory_gb",
                f"asks for {memory_mb / 1000:g} GB, and GPU {number} ({device.name}) has"
                f" {device.total_memory / 10**9:.1f} GB on {where}",
                "name a larger model in `gpu_model` of profiles/slurm, or ask for less",
            )


def _machine() -> str:
    return os.environ.get("SLURMD_NODENAME") or os.uname().nodename
