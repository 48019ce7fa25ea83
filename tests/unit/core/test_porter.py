"""Porter's stemmer without the rest of NLTK."""

import subprocess
import sys

CODE = """
import sys
from molmix.core.porter import porter_stem
stem = porter_stem()
assert not any(name.partition(".")[0] == "nltk" for name in sys.modules)
words = "relational caresses methylation oxidised hydroxyl flies the polymerases".split()
light = [stem(word) for word in words]
import nltk
from nltk.stem import PorterStemmer
assert light == [PorterStemmer().stem(word) for word in words] == [porter_stem()(word) for word in words]
assert nltk.__version__ and light[1] == "caress"
"""


def test_the_stems_are_those_of_nltk_which_can_be_imported_afterwards() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
