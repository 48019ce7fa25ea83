"""Synonyms from the WordNet 3.0 database files (Fellbaum 1998; format: wndb(5WN), morphy(7WN)).

NLTK's own reader needs files that Debian does not ship (``lexnames``), refuses folders outside its data path, and takes
seconds to load. METEOR needs only synonyms. The results equal NLTK's.
"""

import re
from functools import cache
from pathlib import Path

from molmix.core.errors import fault

VERSION = "3.0"

# Endings that morphy replaces to get a possible base form, by part of speech.
_ENDINGS = {
    "noun": [
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ],
    "verb": [
        ("s", ""),
        ("ies", "y"),
        ("es", "e"),
        ("es", ""),
        ("ed", "e"),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
    ],
    "adj": [("er", ""), ("est", ""), ("er", "e"), ("est", "e")],
    "adv": [],
}
_FILES = [f"{kind}.{speech}" for speech in _ENDINGS for kind in ("index", "data")]
_FILES += [f"{speech}.exc" for speech in _ENDINGS]
_MARKER = re.compile(r"\([^()]*\)$")  # an adjective's position in the sentence, for example `galore(ip)`


class WordNet:
    """The words of each word's synsets.

    Args:
        folder: holds ``index.*``, ``data.*`` and ``*.exc`` (``/usr/share/wordnet`` of Debian's
            ``wordnet-base``, or NLTK's ``corpora/wordnet``).

    Raises:
        MolmixError: a file is missing, or the files are of another version.
    """

    def __init__(self, folder: Path):
        absent = [name for name in _FILES if not (folder / name).is_file()]
        if absent:
            raise fault(
                folder,
                f"no WordNet database here: {', '.join(absent)} missing",
                "install Debian's wordnet-base and give /usr/share/wordnet, or NLTK's corpora/wordnet",
            )
        self._data = {speech: (folder / f"data.{speech}").read_bytes() for speech in _ENDINGS}
        if f"WordNet {VERSION} Copyright".encode() not in self._data["noun"][:2000]:
            raise fault(
                folder,
                f"not WordNet {VERSION}, which the published METEOR was computed with",
                f"give the folder of a WordNet {VERSION} database",
            )
        # Unparsed index lines by lemma: only the few that are needed are parsed.
        self._index = {
            speech: {
                line[: line.index(" ")]: line
                for line in (folder / f"index.{speech}").read_text("utf-8").splitlines()
                if not line.startswith(" ")
            }
            for speech in _ENDINGS
        }
        self._exceptions = {
            speech: {
                words[0]: words[1:]
                for words in map(str.split, (folder / f"{speech}.exc").read_text("utf-8").splitlines())
            }
            for speech in _ENDINGS
        }
        self._known: dict[str, frozenset[str]] = {}

    def synonyms(self, word: str) -> frozenset[str]:
        """The single words that share a synset with a lower-cased word or its base form; often empty."""
        if word not in self._known:
            self._known[word] = frozenset(
                lemma
                for speech in _ENDINGS
                for form in self._base_forms(word, speech)
                for offset in self._synsets(form, speech)
                for lemma in self._lemmas(offset, speech)
                if "_" not in lemma
            )
        return self._known[word]

    def _base_forms(self, word: str, speech: str) -> set[str]:
        forms = self._exceptions[speech].get(word) or [
            word.removesuffix(old) + new for old, new in _ENDINGS[speech] if word.endswith(old)
        ]
        return {form for form in (word, *forms) if form in self._index[speech]}

    def _synsets(self, lemma: str, speech: str) -> list[int]:
        # lemma, part of speech, synset count, pointer count, pointers …, two more counts, byte offsets …
        fields = self._index[speech][lemma].split()
        return [int(offset) for offset in fields[-int(fields[2]) :]]

    def _lemmas(self, offset: int, speech: str) -> list[str]:
        # offset, file number, type, word count (hexadecimal), then words, each with its number
        data = self._data[speech]
        fields = data[offset : data.index(b"\n", offset)].decode().split()
        return [_MARKER.sub("", word) for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]


@cache
def load_wordnet(folder: Path) -> WordNet:
    """The WordNet of a folder, read once (30 MB)."""
    return WordNet(folder)
