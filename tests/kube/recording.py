"""What went through a proxy, for a checker that reads it when all is over."""

import threading
from dataclasses import dataclass, replace
from typing import Any

from tests.kube.fault_rules import Fault


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request and what became of it. Times are `time.monotonic`, which all processes of a machine share.

    ``status`` is what the client was told (None: nothing, or nothing yet), ``server_status`` what the server
    said (None: the request did not reach it, or its answer is not known). Bodies are kept of writes only.
    """

    number: int
    at: float
    identity: str
    method: str
    path: str
    query: str
    write: bool
    body: bytes = b""
    fault: Fault | None = None
    status: int | None = None
    server_status: int | None = None
    server_body: bytes = b""
    ended: float | None = None

    @property
    def applied(self) -> bool:
        """A write that the server took, whatever the client was told."""
        return self.write and self.server_status is not None and self.server_status < 300


class Recorder:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recorded: list[Recorded] = []

    def begin(self, at: float, identity: str, method: str, **more: Any) -> int:
        """Enter a request; gives its number."""
        with self._lock:
            number = len(self._recorded)
            self._recorded.append(Recorded(number, at, identity, method, **more))
            return number

    def note(self, number: int, **facts: Any) -> None:
        """Add what became known."""
        with self._lock:
            self._recorded[number] = replace(self._recorded[number], **facts)

    def all(self) -> list[Recorded]:
        """By number, which is the order of arrival."""
        with self._lock:
            return list(self._recorded)
