"""What changed last, for whoever follows rollouts live: of each rollout its newest state, in order of change.

**Invariant**: whoever follows costs nothing here but a cursor. Nobody is owed every change, only the newest,
so nothing is queued for a slow reader, and memory is bounded by ``most`` rollouts whatever they do.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.control.views import StatusView

_MOST = 1000

Show = Callable[[datetime], StatusView]
"""Makes what is shown; only when somebody looks."""


@dataclass(frozen=True, slots=True)
class Change:
    """``number`` counts all changes since the start. ``show`` is None for a rollout that is gone."""

    number: int
    namespace: str
    model: str
    rollout: str
    show: Show | None


class Board:
    """To be used on the loop. ``run`` tells the cursors of one process from those of another."""

    def __init__(self, most: int = _MOST) -> None:
        self.run = secrets.token_hex(4)
        self.closed = False
        self._most = most
        self._number = 0
        self._floor = 0
        self._changes: dict[tuple[str, str], Change] = {}
        self._news = asyncio.Event()

    @property
    def number(self) -> int:
        """That of the newest change; 0 before the first."""
        return self._number

    def put(self, namespace: str, model: str, rollout: str, show: Show | None) -> None:
        """A rollout changed."""
        self._number += 1
        key = (namespace, rollout)
        self._changes.pop(key, None)
        self._changes[key] = Change(self._number, namespace, model, rollout, show)
        while len(self._changes) > self._most:
            oldest = next(iter(self._changes))
            self._floor = self._changes.pop(oldest).number
        self._wake()

    def since(self, number: int) -> Sequence[Change] | None:
        """The rollouts that changed after ``number``, in that order; None when that is no longer known."""
        if not self._floor <= number <= self._number:
            return None
        found = []
        for change in reversed(self._changes.values()):
            if change.number <= number:
                break
            found.append(change)
        return found[::-1]

    async def news(self, number: int) -> None:
        """Wait until there is a change after ``number``, or nothing will come any more."""
        while self._number <= number and not self.closed:
            await self._news.wait()

    def close(self) -> None:
        """Nothing will come any more: whoever follows is let go."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
