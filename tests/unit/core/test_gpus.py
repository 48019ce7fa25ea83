"""GPUs that a job was to get."""

from types import SimpleNamespace

import pytest

from molmix.core.errors import MolmixError
from molmix.core.gpus import check_gpus


def test_a_gpu_with_too_little_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    card = SimpleNamespace(name="T4", total_memory=15_800_000_000)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: card)
    check_gpus(2, 15_000)
    with pytest.raises(MolmixError, match=r"gpu_memory_gb: asks for 40 GB, and GPU 0 \(T4\) has 15.8 GB"):
        check_gpus(2, 40_000)
