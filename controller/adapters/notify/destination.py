"""What a kind of destination is: one attempt to tell it of one entry. A further kind is a further file."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

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

    async def deliver(self, posting: Posting, memo: str) -> Taken | Failure:
        """One attempt, bounded in time. ``memo`` is what the last one of the rollout left."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
