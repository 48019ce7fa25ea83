"""Building blocks that every part of the config schema is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# What may stand in a file name on every system, and what mergekit does not split a path at ('+', '@').
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the config; extra keys are refused, values are not changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), validate_by_name=True)
