"""molmix: align, merge and judge molecule-captioning language models in one cached graph."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from molmix.judges.judge import Judge as Judge

    __version__: str


def __getattr__(name: str) -> Any:
    """:class:`molmix.judges.judge.Judge` and the version, looked up when they are first asked for."""
    if name == "Judge":
        from molmix.judges.judge import Judge

        return Judge
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("molmix")
        except PackageNotFoundError:  # run from a checkout that was never installed
            return "0+unknown"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
