"""Few-shot prompts: solved examples from training before each question.

The nearest examples are those of MolReGPT (Li et al. 2023, arXiv 2306.06615): for a molecule by the Tanimoto similarity
of Morgan fingerprints of radius 2, for a caption by BM25 (Robertson and Zaragoza 2009). The answers of the examples
have one line, so an answer of a model ends with its first line.

With ``template: chat``, an example is a turn of the user and one of the assistant. If the user's turn holds the
examples, a small instruct model continues their list: it writes the molecule again, and no caption (docs/models.md).
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from math import log
from pathlib import Path
from random import Random
from typing import Any

from molmix.core.errors import fault
from molmix.core.files import digest, read_table
from molmix.data.prompts import answer, prompt
from molmix.data.settings import Examples

BITS = 2048  # of a fingerprint
TURN = "\x1e"  # between the turns of a conversation
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
            templates: :class:`molmix.data.settings.Prompts`, dumped, with the key ``examples``. With ``template:
                chat`` the prompts are conversations: :func:`turns_of` gives their turns.
            seed: of random examples.
            fits: whether a prompt and the longest answer fit into the model's context.
        """
        self._settings = Examples(**templates["examples"])
        self._templates, self._fits = templates, fits
        self._chat = templates.get("template") == "chat"
        rows = read_table(pool, ["molecule", "caption"]).to_pylist()
        self._rows, self._seed = rows, seed
        self.counts: dict[str, dict[str, int]] = {}

    def prompts(
        self, test: str, direction: str, molecules: Sequence[str], questions: Sequence[str], prompts: Sequence[str]
    ) -> list[str]:
        """The prompts with examples before them.

        Args:
            test: name of the test set.
            direction: ``mol2cap`` or ``cap2mol``.
            molecules: the molecule that each prompt is about, which is no example of it.
            questions: what each prompt shows: the molecule, or a caption.
            prompts: of the rows of the test set.

        Raises:
            MolmixError: there are fewer training molecules than examples.
        """
        counts = self.counts[test] = {"examples": 0, "shortened": 0}
        number, made = self._settings.number, []
        choose: Callable[[str, str, int], list[Row]] = _Random(self._rows, self._seed)
        if self._settings.choose == "nearest":
            choose = _Nearest(self._rows) if direction == "mol2cap" else _Bm25(self._rows)
        for molecule, question, own in zip(molecules, questions, prompts, strict=True):
            chosen = choose(molecule, question, number)
            if len(chosen) < number:
                what = f"{number} examples are asked for, and training has {len(chosen)} other molecules"
                raise fault("examples.number", what, "lower it, or set `split: train`")
            between = TURN if self._chat else "\n\n"
            blocks = [*(self._solved(row, direction) for row in chosen), own.replace(TURN, " ")]
            while len(blocks) > 1 and not self._fits(between.join(blocks)):
                blocks.pop(0)  # the least similar one
            made.append(between.join(blocks))
            counts["examples"] += len(blocks) - 1
            counts["shortened"] += len(blocks) <= number
        logger.info("%s: %s", test, counts)
        return made

    def _solved(self, row: Row, direction: str) -> str:
        shown, wanted = ("molecule", "caption") if direction == "mol2cap" else ("caption", "molecule")
        question = prompt(self._templates[direction], direction, row[shown]).replace(TURN, " ")
        solved = answer(row[wanted])  # without TURN, which is white space
        return question + TURN + solved.removeprefix(" ") if self._chat else question + solved


def turns_of(prompt: str) -> list[str]:
    """The turns of user and assistant in a prompt with examples, for :meth:`molmix.models.chat.ChatFormat.prompt`."""
    return prompt.split(TURN)


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
    asked: Callable[[str], str] = (lambda text: chat.prompt(*turns_of(text))) if chat else str
    return lambda text: len(reader(asked(text))["input_ids"]) + answer_room <= context


class _Random:
    """Random training molecules, other than the one that is asked about."""

    def __init__(self, rows: list[Row], seed: int) -> None:
        self.rows, self.seed = rows, seed

    def __call__(self, molecule: str, question: str, number: int) -> list[Row]:
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

    def __call__(self, molecule: str, question: str, number: int) -> list[Row]:
        from rdkit.DataStructs import BulkTanimotoSimilarity

        own = self._fingerprint(molecule)
        similar = BulkTanimotoSimilarity(own, self._prints) if own is not None else [0.0] * len(self.rows)
        return _best(self.rows, molecule, similar, number)

    def _fingerprint(self, molecule: str) -> Any:
        from molmix.data.smiles import parse_smiles

        read = parse_smiles(molecule)
        return None if read is None else self._generator.GetFingerprint(read)


class _Bm25:
    """The training molecules with the most similar captions, by BM25 with k1 = 1.5 and b = .75, the most similar one
    last. Words are those between blanks, in lower case.
    """

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        counts = [Counter(row["caption"].lower().split()) for row in rows]
        usual = sum(map(Counter.total, counts)) / max(1, len(rows))
        self._weights: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for index, words in enumerate(counts):
            norm = 1.5 * (0.25 + 0.75 * words.total() / max(1, usual))
            for word, count in words.items():
                self._weights[word].append((index, count * 2.5 / (count + norm)))

    def __call__(self, molecule: str, question: str, number: int) -> list[Row]:
        scores = [0.0] * len(self.rows)
        for word in set(question.lower().split()):
            found = self._weights.get(word, [])
            rarity = log(1 + (len(self.rows) - len(found) + 0.5) / (len(found) + 0.5))
            for index, weight in found:
                scores[index] += rarity * weight
        return _best(self.rows, molecule, scores, number)


def _best(rows: list[Row], molecule: str, scores: Sequence[float], number: int) -> list[Row]:
    """The rows with the highest scores and another molecule, the best one last; of equal ones the table's first."""
    others = [index for index, row in enumerate(rows) if row["molecule"] != molecule]
    return [rows[index] for index in reversed(heapq.nsmallest(number, others, key=lambda i: (-scores[i], i)))]
