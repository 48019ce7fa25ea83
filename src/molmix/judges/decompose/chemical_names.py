"""Find the chemical names in a text: a lexicon of the parts of names, and the shape of systematic names.

There is no complete list of chemical names. So a word is a name if it has the shape of a systematic name (locants,
stereo labels, a charge in brackets) or ends like a name of the nomenclature (``-amide``, ``-oside``). Words of English
and of biology with such an ending are listed as exceptions. A name of two words ends with one of :data:`HEADS`
("benzoic acid", "aromatic ether").
"""

import re

from molmix.judges.decompose.text import clean

# Endings of systematic names and of classes.
_ENDINGS = (
    "acid|aldehyde|amide|amido|amidine|amine|amino|aniline|anilide|anone|anoic|anoate|anol|arene|azine|azole|azepine"
    "|benzene|borane|carbonyl|chloride|bromide|fluoride|iodide|oxide|sulfide|hydride|cyanide|azide|chloro|bromo|fluoro|iodo"
    "|hydroxy|methoxy|ethoxy|enoic|enoate|enol|enone|epoxide|ester|ether|flavone|flavanone|flavonoid|furan|glycoside|glycerol"
    "|guanidine|hydrazine|hydrazone|imide|imine|imidazole|indole|ketone|lactam|lactone|ylate|ylic|nitrile|nitro|oate|oic|oin"
    "|onium|oside|osamine|oxy|oxo|oyl|peptide|phenol|phenone|phenyl|phosphate|phosphonate|piperidine|piperazine|purine|pyran"
    "|pyranose|furanose|pyridine|pyrimidine|pyrrole|quinoline|quinone|saccharide|silane|steroid|sterol|sulfate|sulfonate"
    "|sulfonamide|sulfone|sulfoxide|terpene|terpenoid|terpenol|thiol|thiophene|thiazole|toluene|urea|uronate|uronic|xanthine"
    "|xanthone|ylene|yl|acyl|ose|itol|ane|ene|yne|idine|adine|osine|alkaloid|coumarin|chromene|lignan|macrolide|nucleoside"
    "|nucleotide|glucoside|galactoside|onium|ammonium|sodium|potassium|calcium|lithium|magnesium|anion|cation|zwitterion"
)
_ENDS = re.compile(rf"[a-z\d,'()\[\]{{}}+-]*(?:{_ENDINGS})s?")
_SHAPE = re.compile(
    r".*(?:\d'*-[a-z(\[]|\(\d+[+-]\)|(?:^|[(-])[LDRSEZNO]-[a-z(]|(?:alpha|beta|gamma|delta|omega)-[a-z]|\(\d*[RSEZ][,)]).*",
    re.I,
)
# Words with such a shape or ending that name no chemical.
_NOT = re.compile(
    r".*(?:ase|position|generation|configuration|enantiomer|isomer|adrenergic|saturated|substituted|ylated|ing|like|type)s?"
    r"|[a-z]*(?:membrane|crane|plane|lane|gene|scene|hygiene|serene|intervene|vane|humane|ly|july|april)s?"
    r"|(?:over)?dose|purpose|those|whose|close|loose|nose|lose|choose|compose|disclose|expose|suppose|diagnose|arose"
    r"|one|(?:hor|al|pr|st|t|c|cl|b|d|z)one|phone|none|catholic|acids?|ions?|salts?|residues?"
)
HEADS = ("acid", "ester", "ether", "alcohol", "amide", "anion", "cation", "ion", "ketone", "salt", "oxide", "residue")
_NO_ADJECTIVES = ("conjugate", "with", "from", "that", "this", "each", "into", "both", "free", "its")


def chemical_names(text: str) -> list[str]:
    """The distinct chemical names of a text, in lower case and without plural, in order.

    Args:
        text: any text.
    """
    names: list[str] = []
    before = ""  # the word before, if a head can follow it
    for word in clean(text).split(" "):
        said = _without_marks(word)
        name = _singular(said)
        if name in HEADS and before:
            if names and names[-1].endswith(before):
                names[-1] += f" {name}"
            else:
                names.append(f"{before} {name}")
        elif is_name(said):
            names.append(name)
        before = name if said == word and len(name) > 3 and name not in _NO_ADJECTIVES else ""
    return list(dict.fromkeys(names))


def is_name(word: str) -> bool:
    """Whether a word is a chemical name by its shape or its ending."""
    if len(word) < 4 or not any(map(str.isalpha, word)):
        return False
    lower = word.lower()
    return not _NOT.fullmatch(lower) and bool(_SHAPE.fullmatch(word) or _ENDS.fullmatch(lower))


def _without_marks(word: str) -> str:
    """A word without punctuation at its ends, and without brackets there that are not closed or not opened."""
    word = word.strip('.,;:!?"')
    if re.fullmatch(r"\([^()]*\)|\[[^][]*\]", word):  # a word in brackets, and not a name with brackets
        word = word[1:-1]
    for opening, closing in ("()", "[]"):
        if word.count(opening) != word.count(closing):
            word = word.removeprefix(opening).removesuffix(closing)
    return word


def _singular(word: str) -> str:
    lower = word.lower()
    return lower[:-1] if lower.endswith("s") and not lower.endswith("ss") else lower
