"""Tokenizers of captions for BLEU and METEOR.

The published caption metrics (MolT5, Edwards et al. 2022; L+M-24, Edwards et al. 2024) use SciBERT's wordpieces. The
tokenizer changes BLEU by several points, so tables must name it (``name``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer as Engine
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from molmix.core.errors import MolmixError, fault

# The published scripts call `tokenize(text, truncation=True, max_length=512)`, which adds no [CLS] and no [SEP]:
# the limit is 512 wordpieces of the caption itself. (transformers 5 ignores both arguments there; 4 did not.)
MAX_WORDPIECES = 512
# The published scripts drop these after tokenizing. This matters only if a caption contains one literally.
SPECIAL = frozenset({"[PAD]", "[CLS]", "[SEP]"})
SPELLED = [*sorted(SPECIAL), "[MASK]", "[UNK]"]

_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")


class Tokenizer(Protocol):
    """Splits texts into tokens."""

    @property
    def name(self) -> str:
        """Its name in tables."""
        ...

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        """The tokens of each text, in order; ``[]`` for a text without tokens."""
        ...


@dataclass(frozen=True)
class SimpleTokenizer:
    """Lower-cased words and single punctuation marks, without a length limit. Needs no vocabulary.

    Its BLEU and METEOR are not comparable with published ones.
    """

    name: str = "simple"

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        return [_WORD_OR_MARK.findall(text.lower()) for text in texts]


class WordPieceTokenizer:
    """BERT wordpieces: the first 512 of each text, without ``[PAD]``, ``[CLS]`` and ``[SEP]``.

    Args:
        name: its name in tables.
        engine: a BERT tokenizer. It always splits at spaces, so the pieces of a text are those of its words. Each
            word is tokenized once and cached in this object.
    """

    def __init__(self, name: str, engine: Engine):
        self.name = name
        self._engine = engine
        self._pieces: dict[str, list[str]] = {"": []}

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        # Only at plain spaces: BERT may delete other white space of Python and join the text around it.
        split = [text.split(" ") for text in texts]
        fresh = list({word for words in split for word in words} - self._pieces.keys())
        encodings = self._engine.encode_batch(fresh, add_special_tokens=False)
        self._pieces.update((word, found.tokens) for word, found in zip(fresh, encodings, strict=True))
        return [self._join(words) for words in split]

    def _join(self, words: list[str]) -> list[str]:
        pieces = chain.from_iterable(map(self._pieces.__getitem__, words))
        return [piece for piece in islice(pieces, MAX_WORDPIECES) if piece not in SPECIAL]


def load_metric_tokenizer(path: Path | None) -> Tokenizer:
    """The tokenizer of a vocabulary file, or the simple one without a file.

    Args:
        path: a BERT ``vocab.txt`` (one wordpiece per line; texts are lower-cased and accents are removed, as by
            default in ``BertTokenizerFast`` and as SciBERT's uncased vocabulary needs), or a ``tokenizer.json``, which
            defines its own normalisation.

    Raises:
        MolmixError: the file is missing or is not a BERT wordpiece tokenizer.
    """
    if path is None:
        return SimpleTokenizer()
    if not path.is_file():
        raise fault(path, "no such tokenizer file", "give a BERT vocab.txt or a tokenizer.json")
    # On the hub every such file is named `vocab.txt`, so the folder is used as the name.
    label = path.resolve().parent.name if path.stem in {"vocab", "tokenizer"} else path.stem
    try:
        engine = Engine.from_file(str(path)) if path.suffix == ".json" else _bert(path)
    except Exception as error:  # the Rust code raises bare Exception
        raise _not_wordpiece(path, str(error)) from error
    if not isinstance(engine.pre_tokenizer, BertPreTokenizer) or not isinstance(engine.model, WordPiece):
        found = f"{type(engine.model).__name__} after {type(engine.pre_tokenizer).__name__}"
        raise _not_wordpiece(path, found)
    if engine.token_to_id(engine.model.unk_token) is None:
        raise _not_wordpiece(path, f"no {engine.model.unk_token} in it")
    engine.no_padding()
    engine.no_truncation()
    return WordPieceTokenizer(f"wordpiece ({label})", engine)


def _bert(path: Path) -> Engine:
    engine = Engine(WordPiece.from_file(str(path)))
    engine.normalizer = BertNormalizer(lowercase=True)
    engine.pre_tokenizer = BertPreTokenizer()
    # If a caption contains one of these literally, it gets the special token, as in BertTokenizerFast.
    engine.add_special_tokens([token for token in SPELLED if engine.token_to_id(token) is not None])
    return engine


def _not_wordpiece(path: Path, why: str) -> MolmixError:
    hint = "give a BERT vocab.txt (one wordpiece a line, [UNK] among them) or a BERT tokenizer.json"
    return fault(path, f"not a BERT wordpiece tokenizer ({why})", hint)
