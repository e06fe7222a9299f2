"""Entries to whatever `apprise` speaks, Microsoft Teams and e-mail among it. An optional extra.

**Invariant**: apprise's addresses hold secrets, so they stand in a file of their own and in no log.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.message import plain_line
from controller.errors import TargetError
from controller.ports import Posting

_TIMEOUT = timedelta(seconds=30)
_MOST_BYTES = 16 * 1024


class AppriseDestination:
    """Implements `Destination`. ``url_file`` holds addresses of apprise, one a line.

    Raises `TargetError` where apprise is not installed.
    """

    at_once = 1

    def __init__(
        self,
        name: str,
        url_file: Path,
        timeout: timedelta = _TIMEOUT,
        load: Callable[[str], Any] = import_module,
    ) -> None:
        self.name = name
        self._url_file = url_file
        self._timeout = timeout
        try:
            self._apprise = load("apprise")
        except ImportError as error:
            hint = "install it: pip install 'serinus[apprise]'"
            raise TargetError(
                f"destination {name} is of kind apprise, which is not installed; {hint}"
            ) from error
        # apprise blocks; one entry at a time is told, so one thread is enough
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"apprise-{name}")

    async def deliver(self, postings: Sequence[Posting], memo: str) -> Taken | Failure:
        """One attempt at all addresses; it is taken when all of them took it."""
        del memo
        (posting,) = postings
        work = partial(
            self._notify, plain_line(posting.rollout, posting.entry, posting.page), posting.rollout.model
        )
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError:
            return Failure(f"no answer within {self._timeout.total_seconds():g} s")

    async def close(self) -> None:
        """Let go of the thread; what is under way ends by apprise's own time-outs."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _notify(self, body: str, title: str) -> Taken | Failure:
        try:
            urls = _urls(self._url_file)
        except (OSError, ValueError) as error:
            return Failure(f"the file of addresses cannot be used ({type(error).__name__})")
        asset = self._apprise.AppriseAsset(app_id="Serinus", secure_logging=True, async_mode=False)
        targets = self._apprise.Apprise(asset=asset)
        if not all(targets.add(url) for url in urls):
            return Failure("an address is none that apprise knows")
        text = self._apprise.NotifyFormat.TEXT
        taken = targets.notify(
            body=body, title=f"Serinus: {title}", body_format=text, interpret_escapes=False
        )
        return Taken("apprise delivered it") if taken else Failure("apprise could not deliver it")


def _urls(path: Path) -> list[str]:
    """Read each time: a rotated address must not need a restart. Raises `OSError` and `ValueError`."""
    with path.open("rb") as file:
        lines = file.read(_MOST_BYTES).decode().split()
    if not lines:
        raise ValueError("a file of addresses holds one a line")
    return lines
