"""How the last requests of a version that lost its traffic ended, before its copies were taken away."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Drained(StrEnum):
    """Why its copies need not be waited for any longer."""

    EMPTY = "empty"
    """It was counted to have no request left."""
    CUT = "cut"
    """The drain time was over, and requests still ran."""
    UNCOUNTED = "uncounted"
    """The drain time was over, and nobody could say whether any ran."""


@dataclass(frozen=True, slots=True)
class Drain:
    """``waited`` is the time since the rollout's end; ``message`` is the whole in a sentence for people."""

    outcome: Drained
    version: str
    waited: timedelta
    message: str
