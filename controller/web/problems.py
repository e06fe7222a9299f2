"""Errors as answers. **Source**: RFC 9457, problem details.

**Invariant**: an answer consists of our own sentences; what a library, a gateway or the API server said stays
in the log.
"""

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from controller.control.errors import ControlError, ErrorCode
from controller.errors import TargetError, TransientError
from controller.policy.quantities import shown

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_MOST_FAULTS = 20
_LONGEST_FAULT = 200
_STATUSES = {
    ErrorCode.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.REFUSED: HTTPStatus.CONFLICT,
    ErrorCode.NOT_PERMITTED: HTTPStatus.FORBIDDEN,
    ErrorCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
NO_ANSWER = "something that the daemon needs does not answer now; its log says what"


class Problem(BaseModel):
    """Why there is no other answer. ``hint`` is a command to type next, or empty."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="A URN for programs: urn:serinus:problem:CODE.")
    title: str
    status: int
    detail: str
    hint: str = ""
    faults: tuple[str, ...] = Field(
        default=(), description="What is wrong with a request, each with its place."
    )


class Refusal(Exception):
    """Raised by whatever handles a request to end it with this answer."""

    def __init__(
        self, status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})

    def answer(self) -> Response:
        """The answer."""
        return problem(self.status, self.code, self.detail, headers=self.headers)


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    hint: str = "",
    faults: tuple[str, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer that says what is wrong."""
    body = Problem(
        type=f"urn:serinus:problem:{code}",
        title=status.phrase,
        status=status,
        detail=detail,
        hint=hint,
        faults=faults,
    )
    return Response(body.model_dump_json(), status, headers, MEDIA_TYPE)


def too_many(seconds: float, detail: str) -> Refusal:
    """Whoever calls has to wait."""
    headers = {"Retry-After": str(ceil(seconds))}
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", detail, headers)


def answer_to(error: Exception) -> Response:
    """The answer to an error of whatever kind; what is not ours to tell is logged."""
    match error:
        case Refusal():
            return error.answer()
        case ControlError():
            return problem(_STATUSES[error.code], error.code, error.message, hint=error.hint)
        case TransientError() | TargetError():
            log.warning("web_request_unanswered", error=str(error))
            wait = error.retry_after if isinstance(error, TransientError) else None
            seconds = ceil(wait.total_seconds()) if wait is not None else 1
            headers = {"Retry-After": str(max(seconds, 1))}
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.UNAVAILABLE, NO_ANSWER, headers=headers)
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return _by_status(error)
        case _:
            log.error("web_request_failed", error=type(error).__name__, exc_info=error)
            return broken()


def broken() -> Response:
    """The answer where a defect is in the way of another."""
    detail = "the daemon failed to answer; its log says why"
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, ErrorCode.INTERNAL, detail)


def install(app: FastAPI) -> None:
    """Have every error answered so. What is unexpected is raised on as well, for the gate to log."""

    async def handle(_request: Request, error: Exception) -> Response:
        return answer_to(error)

    for kind in (Refusal, ControlError, TransientError, TargetError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)

    async def give_up(_request: Request, _error: Exception) -> Response:
        return broken()

    app.add_exception_handler(Exception, give_up)


def _invalid(error: RequestValidationError) -> Response:
    faults = tuple(_fault(each) for each in error.errors()[:_MOST_FAULTS])
    return problem(
        HTTPStatus.BAD_REQUEST,
        ErrorCode.INVALID_REQUEST,
        f"the request is not valid at {faults[0]}" if faults else "the request is not valid",
        faults=faults,
    )


def _fault(found: Mapping[str, Any]) -> str:
    """Its place and what is wrong; never what was sent there."""
    where = ".".join(shown(str(part)) for part in found.get("loc", ())) or "its start"
    words = "is no JSON" if found.get("type") == "json_invalid" else str(found.get("msg", ""))
    said = "".join(letter if letter.isprintable() else "?" for letter in words[:_LONGEST_FAULT])
    return f"{where}: {said}"


def _by_status(error: HTTPException) -> Response:
    """What the framework refuses: unknown paths, methods, bodies that cannot be parsed."""
    status = HTTPStatus(error.status_code)
    codes = {HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND, HTTPStatus.BAD_REQUEST: ErrorCode.INVALID_REQUEST}
    code = codes.get(status) or status.name.lower()
    return problem(status, code, f"{status.phrase.lower()}: see /api/v1/openapi.json", headers=error.headers)
