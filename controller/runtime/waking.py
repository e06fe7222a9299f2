"""When a key wants its next pass. Generic: it knows durations, not what is done in them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Wake:
    """In so long.

    ``tick`` says that the pass is one of a series at such distances, and goes with all others that have the
    same: it falls on a multiple of ``after``, whenever the series began. Any other is put off by a little
    that nobody knows, so that what began together does not stay together.
    """

    after: timedelta
    tick: bool = False


def soonest(wakes: Iterable[Wake | None]) -> Wake | None:
    """The first of them; None if there is none."""
    return min((wake for wake in wakes if wake is not None), key=lambda wake: wake.after, default=None)


def apart(after: timedelta | None) -> Wake | None:
    """A wake-up of its own, in so long; None if there is to be none."""
    return None if after is None else Wake(after)
