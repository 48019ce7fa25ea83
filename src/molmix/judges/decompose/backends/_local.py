"""Decomposition by an instruct model on this machine, greedy: the shared code of all engines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from molmix.core.schema import Count, Revision
from molmix.generation.engines import ENGINES
from molmix.generation.engines._kind import EngineKind
from molmix.judges.decompose.backends._decomposer import ModelSettings
from molmix.judges.decompose.prompt import PROMPT, Prompt, conversation, fill
from molmix.models.asking import Answer
from molmix.models.chat import DATE, pinned_template

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class LocalSettings(ModelSettings):
    """A decomposer whose model runs on this machine."""

    id: str = Field(description="hub id or local folder (safetensors)")
    revision: Revision | None = Field(None, description="commit hash or tag; required for a hub id")
    max_new_tokens: Count = Field(1024, description="longest answer; captions whose answer is cut are left to `rules`")
    batch_tokens: Count = Field(
        16384, description="tokens in a batch, prompt and answer together; those of a step of `vllm`"
    )
    prompt: Prompt = Field(
        PROMPT,
        description="holds {caption} once, or names a preset (`cross_nli`); goes through a chat template, if any",
    )

    @property
    def engine(self) -> EngineKind:
        """The engine that runs the model. The backend has its name."""
        return ENGINES[self.backend]

    def check_installed(self, key: str) -> None:
        """Refuse to run without the library of the engine."""
        self.engine.check_installed(f"{key}.backend")

    def check_folder(self, key: str, folder: Path) -> None:
        """Refuse a model that the engine cannot run, before a run."""
        self.engine.check_folder(key, folder)

    def asker(self, cache: Path, weights: Path | None) -> LocalAsker:
        """The object that asks the model.

        Raises:
            MolmixError: there are no weights, or the engine is not installed.
        """
        return LocalAsker(self, cache, weights)


class LocalAsker:
    """Asks the model. Loads it for the first caption that is not cached."""

    def __init__(self, settings: LocalSettings, cache: Path, weights: Path | None) -> None:
        from molmix.core.fingerprint import code_digest

        engine = settings.engine.depends_on(settings.model_dump())
        self.settings = settings
        self.manifest = _manifest(weights or Path(settings.id), cache)
        self.fingerprint = {
            "weights": _digest(self.manifest),
            "prompt": settings.prompt,
            "date": DATE.isoformat(),
            "max_new_tokens": settings.max_new_tokens,
            "batch_tokens": settings.batch_tokens,
            "engine": engine,
            "code": code_digest(__name__, "molmix.judges.decompose.prompt"),
        }

    def keeps(self, answer: Answer) -> bool:
        """Always true: an answer depends only on weights and settings, which are in the fingerprint."""
        return True

    def ask(self, captions: Iterable[str], known: Collection[str], keep: Callable[[dict[str, Answer]], None]) -> int:
        """Answer all captions that are not known; never retries.

        Batches are made of all captions, known or not, and a batch with an unknown caption is answered completely. The
        other captions of a batch can change a rounding, and a restarted job must give the same answers as an
        uninterrupted one.
        """
        greedy = {"temperature": 0.0, "top_p": 1.0}
        engine = self.settings.engine.load(self.manifest, self.settings.model_dump() | greedy, seed=0)
        prompts = {templated(engine.tokenizer, self.settings.prompt, caption): caption for caption in sorted(captions)}
        for batch in engine.batches(list(prompts)):
            owed = [prompts[prompt] not in known for prompt in batch]
            if any(owed):
                answers = zip(batch, engine.answers(batch), owed, strict=True)
                keep(
                    {
                        prompts[prompt]: {
                            "text": answer["text"],
                            "finish": answer["finish"],
                            "prompt_tokens": len(engine.tokenizer(prompt)["input_ids"]),
                            "completion_tokens": answer["tokens"],
                        }
                        for prompt, answer, missing in answers
                        if missing
                    }
                )
        return 0


def templated(tokenizer: PreTrainedTokenizerBase, prompt: str, caption: str) -> str:
    """The prompt for one caption: a conversation in the model's chat template, or one text if it has none.

    Raises:
        MolmixError: as :func:`molmix.models.chat.pinned_template`.
    """
    if not tokenizer.chat_template:
        return fill(prompt, caption)
    chat: Any = tokenizer.apply_chat_template(
        conversation(prompt, caption),
        tokenize=False,
        add_generation_prompt=True,
        chat_template=pinned_template(tokenizer, tokenizer.name_or_path),
    )
    # Most templates begin with BOS, and the tokenizer would add it again.
    bos = tokenizer.bos_token
    doubled = bos and tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]
    return chat.removeprefix(bos) if doubled else chat


def _manifest(weights: Path, cache: Path) -> Path:
    """A manifest of the weights, for the loader of the model table.

    It is cached under the stamp of the files, so that gigabytes are digested only once.
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
