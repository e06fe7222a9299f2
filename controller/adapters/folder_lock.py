"""Keeps a second daemon off a folder: a lock for as long as the process lives, and an epoch.

The lock is the kernel's (flock), so a killed daemon leaves none behind. Should it be lost all the same (the
file deleted, a file system that forgets locks), the epoch tells: whoever takes the lock raises it, and who
finds a higher one than its own has been deposed.
"""

import fcntl
import os
import re
from pathlib import Path

from controller.errors import TargetError

# A fixed width, so that taking the lock on a full disk overwrites a block that the file has already.
_RECORD = "epoch {:018d} pid {:018d}\n"
_BYTES = len(_RECORD.format(0, 0))
_PATTERN = re.compile(rb"epoch ([0-9]{18}) pid ([0-9]{18})\n")


class FolderLock:
    """The lock and the epoch of one folder; both are in its file ``serinus.lock``."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "serinus.lock"
        self._handle: int | None = None
        self.epoch = 0

    def take(self) -> None:
        """Take the lock and an epoch above the last one.

        Raises `TargetError` naming the process that holds it, `OSError` when the file cannot be written.
        """
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            _, holder = _parse(os.pread(handle, _BYTES, 0))
            os.close(handle)
            raise TargetError(
                f"another Serinus (process {holder}) already writes {self._path.parent}: stop it first"
            ) from error
        self._handle = handle
        self.raise_above(_parse(os.pread(handle, _BYTES, 0))[0])

    def raise_above(self, seen: int) -> None:
        """Make the epoch higher than one that was seen. Raises `OSError`."""
        if self._handle is not None and self.epoch <= seen:
            self.epoch = seen + 1
            os.pwrite(self._handle, _RECORD.format(self.epoch, os.getpid()).encode(), 0)
            os.fsync(self._handle)

    def check(self, highest_seen: int) -> None:
        """Raise `TargetError` if nothing may be written: not locked, or a later daemon took over."""
        if self._handle is None:
            raise TargetError(f"{self._path.parent} is not open for writing")
        try:
            epoch, holder = _parse(self._path.read_bytes()[:_BYTES])
        except FileNotFoundError:  # deleted: whoever takes the lock anew shows in the files' own epoch
            epoch, holder = 0, 0
        newest = max(epoch, highest_seen)
        if newest > self.epoch:
            by = f" by process {holder}" if epoch == newest else ""
            raise TargetError(
                f"this Serinus was deposed{by}: "
                f"{self._path.parent} is at epoch {newest}, its own is {self.epoch}"
            )

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _parse(record: bytes) -> tuple[int, int]:
    found = _PATTERN.fullmatch(record)
    return (int(found[1]), int(found[2])) if found else (0, 0)
