"""What was wrong with measurements, as people are told of it: each kind once, with how often it was seen.

The invariant: however long a rollout lasts and whatever its sentences are, what is kept is bounded.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_FLAWS = 10
LONGEST_SENTENCE = 200
_COUNTED = re.compile(r"([0-9]{1,15}) (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Flaw:
    """One kind of fault in what was measured; ``times`` is how often, None where nobody counts it."""

    sentence: str
    times: int | None = None

    @property
    def line(self) -> str:
        """For people: ``counter resets: 3``."""
        return self.sentence if self.times is None else f"{self.sentence}: {self.times:,}"


def with_warnings(known: Sequence[Flaw], warnings: Sequence[str]) -> tuple[Flaw, ...]:
    """The flaws, with those of one more reading.

    A warning that begins with a number is one with all that differ from it in the number only. Where there
    are too many kinds, the first that came stay.
    """
    found = {flaw.sentence: flaw for flaw in known}
    for warning in warnings:
        new = _flaw_of(warning)
        old = found.get(new.sentence)
        if old is not None:
            found[new.sentence] = Flaw(new.sentence, _sum(old.times, new.times))
        elif len(found) < MOST_FLAWS:
            found[new.sentence] = new
    return tuple(found.values())


def _flaw_of(warning: str) -> Flaw:
    counted = _COUNTED.fullmatch(warning)
    if counted is None:
        return Flaw(warning[:LONGEST_SENTENCE])
    return Flaw(counted[2][:LONGEST_SENTENCE], int(counted[1]))


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other
