"""A stream of real requests through the gateway, in a process of its own: `traffic.py`, and what it saw."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.local.stack import Service, Stack

_SCRIPT = Path(__file__).with_name("traffic.py")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a stream saw: answers by status and by the backend that the gateway chose, and lost requests.

    ``slow`` answers by backend took longer than the stream's limit, from when they were due.
    """

    sent: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    backends: dict[str, dict[str, int]] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    slow: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Requests without an answer, or with another than 2xx."""
        refused = sum(count for status, count in self.statuses.items() if not status.startswith("2"))
        return refused + sum(self.errors.values())

    def served(self, backend: str) -> tuple[int, int]:
        """Requests that a backend (``model@version``) answered, and how many with a server error."""
        statuses = self.backends.get(backend, {})
        return sum(statuses.values()), sum(n for status, n in statuses.items() if status.startswith("5"))


class Stream:
    """Sends rows to the URLs at a steady rate, from its making until `stop` or for ``seconds``."""

    def __init__(
        self,
        stack: Stack,
        urls: Sequence[str],
        rows: Path,
        *,
        rate: float,
        seconds: int,
        name: str,
        slow_seconds: float = math.inf,
    ) -> None:
        self._report = stack.folder / f"{name}.json"
        self._report.unlink(missing_ok=True)
        argv = (sys.executable, str(_SCRIPT), "--rows", str(rows), *(f"--url={url}" for url in urls))
        options = (
            *("--report", str(self._report), "--rate", str(rate), "--seconds", str(seconds)),
            *("--slow-seconds", str(slow_seconds)),
        )
        self._service: Service = stack.launch(name, argv + options, 0, {})

    def traffic(self) -> Traffic:
        """The last report, at most a second old."""
        if not self._report.exists():
            return Traffic()
        report = json.loads(self._report.read_text())
        counts = (report[name] for name in ("sent", "statuses", "backends", "errors", "slow"))
        return Traffic(*counts)

    def stop(self) -> Traffic:
        """End the stream and give its last report."""
        self._service.stop()
        return self.traffic()
