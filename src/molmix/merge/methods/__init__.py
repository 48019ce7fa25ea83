"""Merge methods, one file each: its settings, and the mergekit recipe they make.

To add one, write its file and name its class in `MergeMethod`; the config, its documentation, the model table
and the graph follow. Importing this package is cheap; mergekit is imported where a merge is made
(:mod:`molmix.merge.merging`).
"""

from typing import Annotated

from pydantic import Field

from molmix.merge.methods.linear import Linear
from molmix.merge.methods.slerp import Slerp
from molmix.merge.methods.ties import Ties

MergeMethod = Annotated[Slerp | Ties | Linear, Field(discriminator="method")]
