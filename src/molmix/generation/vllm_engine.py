"""The engine that runs models by vLLM (see also :mod:`molmix.generation.transformers_engine`), for vLLM 0.33.

vLLM gets prompts and returns answers as tokens. Answers end at the same tokens as with transformers, so the two engines
differ in arithmetic only. An adapter is served on the full weights of its start and never merged into them, even if it
was trained on a start in 4 bits.

Importing this file is cheap.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from molmix.core.errors import fault
from molmix.generation.engine import Engine
from molmix.generation.engines.vllm import OTHERWISE, RANKS, Vllm
from molmix.models.tokenization import end_tokens

SEQUENCES = 256  # answers generated at a time. vLLM's default depends on the GPU, and answers may depend on this number
CHUNK = 2048  # prompts per call: a killed job loses at most so many answers

# vLLM reads these when it is imported. The engine runs in this process: a second process would run the job's script
# again, and would batch prompts as they arrive. vLLM reports usage statistics by default; that is switched off.
ENVIRONMENT = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1"}


@contextmanager
def find_folders(manifest: Path) -> Iterator[tuple[Path, Path | None]]:
    """Folders of the full weights to load, and of the adapter to serve on them, while the block runs.

    For an adapter, these are its start's weights (:func:`molmix.models.lora_folding.full_folder`) and the adapter; for
    any other model, its own weights and None.

    Raises:
        MolmixError: one of them is missing, or differs from its manifest.
    """
    from molmix.core.files import read_json
    from molmix.models.lora_folding import full_folder
    from molmix.models.manifests import adapter_path, is_adapter, start_manifest

    adapter = adapter_path(manifest) if is_adapter(read_json(manifest)) else None
    with full_folder(start_manifest(manifest) if adapter else manifest) as folder:
        yield folder, adapter


def engine_arguments(folder: Path, adapter: Path | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Arguments of vLLM's ``LLM``.

    Args:
        folder, adapter: see :func:`find_folders`.
        settings: generation settings.
    """
    arguments: dict[str, Any] = {
        "model": str(folder),
        "dtype": "bfloat16",  # as in `models.load` on a GPU
        "load_format": "safetensors",
        "trust_remote_code": False,
        "max_num_batched_tokens": settings["batch_tokens"],
        "max_num_seqs": min(SEQUENCES, settings["batch_tokens"]),
    }
    if adapter:
        rank = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["r"]
        arguments |= {"enable_lora": True, "max_lora_rank": next(room for room in RANKS if room >= rank)}
    return arguments


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
        with find_folders(manifest) as (folder, adapter):
            self._load(manifest, folder, adapter, settings)
        self.manifest, self.settings, self.seed = manifest, settings, seed

    def _load(self, manifest: Path, folder: Path, adapter: Path | None, settings: dict[str, Any]) -> None:
        import torch

        from molmix.models.loading import check_adapter, check_memory, check_model, load_tokenizer

        Vllm().check_folder(manifest, folder)
        if not torch.cuda.is_available():
            raise fault("engine", "'vllm' needs a CUDA GPU, and there is none here", f"run it on one, or {OTHERWISE}")
        check_model(folder)
        if adapter:
            check_adapter(adapter, folder)
        check_memory(folder, torch.bfloat16.itemsize, "cuda")
        self.tokenizer = load_tokenizer(folder)
        self.ends = read_ends(folder, self.tokenizer)
        os.environ.update(ENVIRONMENT)
        try:
            from vllm import LLM
            from vllm.lora.request import LoRARequest

            self.llm = LLM(**engine_arguments(folder, adapter, settings))
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            said = " ".join(str(error).split())[:300]
            hint = f"see the job's log; free or enlarge the GPU's memory if the message is about memory, or {OTHERWISE}"
            raise fault(folder, f"vLLM cannot run it ({type(error).__name__}: {said})", hint) from error
        self.adapter = LoRARequest("adapter", 1, str(adapter)) if adapter else None
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
            lora_request=self.adapter,
            use_tqdm=False,
        )
        return [list(output.outputs[0].token_ids) for output in outputs]
