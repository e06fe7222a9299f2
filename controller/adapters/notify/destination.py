"""What a kind of destination is: one attempt to tell it of an entry. A further kind is a further file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from controller.adapters.notify.cloudevent import kind_of
from controller.adapters.notify.severity import Severity, severity_of
from controller.domain.model import Entry
from controller.ports import Posting


@dataclass(frozen=True, slots=True)
class Taken:
    """The receiver has it: ``answer`` says how it answered, in words for people.

    ``memo`` is what the destination wants to know at the rollout's next entry.
    """

    answer: str = ""
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, without addresses and secrets; whether another may not help.

    ``retry_after`` is the wait that the receiver asked for.
    """

    message: str
    final: bool = False
    retry_after: timedelta | None = None


class Destination(Protocol):
    """Where one name of the settings leads."""

    @property
    def name(self) -> str:
        """As policies call it."""
        ...

    @property
    def at_once(self) -> int:
        """How many entries of one rollout it can be told in one attempt."""
        ...

    async def deliver(self, postings: Sequence[Posting], memo: str) -> Taken | Failure:
        """One attempt, bounded in time, for at least one entry, and ``at_once`` at most.

        They are of one rollout and in its order. ``memo`` is what the last attempt for it left.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class Nobody:
    """Where a name leads that the settings do not have."""

    name: str
    at_once: int = 1

    async def deliver(self, postings: Sequence[Posting], memo: str) -> Failure:
        """Nobody is told."""
        del postings, memo
        return Failure("the settings have no destination of that name", final=True)

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A destination, and which entries it is told: of ``kinds`` (all if empty), as severe as ``least``."""

    destination: Destination
    least: Severity = Severity.INFO
    kinds: frozenset[str] = frozenset()

    def wants(self, entry: Entry) -> bool:
        """Whether it is told of the entry."""
        severe = severity_of(entry).rank >= self.least.rank
        return severe and (not self.kinds or kind_of(entry) in self.kinds)
