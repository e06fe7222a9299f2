"""Errands that are run beside the passes, one at a time for each key.

They are remembered by key while there is room, the oldest that is over is forgotten first, and those in hand
are given up at the end: whoever runs them begins again from the record.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

_MOST_REMEMBERED = 1000


@dataclass(slots=True)
class Errand:
    """What is remembered under one key; each kind of errand adds what it keeps."""

    task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether somebody is on the way."""
        return self.task is not None and not self.task.done()


AnyErrand = TypeVar("AnyErrand", bound=Errand)


class Errands(Generic[AnyErrand]):
    """All errands of one kind; ``make`` begins what is remembered of a key."""

    def __init__(self, make: Callable[[], AnyErrand]) -> None:
        self._make = make
        self._known: OrderedDict[str, AnyErrand] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._known)

    def of(self, key: str) -> AnyErrand:
        """What is remembered of the key, from now on at least."""
        errand = self._known.setdefault(key, self._make())
        self._known.move_to_end(key)
        if len(self._known) > _MOST_REMEMBERED:
            oldest, forgotten = next(iter(self._known.items()))
            if not forgotten.running:
                del self._known[oldest]
        return errand

    async def give_up(self) -> None:
        """Cancel those under way, and wait until they have ended."""
        tasks = [each.task for each in self._known.values() if each.task is not None and each.running]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
