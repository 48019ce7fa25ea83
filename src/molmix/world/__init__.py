"""The embedded world: a small corpus of molecules and captions of which everything is known.

Molecules are built (:mod:`molecules`), what is true of them is computed (:mod:`facts`) in a closed vocabulary
(:mod:`vocabulary`), what follows from what is decided in one place (:mod:`logic`), and captions (:mod:`captions`, with
the English in :mod:`phrases`), the corpus (:mod:`corpus`) and NLI pairs (:mod:`nli`) are made from that. All of it is
fixed by a seed.
"""

from molmix.world.captions import atom, atoms, caption, parse
from molmix.world.corpus import corpus
from molmix.world.facts import facts
from molmix.world.logic import close, relation
from molmix.world.molecules import Molecule, molecules
from molmix.world.nli import nli_pairs
from molmix.world.vocabulary import Fact

__all__ = [
    "Fact",
    "Molecule",
    "atom",
    "atoms",
    "caption",
    "close",
    "corpus",
    "facts",
    "molecules",
    "nli_pairs",
    "parse",
    "relation",
]
