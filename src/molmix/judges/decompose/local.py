"""Decomposition by an instruct model on this machine, greedy: what is the same whatever runs the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from molmix.core.schema import Count, Revision, Section
from molmix.generation.engine import Answering
from molmix.judges.decompose.answers import Answer
from molmix.judges.decompose.prompt import PROMPT, Prompt, fill

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class LocalSettings(Section):
    """What every such backend is told."""

    backend: str
    id: str = Field(description="hub id or local folder (safetensors)")
    revision: Revision | None = Field(None, description="commit hash or tag; required for a hub id")
    max_new_tokens: Count = Field(1024, description="longest answer; captions whose answer is cut are left to `rules`")
    batch_tokens: Count = Field(
        16384, description="tokens in a batch, prompt and answer together; those of a step of `vllm`"
    )
    prompt: Prompt = Field(PROMPT, description="holds {caption} once; goes through the model's chat template, if any")


class Asker(ABC):
    """Asks the model; see :mod:`molmix.judges.decompose.language_model`. Loads it with the first caption to ask."""

    def __init__(self, settings: dict[str, Any], cache: Path, weights: Path | None) -> None:
        """Find the weights, and what the answers depend on.

        Raises:
            MolmixError: there are no weights, or what runs them is not installed.
        """
        versions = self.versions()
        self.settings = settings
        self.manifest = _manifest(weights or Path(settings["id"]), cache)
        self.fingerprint = {
            "weights": _digest(self.manifest),
            "prompt": settings["prompt"],
            "max_new_tokens": settings["max_new_tokens"],
            "batch_tokens": settings["batch_tokens"],
            "versions": versions,
        }

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions that answers can change with."""

    @abstractmethod
    def writer(self, settings: dict[str, Any]) -> Answering:
        """The model, loaded, with settings of generation."""

    def keeps(self, answer: Answer) -> bool:
        """Whether an answer holds for good: the weights and the settings decide, and both are in the fingerprint."""
        return True

    def ask(self, captions: Iterable[str], known: Collection[str], keep: Callable[[dict[str, Answer]], None]) -> int:
        """Answer all captions that are not known; never retries.

        Batches are made of all captions, known or not, and a batch that lacks one is answered whole: the company of a
        caption can tip a rounding error, and the answers after a kill are to be those of an undisturbed run.
        """
        writer = self.writer(self.settings | {"temperature": 0.0, "top_p": 1.0})
        prompts = {
            _templated(writer.tokenizer, fill(self.settings["prompt"], caption)): caption
            for caption in sorted(captions)
        }
        for batch in writer.batches(list(prompts)):
            owed = [prompts[prompt] not in known for prompt in batch]
            if any(owed):
                answers = zip(batch, writer.answers(batch), owed, strict=True)
                keep(
                    {
                        prompts[prompt]: {
                            "text": answer["text"],
                            "finish": answer["finish"],
                            "prompt_tokens": len(writer.tokenizer(prompt)["input_ids"]),
                            "completion_tokens": answer["tokens"],
                        }
                        for prompt, answer, missing in answers
                        if missing
                    }
                )
        return 0


def _templated(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """The prompt as the model is used to being asked; as it is for a model without a chat template."""
    if not tokenizer.chat_template:
        return prompt
    chat: Any = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
    )
    # Most templates begin with the token that the tokenizer then puts in front once more.
    bos = tokenizer.bos_token
    doubled = bos and tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]
    return chat.removeprefix(bos) if doubled else chat


def _manifest(weights: Path, cache: Path) -> Path:
    """A manifest of the weights, as the loader of the model table wants it.

    It stands in the cache under the stamp of the files, so that gigabytes are digested once.
    """
    from molmix.models.manifests import write_manifest
    from molmix.models.weights import check_weights, files_stamp

    check_weights(weights)
    stamp = files_stamp(weights)
    manifest = cache / "models" / stamp / "manifest.json"
    if not manifest.is_file():
        write_manifest(manifest, {"id": stamp, "kind": "decompose", "parents": []}, weights.resolve())
    return manifest


def _digest(manifest: Path) -> str:
    from molmix.core.files import read_json

    return read_json(manifest)["weights"]["digest"]
