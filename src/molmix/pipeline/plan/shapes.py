"""The shape of every model of the table, and whether it needs a GPU."""

from __future__ import annotations

from dataclasses import dataclass, replace

from molmix.align.settings import METHOD_OF
from molmix.config.schema import Config
from molmix.models import sizes as shapes
from molmix.models.settings import EndpointModel, MadeModel
from molmix.models.sizes import Shape
from molmix.pipeline.model_table import Model, ModelTable

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}  # bytes of a merge's weight, by `merge.dtype`
NUMBER = 4  # bytes of a trained weight, which is trained and saved in float32


@dataclass(frozen=True)
class Sizes:
    """Shapes of a study's models.

    Attributes:
        shapes: shape of each model's full weights, by id; for an adapter, that of its start. None if not known.
        gpu: whether a model needs a GPU, by id. Models of kind `made` are small enough for a CPU.
    """

    shapes: dict[str, Shape | None]
    gpu: dict[str, bool]

    def adapter(self, row: Model) -> int | None:
        """Bytes of an aligned model's adapter, or of all its weights; None if the shape is not known."""
        shape, settings = self.shapes[row.id], row.settings
        if not row.is_adapter:
            return NUMBER * shape.parameters if shape else None
        size = METHOD_OF[settings["method"]].bytes_on_4_bit if settings["quantize"] else NUMBER
        return size * settings["lora"]["r"] * shape.ends if shape else None


def sizes(study: Config, table: ModelTable) -> Sizes:
    """The shapes of all models of the table."""
    found: dict[str, Shape | None] = {}
    gpu: dict[str, bool] = {}
    for name, row in table.items():
        spec = study.initial.get(name)
        if row.kind == "external" or isinstance(spec, EndpointModel):
            found[name], gpu[name] = None, False
        elif spec is None:  # an aligned model has the shape of its start; the parents of a merge have one shape
            found[name], gpu[name] = found[row.parents[0]], gpu[row.parents[0]]
            if row.kind == "merged" and (shape := found[name]):
                found[name] = replace(shape, stored=BYTES[study.merge.dtype] * shape.parameters)
        elif isinstance(spec, MadeModel):
            found[name] = shapes.made(spec) if spec.parent is None else found[spec.parent]
            gpu[name] = False
        else:
            found[name], gpu[name] = shapes.pretrained(spec.id, spec.revision), True
    return Sizes(found, gpu)
