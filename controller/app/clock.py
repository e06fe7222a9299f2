"""The machine's clocks."""

import time
import uuid
from datetime import UTC, datetime

from controller.domain.observation import Tick


class SystemClock:
    """Implements `Clock`. The monotonic one gets a name of its own in each process."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex

    def now(self) -> datetime:
        """The wall clock, aware UTC."""
        return datetime.now(UTC)

    def tick(self) -> Tick:
        """The monotonic clock of this process."""
        return Tick(self._id, time.monotonic())
