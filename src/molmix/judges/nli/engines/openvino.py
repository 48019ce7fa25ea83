"""OpenVINO: float32 and bfloat16 on x86 and ARM CPUs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from molmix.judges.nli.engines._engine import Forward, NliEngine

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel


class Openvino(NliEngine):
    """OpenVINO's CPU plug-in. The model is converted when it is loaded."""

    dtypes = ("float32", "bfloat16")
    packages = ("openvino",)
    module = "molmix.judges.nli.exported"
    extra = "openvino"
    speed = 1.4

    def load(self, model: PreTrainedModel, inputs: Sequence[str], dtype: str) -> Forward:
        """Convert and compile a model."""
        # Without this package, which reports each conversion to the maker of OpenVINO, its stand-in is used.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino
        import torch

        from molmix.judges.nli.exported import Exported, examples, quiet

        with quiet():
            converted = openvino.convert_model(
                Exported(model, inputs),
                example_input=examples(inputs),
                input=[openvino.PartialShape([-1, -1])] * len(inputs),
            )
        settings = {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[dtype],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
        }
        request = openvino.Core().compile_model(converted, "CPU", settings).create_infer_request()

        def forward(batch: Mapping[str, np.ndarray]) -> np.ndarray:
            answers: Any = request.infer([batch[name] for name in inputs])
            return answers[0].copy()

        return forward
