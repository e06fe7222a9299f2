"""Tells through several notifiers."""

from collections.abc import Sequence

from controller.domain.model import Entry, Rollout
from controller.ports import Notifier


class SeveralNotifiers:
    """Implements `Notifier` by handing everything to each of them, in order."""

    def __init__(self, notifiers: Sequence[Notifier]) -> None:
        self._notifiers = notifiers

    def tell(self, rollout: Rollout, entry: Entry) -> None:
        """Hand over a committed entry."""
        for notifier in self._notifiers:
            notifier.tell(rollout, entry)
