"""molmix: align, merge and judge molecule-captioning language models in one cached graph."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("molmix")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
