"""The errors that a person's request can end in.

Each says what happened in a sentence, and where there is one, the command to type next. The code travels
over the socket, so the command line raises the same error that the daemon raised.
"""

from enum import StrEnum

from controller.errors import ControllerError


class ErrorCode(StrEnum):
    """Which kind of error it is, for programs."""

    INVALID_REQUEST = "invalid_request"
    NOT_FOUND = "not_found"
    REFUSED = "refused"
    NOT_PERMITTED = "not_permitted"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class ControlError(ControllerError):
    """Base of the errors that are told to whoever asked. ``hint`` is a command to type next, or empty."""

    code = ErrorCode.INTERNAL

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidRequest(ControlError):
    """The request makes no sense, whatever the state of the world."""

    code = ErrorCode.INVALID_REQUEST


class NotFound(ControlError):
    """There is no such model or rollout."""

    code = ErrorCode.NOT_FOUND


class Refused(ControlError):
    """The request makes sense, but not now."""

    code = ErrorCode.REFUSED


class NotPermitted(ControlError):
    """Whoever asked may read, but not steer; or not even read."""

    code = ErrorCode.NOT_PERMITTED


class Unavailable(ControlError):
    """The daemon, or something it needs, does not answer now."""

    code = ErrorCode.UNAVAILABLE


_BY_CODE: dict[ErrorCode, type[ControlError]] = {
    kind.code: kind for kind in (ControlError, InvalidRequest, NotFound, Refused, NotPermitted, Unavailable)
}


def error_of(code: ErrorCode, message: str, hint: str) -> ControlError:
    """The error that was told under this code."""
    return _BY_CODE[code](message, hint)
