"""molmix: align, merge and judge molecule-captioning language models in one cached graph."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molmix.judges.judge import Judge as Judge

try:
    __version__ = version("molmix")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    """:class:`molmix.judges.judge.Judge`, imported when it is first asked for."""
    if name == "Judge":
        from molmix.judges.judge import Judge

        return Judge
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
