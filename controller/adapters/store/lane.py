"""One connection to the state file, and the only thread that uses it.

**Invariant**: calls are served one by one in the order they came, so that a read after a commit whose
outcome is unknown (cancelled, timed out) sees that outcome. A connection that may be broken is dropped, and
the next call opens and checks the file anew: the store heals when its disk does.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from controller.adapters.store.faults import breaks_connection, corrupt, translated
from controller.adapters.store.migrations import migrate
from controller.errors import StoreUnavailable

T = TypeVar("T")


class Lane:
    """Runs work on the connection.

    ``busy_timeout`` is the longest wait for another process's lock, ``call_timeout`` the longest for an
    outcome, with the work that was in line before.
    """

    def __init__(self, path: Path, *, writes: bool, busy_timeout: timedelta, call_timeout: timedelta) -> None:
        self._path = path
        self._writes = writes
        self._busy_timeout = busy_timeout
        self._call_timeout = call_timeout
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="store-write" if writes else "store-read")

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work`` returns. Raises `StoreUnavailable` for a failing medium or no outcome in time."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._call_timeout.total_seconds()):
                return await loop.run_in_executor(self._executor, self._guarded, work)
        except TimeoutError as error:
            raise StoreUnavailable(
                f"{self._path} did not answer within {self._call_timeout.total_seconds():g} s. "
                "Check the disk it is on."
            ) from error

    async def close(self) -> None:
        """Wait for the work in hand, then close the connection. The lane cannot be used again."""
        await asyncio.get_running_loop().run_in_executor(self._executor, self._drop)
        self._executor.shutdown(wait=False)

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._current())
        except sqlite3.Error as error:
            if breaks_connection(error) or self._in_transaction():
                self._drop()
            raise translated(error, self._path) from error

    def _in_transaction(self) -> bool:
        return self._connection is not None and self._connection.in_transaction

    def _current(self) -> sqlite3.Connection:
        # SQLite would go on writing into a deleted file, and every commit would be lost with it.
        if self._connection is not None and self._inode != _inode(self._path):
            self._drop()
        if self._connection is None:
            self._connection = self._opened()
        return self._connection

    def _opened(self) -> sqlite3.Connection:
        if self._inode is not None and _inode(self._path) is None:
            raise StoreUnavailable(
                f"{self._path} was removed while Serinus ran. Put it back from a backup, "
                "or restart Serinus to begin with an empty one."
            )
        mode = "rwc" if self._writes else "ro"
        connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=self._busy_timeout.total_seconds(),
        )
        try:
            if self._writes:
                _prepare(connection, self._path)
        except BaseException:
            connection.close()
            raise
        self._inode = _inode(self._path)
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}")
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise corrupt(path, found)
    migrate(connection)  # first: it refuses foreign files, and the journal mode is kept in the file
    if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
        raise StoreUnavailable(f"{path} is on a file system without shared memory. Keep it on a local disk.")


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
