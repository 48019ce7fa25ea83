"""The explorer: static pages that show the data from which the values of a run are computed, for each molecule.

The pages open from disk, without a server. The explorer computes no values: it reads those of the run and writes them
in chunks, which a page loads when it needs them (``docs/explorer.md`` describes the files).
"""

from molmix.report.explorer.build import build_explorer

__all__ = ["build_explorer"]
