"""What an SQLite error means for the store, and what a person should do about it."""

import shutil
import sqlite3
from pathlib import Path

from controller.errors import ControllerError, InvariantError, StoreUnavailable

_PRIMARY_CODE = 0xFF  # an extended result code keeps its primary code in the lowest byte

_DEFECTS = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE}

_BROKEN = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}

_CORRUPT = (
    "{path} is corrupt. Stop Serinus and restore the file from a backup, "
    "or move it away to begin with an empty one."
)
_READ_ONLY = "{path} is read-only. Make it and its folder writable for the user that runs Serinus."
_LOCKED = "{path} is locked by another process. Stop the other Serinus or SQLite shell."

_ADVICE = {
    sqlite3.SQLITE_FULL: "No space to write {path} ({free}). Free 64 MiB or more there.",
    sqlite3.SQLITE_IOERR: "The disk failed while reading or writing {path} ({free}). Check the disk.",
    sqlite3.SQLITE_CANTOPEN: "{path} cannot be opened. Check that its folder exists and is writable.",
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _CORRUPT,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
}


def breaks_connection(error: sqlite3.Error) -> bool:
    """Whether the connection must be opened anew, because the file under it is not what it was."""
    return _code(error) in _BROKEN


def translated(error: sqlite3.Error, path: Path) -> ControllerError:
    """`StoreUnavailable` for what the medium did, `InvariantError` for what Serinus did."""
    code = _code(error)
    if code in _DEFECTS:
        return InvariantError(f"The store refused a write: {error}")
    advice = _ADVICE.get(code, "{path} cannot be used. Check the disk it is on.")
    return StoreUnavailable(f"{advice.format(path=path, free=_free(path))} (SQLite: {error})")


def corrupt(path: Path, found: str) -> StoreUnavailable:
    """For what SQLite's integrity check ``found``."""
    return StoreUnavailable(f"{_CORRUPT.format(path=path)} (SQLite: {found})")


def _code(error: sqlite3.Error) -> int:
    """The primary result code. The module's own complaints, of misuse, have none."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)
    return code & _PRIMARY_CODE


def _free(path: Path) -> str:
    try:
        free_bytes = shutil.disk_usage(path.parent).free
    except OSError:
        return "free space unknown"
    return f"{free_bytes // 2**20} MiB free"
