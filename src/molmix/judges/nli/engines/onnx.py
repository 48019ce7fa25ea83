"""ONNX Runtime: float32 and int8 on CPUs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from molmix.judges.nli.engines._engine import Forward, NliEngine

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel


class Onnx(NliEngine):
    """ONNX Runtime's CPU provider. The model is exported when it is loaded.

    In int8, the weights of linear layers and embeddings have one scale a channel, and the inputs of linear layers are
    quantised in every pass (dynamic quantisation, ``onnxruntime.quantization.quantize_dynamic``). All else is float32.
    """

    dtypes = ("float32", "int8")
    packages = ("onnxruntime", "onnx")
    module = "molmix.judges.nli.exported"
    extra = "onnx"
    speed = 1.3

    def load(self, model: PreTrainedModel, inputs: Sequence[str], dtype: str) -> Forward:
        """Export a model, quantise it for int8, and open it."""
        import onnxruntime
        import torch

        from molmix.judges.nli.exported import Exported, examples, quiet

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3  # errors
        with TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            with quiet():
                torch.onnx.export(
                    Exported(model, inputs),
                    examples(inputs),
                    str(path),
                    input_names=list(inputs),
                    dynamic_axes={name: {0: "pairs", 1: "tokens"} for name in inputs},
                    dynamo=False,  # that exporter needs another package, and is slower
                )
                if dtype == "int8":
                    from onnxruntime.quantization import quantize_dynamic

                    quantised = path.with_name("int8.onnx")
                    quantize_dynamic(path, quantised, per_channel=True)
                    path = quantised
            session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        read = {one.name for one in session.get_inputs()}  # an export leaves out inputs that the model does not read

        def forward(batch: Mapping[str, np.ndarray]) -> np.ndarray:
            answers: Any = session.run(None, {name: values for name, values in batch.items() if name in read})
            return answers[0]

        return forward
