"""Whose queries failed lately: they are asked in smaller and smaller groups, apart from everybody else.

A query that is refused is halved at once (`asking.Halving`); one that was not answered in time is not sent
again, for that would make a slow server slower. Both leave a doubt, and the next round asks about those
apart. So whoever breaks queries stands alone after a few rounds, and the others are measured without them.
"""

from collections import OrderedDict
from collections.abc import Sequence

_MOST_REMEMBERED = 4096


class Doubts:
    """By rollout, the largest group in which it is asked about."""

    def __init__(self) -> None:
        self._largest: OrderedDict[str, int] = OrderedDict()

    def largest(self, rollout_id: str) -> int | None:
        """None for the many that nobody doubts."""
        return self._largest.get(rollout_id)

    def failed(self, group: Sequence[str]) -> None:
        """A query for all of these had no answer."""
        for rollout_id in group:
            self._largest[rollout_id] = max(1, len(group) // 2)
            self._largest.move_to_end(rollout_id)
        while len(self._largest) > _MOST_REMEMBERED:
            self._largest.popitem(last=False)

    def answered(self, rollout_id: str) -> None:
        """Every query for it had an answer."""
        self._largest.pop(rollout_id, None)
