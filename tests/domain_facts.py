"""What happens in a `tests.domain_world`, as facts that say nothing about why."""

from dataclasses import dataclass
from enum import StrEnum

from controller.domain.model import Entry, Rollout
from controller.domain.release import Split


class Crash(StrEnum):
    """Where a pass is cut off; the process starts again."""

    BEFORE_COMMIT = "before commit"
    AFTER_COMMIT = "after commit, before the write"
    AFTER_ACT = "after the write"


class Crashed(Exception):
    """The process died in the middle of a pass."""


@dataclass(frozen=True)
class Written:
    """A write of the daemon that reached the gateway."""

    at: float
    rollout_id: str
    before: Split
    after: Split


@dataclass(frozen=True)
class Edited:
    """Somebody else wrote to the gateway."""

    at: float
    after: Split


@dataclass(frozen=True)
class Committed:
    """A record and its entry, as they became durable, and what was true at that moment."""

    at: float
    rollout: Rollout
    entry: Entry
    declared: Split
    running: Split
    ready: frozenset[str]


@dataclass(frozen=True)
class Looked:
    """A pass looked at a rollout; ``running`` is what really ran, whatever the gateway said."""

    at: float
    clock_id: str
    rollout_id: str
    running: Split
    answered: bool


Fact = Written | Edited | Committed | Looked
