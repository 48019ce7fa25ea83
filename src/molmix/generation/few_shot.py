"""Few-shot prompts: solved examples from training before each question.

The nearest molecules as examples are those of MolReGPT (Li et al. 2023, arXiv 2306.06615): Tanimoto similarity of
Morgan fingerprints of radius 2. The answers of the examples have one line, so an answer of a model ends with its first
line.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from molmix.core.errors import fault
from molmix.core.files import digest, read_table
from molmix.data.prompts import answer, prompt
from molmix.data.settings import Examples

BITS = 2048  # of a fingerprint
EXAMPLES = "molmix_examples"  # entry of a table's metadata: the counts of examples, as JSON
Row = dict[str, Any]

logger = logging.getLogger(__name__)


class FewShot:
    """Puts examples before prompts.

    Attributes:
        counts: by test set, ``examples`` (in all prompts together) and ``shortened`` (prompts with fewer examples than
            asked for, because no more fit).
    """

    def __init__(self, pool: Path, templates: dict[str, Any], seed: int, fits: Callable[[str], bool]) -> None:
        """Read the training molecules.

        Args:
            pool: table of training molecules (columns ``molecule``, ``caption``).
            templates: :class:`molmix.data.settings.Prompts`, dumped, with the key ``examples``.
            seed: of random examples.
            fits: whether a prompt and the longest answer fit into the model's context.
        """
        self._settings = Examples(**templates["examples"])
        self._templates, self._fits = templates, fits
        rows = read_table(pool, ["molecule", "caption"]).to_pylist()
        self._choose = _Nearest(rows) if self._settings.choose == "nearest" else _Random(rows, seed)
        self.counts: dict[str, dict[str, int]] = {}

    def prompts(self, test: str, direction: str, molecules: Sequence[str], prompts: Sequence[str]) -> list[str]:
        """The prompts with examples before them.

        Args:
            test: name of the test set.
            direction: ``mol2cap`` or ``cap2mol``.
            molecules: the molecule that each prompt is about, which is no example of it.
            prompts: of the rows of the test set.

        Raises:
            MolmixError: there are fewer training molecules than examples.
        """
        counts = self.counts[test] = {"examples": 0, "shortened": 0}
        number, made = self._settings.number, []
        for molecule, own in zip(molecules, prompts, strict=True):
            chosen = self._choose(molecule, number)
            if len(chosen) < number:
                what = f"{number} examples are asked for, and training has {len(chosen)} other molecules"
                raise fault("examples.number", what, "lower it, or set `split: train`")
            blocks = [self._solved(row, direction) for row in chosen]
            while blocks and not self._fits("\n\n".join([*blocks, own])):
                blocks.pop(0)  # the least similar one
            made.append("\n\n".join([*blocks, own]))
            counts["examples"] += len(blocks)
            counts["shortened"] += len(blocks) < number
        logger.info("%s: %s", test, counts)
        return made

    def _solved(self, row: Row, direction: str) -> str:
        shown, wanted = ("molecule", "caption") if direction == "mol2cap" else ("caption", "molecule")
        return prompt(self._templates[direction], direction, row[shown]) + answer(row[wanted])


def fits_context(manifest: Path, settings: dict[str, Any]) -> Callable[[str], bool]:
    """Whether a prompt, in the chat template if there is one, and the longest answer fit into a model's context.

    Args:
        manifest: of a model of full weights.
        settings: as :func:`molmix.generation.generate.generate` takes them.
    """
    from molmix.models.chat import ChatFormat
    from molmix.models.loading import load_config, load_tokenizer
    from molmix.models.manifests import weights_path

    folder = weights_path(manifest)
    tokenizer: Any = load_tokenizer(folder)
    chat = ChatFormat(tokenizer, settings["chat"]["system"], manifest) if "chat" in settings else None
    reader = chat.tokenizer if chat else tokenizer
    config = load_config(folder)
    context = getattr(config.get_text_config(), "max_position_embeddings", None)
    if context is None:
        return lambda text: True
    answer_room = 0 if config.is_encoder_decoder else settings["max_new_tokens"]
    return lambda text: len(reader(chat.prompt(text) if chat else text)["input_ids"]) + answer_room <= context


class _Random:
    """Random training molecules, other than the one that is asked about."""

    def __init__(self, rows: list[Row], seed: int) -> None:
        self.rows, self.seed = rows, seed

    def __call__(self, molecule: str, number: int) -> list[Row]:
        others = [row for row in self.rows if row["molecule"] != molecule]
        return Random(digest(self.seed, molecule)).sample(others, min(len(others), number))


class _Nearest:
    """The most similar training molecules, the most similar one last. A molecule that RDKit cannot read is not similar
    to any: it gets the first ones of the table.
    """

    def __init__(self, rows: list[Row]) -> None:
        from rdkit.Chem import rdFingerprintGenerator

        self._generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=BITS)
        prints = [(row, self._fingerprint(row["molecule"])) for row in rows]
        self.rows = [row for row, bits in prints if bits is not None]
        self._prints = [bits for _, bits in prints if bits is not None]

    def __call__(self, molecule: str, number: int) -> list[Row]:
        from rdkit.DataStructs import BulkTanimotoSimilarity

        own = self._fingerprint(molecule)
        similar = BulkTanimotoSimilarity(own, self._prints) if own is not None else [0.0] * len(self.rows)
        others = [index for index, row in enumerate(self.rows) if row["molecule"] != molecule]
        best = heapq.nsmallest(number, others, key=lambda index: (-similar[index], index))
        return [self.rows[index] for index in reversed(best)]

    def _fingerprint(self, molecule: str) -> Any:
        from molmix.data.smiles import parse_smiles

        read = parse_smiles(molecule)
        return None if read is None else self._generator.GetFingerprint(read)
