"""The engine that runs models by vLLM (see also :mod:`molmix.generation.transformers_engine`), for vLLM 0.33.

vLLM gets prompts and returns answers as tokens. Answers end at the same tokens as with transformers, so the two engines
differ in arithmetic only. An adapter is folded into the full weights of its start, as everywhere, even if it was
trained on a start in 4 bits: vLLM loads a temporary folder of full weights.

Importing this file is cheap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from molmix.core.errors import fault
from molmix.generation.engine import Engine
from molmix.generation.engines._kind import generation_dtype
from molmix.generation.engines.vllm import OTHERWISE, Vllm
from molmix.models.tokenization import end_tokens

SEQUENCES = 256  # answers generated at a time. vLLM's default depends on the GPU, and answers may depend on this number
CHUNK = 2048  # prompts per call: a killed job loses at most so many answers

# vLLM reads these when it is imported. The engine runs in this process: a second process would run the job's script
# again, and would batch prompts as they arrive. vLLM reports usage statistics by default; that is switched off.
ENVIRONMENT = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1"}


def engine_arguments(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Arguments of vLLM's ``LLM``.

    Args:
        folder: of full weights.
        settings: generation settings.
    """
    return {
        "model": str(folder),
        "dtype": generation_dtype(settings),
        "load_format": "safetensors",
        "trust_remote_code": False,
        "max_num_batched_tokens": settings["batch_tokens"],
        "max_num_seqs": min(SEQUENCES, settings["batch_tokens"]),
    }


def sampling_arguments(
    settings: dict[str, Any], seed: int, prompt: list[int], limit: int, ends: list[int]
) -> dict[str, Any]:
    """Arguments of vLLM's ``SamplingParams`` for one prompt. All other features are off by default.

    Args:
        settings: generation settings; a temperature of 0 is greedy.
        seed: of the run. Each prompt gets its own seed from it, so that the answer does not depend on the batch.
        prompt: its token ids.
        limit: maximum number of generated tokens.
        ends: the only ids that end the answer. vLLM's own choice is switched off.
    """
    from molmix.core.files import digest

    return {
        "temperature": settings["temperature"],
        "top_p": settings["top_p"],
        "seed": int(digest(seed, prompt), 16) % 2**63,
        "max_tokens": limit,
        "stop_token_ids": ends,
        "ignore_eos": True,
        "detokenize": False,  # done by molmix, as for the other engine
    }


def read_ends(folder: Path, tokenizer: Any) -> list[int]:
    """Ids of the tokens that end an answer; see :func:`molmix.models.tokenization.end_tokens`."""
    from transformers import AutoConfig, GenerationConfig

    try:
        own = GenerationConfig.from_pretrained(folder)
    except OSError:  # it is optional
        own = GenerationConfig.from_model_config(AutoConfig.from_pretrained(folder, trust_remote_code=False))
    return end_tokens(own, tokenizer, folder)


class VllmEngine(Engine):
    """A model of the table, or a decomposer, with its generation settings, run by vLLM."""

    encoder_decoder = False

    def __init__(self, manifest: Path, settings: dict[str, Any], seed: int) -> None:
        """Load the model; see :func:`molmix.generation.generate.generate` for the arguments.

        Raises:
            MolmixError: as :func:`molmix.models.loading.load`; or it is an encoder-decoder, vLLM does not support it,
                or there is no GPU.
        """
        import torch

        from molmix.models.lora_folding import full_folder

        self.manifest, self.settings, self.seed = manifest, settings, seed
        with full_folder(manifest, getattr(torch, generation_dtype(settings))) as folder:
            self._load(manifest, folder, settings)

    def _load(self, manifest: Path, folder: Path, settings: dict[str, Any]) -> None:
        import torch

        from molmix.models.loading import check_memory, check_model, load_tokenizer

        Vllm().check_folder(manifest, folder)
        if not torch.cuda.is_available():
            raise fault("engine", "'vllm' needs a CUDA GPU, and there is none here", f"run it on one, or {OTHERWISE}")
        check_model(folder)
        check_memory(folder, getattr(torch, generation_dtype(settings)).itemsize, "cuda")
        self._set_tokenizer(load_tokenizer(folder))
        self.ends = read_ends(folder, self.tokenizer)
        os.environ.update(ENVIRONMENT)
        try:
            from vllm import LLM

            self.llm = LLM(**engine_arguments(folder, settings))
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:300]
            hint = f"see the job's log; free or enlarge the GPU's memory if the message is about memory, or {OTHERWISE}"
            raise fault(folder, f"vLLM cannot run it ({type(error).__name__}: {said})", hint) from error
        self.context = self.llm.model_config.max_model_len

    def batches(self, prompts: list[str]) -> Iterator[list[str]]:
        """Chunks whose answers are stored together; inside a chunk, vLLM makes its own batches."""
        for start in range(0, len(prompts), CHUNK):
            yield prompts[start : start + CHUNK]

    def _generate(self, prompts: list[list[int]], limits: list[int]) -> list[list[int]]:
        from vllm import SamplingParams

        if not prompts:
            return []
        # Prefixes cached from earlier chunks change roundings. Without them, a restarted chunk has the same answers.
        self.llm.reset_prefix_cache()
        outputs = self.llm.generate(
            [{"prompt_token_ids": ids} for ids in prompts],
            [
                SamplingParams(**sampling_arguments(self.settings, self.seed, ids, limit, self.ends))
                for ids, limit in zip(prompts, limits, strict=True)
            ],
            use_tqdm=False,
        )
        return [list(output.outputs[0].token_ids) for output in outputs]
