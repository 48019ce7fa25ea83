"""Decomposition: captions into atoms, single statements that stand alone. One file a backend.

To add a backend, write its file with a function of the same signature and name it in :data:`BACKENDS`. Importing this
package is cheap; a backend that needs a model or a server imports it where it is called.
"""

from collections.abc import Callable, Sequence

from molmix.decompose import rules

BACKENDS: dict[str, Callable[[Sequence[str]], list[list[str]]]] = {"rules": rules.decompose}


def decompose(captions: Sequence[str], backend: str = "rules") -> list[list[str]]:
    """Atoms of each caption, in the order of the captions.

    Args:
        captions: any texts, empty ones included.
        backend: a key of :data:`BACKENDS`.

    Returns:
        One list of atoms a caption: none for a caption that says nothing (no letter or digit in it), else at least
        one. Atoms are sentences that end with a full stop, each once, in the order in which they are stated.
    """
    return BACKENDS[backend](captions)
