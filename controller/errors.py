"""The errors of Serinus; the bottom of the import order, imported by everything.

    ControllerError
    ├── TransientError        try again, at the latest after ``retry_after``
    │   ├── Conflict          somebody else wrote first: read again, decide again
    │   └── StoreUnavailable  the record cannot be read or written now
    ├── PolicyError           a policy file is wrong, at a position
    ├── TargetError           the thing asked for cannot be done there: never retried
    │   └── PermissionDenied  somebody must give us a right first
    └── InvariantError        Serinus is wrong: the pass stops, nothing is written

Adapters translate their library's errors into these at their own edge. An expected fact (no data yet, not
ready, a drifted route) is a value of `controller.domain.observation`, not an exception.
"""

from datetime import timedelta


class ControllerError(Exception):
    """Base of every error that Serinus raises on purpose."""


class TransientError(ControllerError):
    """A call failed in a way that time may cure.

    ``retry_after`` is the wait that the other side asked for, or None for the worker's own back-off.
    """

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Conflict(TransientError):
    """A compare-and-swap lost: the version that was read is no longer the newest."""


class StoreUnavailable(TransientError):
    """The store cannot be read or written: full disk, corrupt file, lost connection."""


class PolicyError(ControllerError):
    """One fault in a policy file. Lines and columns count from 1."""

    def __init__(self, path: str, line: int, column: int, message: str) -> None:
        super().__init__(f"{path}:{line}:{column}: {message}")
        self.path = path
        self.line = line
        self.column = column
        self.message = message


class TargetError(ControllerError):
    """The target refused for good: no such model, no permission, a rejected configuration."""


class PermissionDenied(TargetError):
    """The target does not allow it to us."""


class InvariantError(ControllerError):
    """A condition that the code guarantees does not hold: a defect in Serinus."""
