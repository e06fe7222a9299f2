"""The names a policy may use, told to the loader by whoever knows which adapters there are.

The loader must not import adapters, and a new adapter must not change the loader.
"""

from dataclasses import dataclass
from difflib import get_close_matches

_LONGEST_WORD = 64


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Known names: kinds of route, packs of metrics, judges."""

    routes: frozenset[str]
    packs: frozenset[str]
    judges: frozenset[str]


def did_you_mean(word: str, known: frozenset[str] | list[str]) -> str:
    """A suggestion for a word that is not known: the closest one, or else all that are."""
    close = get_close_matches(word[:_LONGEST_WORD], sorted(known), n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(sorted(known))}"
