"""Restarts daemons that gave up their lease, as their Deployment would. Any other end is a crash."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from tests.e2e.cluster.daemon import Replica

EXIT_DEPOSED = 70
_LOOK_SECONDS = 0.2


class Keeper:
    """Keeps replicas running while the context lasts, but for those that a test keeps down."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self.deposed = 0
        """How often one was started again."""
        self._replicas = replicas
        self._down: set[str] = set()
        self._crashes: list[str] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @contextmanager
    def down(self, replica: Replica) -> Iterator[None]:
        """What becomes of this one is the caller's business; afterwards it is started again if need be."""
        with self._lock:
            self._down.add(replica.name)
        try:
            yield
        finally:
            with self._lock:
                self._down.discard(replica.name)
                if not replica.running:
                    replica.launch()

    def check(self) -> None:
        """Raise AssertionError if one crashed."""
        assert not self._crashes, self._crashes

    def _keep(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            with self._lock:
                for replica in self._replicas:
                    if replica.name not in self._down and not replica.running:
                        self._revive(replica)

    def _revive(self, replica: Replica) -> None:
        status = replica.process.process.wait()
        if status != EXIT_DEPOSED:
            self._crashes.append(f"{replica.name} ended with {status}")
        self.deposed += 1
        replica.launch()
