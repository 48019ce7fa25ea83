"""The explorer: static pages that show everything behind the values of a run, molecule by molecule.

The pages open from disk, without a server. All values were computed by the rest of the library; the explorer reads them
and writes them in chunks, which a page loads when it needs them (``docs/explorer.md`` describes the files).
"""

from molmix.report.explorer.build import build_explorer

__all__ = ["build_explorer"]
