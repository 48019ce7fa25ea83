"""The explorer: static pages that show what stands behind a run's figures, molecule by molecule.

They open from disk, without a server. Whatever a page shows was computed by the rest of the library; here it is only
read and cut into chunks that a page loads as it needs them (``docs/explorer.md`` says how they lie on disk).
"""

from molmix.report.explorer.build import build

__all__ = ["build"]
