"""Captions by a model behind an endpoint: asked, cached, counted, and written as those of any other model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from molmix.core.files import digest, write_json, write_table
from molmix.generation.few_shot import FewShot
from molmix.generation.generate import ANSWERS
from molmix.models.asking import ask_cached, bill
from molmix.models.endpoint import ServerAsker


def ask_endpoint(
    *,
    model: str,
    settings: dict[str, Any],
    generation: dict[str, Any],
    prompts: dict[str, tuple[list[str], list[str]]],
    templates: dict[str, Any],
    outs: dict[str, Path],
    manifest: Path,
    cache: Path,
    few_shot: FewShot | None = None,
) -> None:
    """Let the model answer every test set, and write its manifest.

    An answer that the server withheld is empty, with the finish ``content_filter``. The thoughts of a reasoning model
    are left out.

    Args:
        model: its id in the model table.
        settings: :class:`molmix.models.settings.EndpointModel`, dumped.
        generation: the config's `generation` section, dumped.
        prompts: row ids and prompts by test set.
        templates: :class:`molmix.data.settings.Prompts`, dumped; ``system`` is the text of the system's turn.
        outs: the tables to write, by test set (columns of :data:`molmix.generation.generate.ANSWERS`).
        manifest: the manifest to write: the server, the model, and what its answers cost.
        cache: folder of the answers of all endpoints.
        few_shot: gave the prompts their examples; None for prompts without examples.

    Raises:
        MolmixError: as :meth:`molmix.models.endpoint.ServerAsker.ask`.
    """
    settings = settings | {"max_new_tokens": settings["max_new_tokens"] or generation["max_new_tokens"]}
    sampling = {key: generation[key] for key in ("temperature", "top_p")} if generation["temperature"] else None
    asker = ServerAsker(settings, str, templates.get("system"), sampling)
    answered: dict[str, dict[str, Any]] = {}
    for test, (ids, asked) in prompts.items():
        distinct = sorted(set(asked))
        answers, _ = ask_cached(asker, distinct, cache / f"{digest(asker.fingerprint)}.jsonl", f"{model} {test}")
        rows = [
            {
                "id": row,
                "text": _text(answers[prompt]["text"], one_line=few_shot is not None),
                "tokens": answers[prompt]["completion_tokens"],
                "finish": answers[prompt]["finish"],
            }
            for row, prompt in zip(ids, asked, strict=True)
        ]
        write_table(outs[test], rows, ANSWERS)
        answered[test] = {
            "prompts": len(distinct),
            "finish": dict(sorted(Counter(row["finish"] for row in rows).items())),
        }
        answered[test] |= bill([answers[prompt] for prompt in distinct], settings)
        answered[test] |= few_shot.counts[test] if few_shot else {}
    facts = {"id": model, "kind": "external", "method": "endpoint", "parents": [], "inputs": {}}
    named = {key: settings[key] for key in ("base_url", "model", "max_new_tokens")}
    write_json(manifest, facts | named | {"answered": answered}, checksum=True)


def _text(text: str, *, one_line: bool) -> str:
    """An answer without thoughts; only its first line, if examples showed answers of one line."""
    text = text.rpartition("</think>")[2].strip()
    return text.partition("\n")[0] if one_line else text
