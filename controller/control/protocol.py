"""What passes over the socket: one request in one line of JSON, one answer in one line, then it is closed.

Requests are hostile until parsed: unknown operations, unknown fields, wrong types and texts beyond their
length are refused. Answers come from the daemon, so a client ignores what it does not know.
"""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import from_json

from controller.control.errors import ErrorCode, InvalidRequest, Unavailable, error_of
from controller.control.interface import ENTRIES_AT_ONCE, LONGEST_NOTE
from controller.domain.model import CommandKind
from controller.policy.quantities import shown

PROTOCOL_VERSION: Literal[1] = 1
LONGEST_REQUEST_BYTES = 64 * 1024

Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
Note = Annotated[str, StringConstraints(max_length=LONGEST_NOTE, pattern=r"^[^\x00-\x1f\x7f]*$")]
EntryCount = Annotated[int, Field(ge=1, le=ENTRIES_AT_ONCE)]


class _Request(BaseModel):
    """Base of the requests. ``target`` is a model, or the id of one of its rollouts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    protocol: Literal[1] = PROTOCOL_VERSION


class DeployRequest(_Request):
    """Roll a version out. ``request_id`` makes a repeated delivery harmless."""

    op: Literal["deploy"] = "deploy"
    request_id: RequestId
    model: Name
    version: Annotated[str, StringConstraints(max_length=1024)]
    endpoints: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=1024)], ...], Field(max_length=1024)
    ]


class CommandRequest(_Request):
    """A person's word to a rollout. ``note`` is why, on one line."""

    op: Literal["command"] = "command"
    request_id: RequestId
    target: Name
    kind: CommandKind
    note: Note = ""
    asking: int | None = Field(default=None, ge=1)


class PauseAllRequest(_Request):
    """Nothing of any model starts or steps up, or, with ``paused`` false, everything goes on."""

    op: Literal["pause-all"] = "pause-all"
    paused: bool
    note: Note = ""


class FleetRequest(_Request):
    """What holds for all models."""

    op: Literal["fleet"] = "fleet"


class GetRequest(_Request):
    """The newest rollouts: of a model, or of all."""

    op: Literal["get"] = "get"
    target: Name | None = None


class StatusRequest(_Request):
    """One rollout."""

    op: Literal["status"] = "status"
    target: Name


class WhyRequest(_Request):
    """One rollout, explained."""

    op: Literal["why"] = "why"
    target: Name


class RecordRequest(_Request):
    """One rollout, explained, with its policy."""

    op: Literal["record"] = "record"
    target: Name


class HistoryRequest(_Request):
    """The last log entries; only those of consequence unless ``every`` is set."""

    op: Literal["history"] = "history"
    target: Name
    limit: EntryCount = 50
    every: bool = False


class EntriesRequest(_Request):
    """A rollout's log after an entry, for whoever follows it."""

    op: Literal["entries"] = "entries"
    rollout: Name
    after_seq: Annotated[int, Field(ge=0, le=2**53)]
    limit: EntryCount = ENTRIES_AT_ONCE


SteeringRequest = DeployRequest | CommandRequest | PauseAllRequest
ReadingRequest = (
    FleetRequest | GetRequest | StatusRequest | WhyRequest | RecordRequest | HistoryRequest | EntriesRequest
)
Request = SteeringRequest | ReadingRequest

ResultT = TypeVar("ResultT", bound=BaseModel)
RequestT = TypeVar("RequestT", bound=_Request)

_LONGEST_FAULT = 200
_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="op")])


class _Result(BaseModel, Generic[ResultT]):
    """The answer to a request that was followed."""

    protocol: Literal[1]
    result: ResultT


class ErrorView(BaseModel):
    """Why there is no result."""

    model_config = ConfigDict(frozen=True)

    code: ErrorCode
    message: str
    hint: str = ""


class ErrorAnswer(BaseModel):
    """The answer to a request that failed. Every other answer has ``result`` instead of ``error``."""

    model_config = ConfigDict(frozen=True)

    protocol: Literal[1] = PROTOCOL_VERSION
    error: ErrorView


def parse_request(line: bytes) -> Request:
    """Raises `InvalidRequest` naming the first fault, in bounded words that no terminal acts on."""
    try:
        return _REQUEST.validate_json(line)
    except ValidationError as error:
        raise _invalid(error) from None


def make_request(request_type: type[RequestT], /, **fields: object) -> RequestT:
    """A request from what a person typed. Raises `InvalidRequest`, as the daemon would."""
    try:
        return request_type.model_validate(fields)
    except ValidationError as error:
        raise _invalid(error) from None


def _invalid(error: ValidationError) -> InvalidRequest:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["loc"][-1:] == ("protocol",):
        return InvalidRequest(
            f"this daemon speaks protocol {PROTOCOL_VERSION}; use the serinus command it came with"
        )
    where = ".".join(shown(str(part)) for part in first["loc"]) or "its start"
    what = "".join(letter if letter.isprintable() else "?" for letter in first["msg"][:_LONGEST_FAULT])
    return InvalidRequest(f"the request is not valid at {where}: {what}")


def result_answer(result: BaseModel) -> bytes:
    """The answer's line, with its line feed."""
    return b'{"protocol":%d,"result":%b}\n' % (PROTOCOL_VERSION, result.model_dump_json().encode())


def error_answer(code: ErrorCode, message: str, hint: str = "") -> bytes:
    """The answer's line, with its line feed."""
    error = ErrorAnswer(error=ErrorView(code=code, message=message, hint=hint))
    return error.model_dump_json().encode() + b"\n"


def parse_answer(line: bytes, kind: type[ResultT]) -> ResultT:
    """The result. Raises the `ControlError` that was answered, or `Unavailable` for what is no answer."""
    try:
        answer = from_json(line)
        if isinstance(answer, dict) and "error" in answer:
            told = ErrorAnswer.model_validate(answer).error
            raise error_of(told.code, told.message, told.hint)
        return _Result[kind].model_validate(answer).result  # type: ignore[valid-type]
    except ValueError as error:
        raise Unavailable(
            "the daemon's answer is not understood: the daemon and this command are of different versions",
            "serinus version",
        ) from error
