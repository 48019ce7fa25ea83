"""What tests share."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from molmix.pipeline.job_server import SOCKET, listen

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# Imports create a million objects and no garbage: as in jobs, the collector looks for it less often.
gc.set_threshold(100_000, 20, 100)
# Threads that wait for each other sleep instead of taking a core: more processes compute at a time than there are
# cores. It is read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# The same examples in every run, on busy machines too. To look for new ones: pytest --hypothesis-profile=default
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests of clusters, which wait the longest."""
    items.sort(key=lambda item: "slurm" not in item.path.parts)


@pytest.fixture(scope="module", autouse=True)
def imports_are_no_garbage() -> None:
    """The collector of garbage does not look again and again at what earlier files of tests have imported."""
    gc.freeze()


@pytest.fixture
def shared() -> Path:
    """The folder of reference data beside the checkout; a test that needs it is skipped where it is not there."""
    if not SHARED.is_dir():
        pytest.skip(f"no reference data at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def job_server() -> dict[str, str]:
    """Environment of runs that share one job server. It imports the libraries of their jobs once for all of them.

    Only for runs of this checkout: the server keeps the code that it imported.
    """
    return {SOCKET: str(listen())}
