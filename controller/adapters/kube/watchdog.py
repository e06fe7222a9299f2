"""Ends a process whose event loop does not notice that its lease is over."""

import threading
from collections.abc import Callable
from typing import Self

_EVERY_SECONDS = 0.25


class Watchdog:
    """A thread beside the event loop: work that blocks the loop, or does not end, cannot block it."""

    def __init__(self, overdue: Callable[[], bool], end: Callable[[], None]) -> None:
        """``overdue`` is asked a few times a second; when it is true, ``end`` must end the process."""
        self._overdue = overdue
        self._end = end
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lease-watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_EVERY_SECONDS):
            if self._overdue():
                self._end()
                return
