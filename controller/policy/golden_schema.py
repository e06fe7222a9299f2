"""The golden file: its fields and their rules."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic import ValidatorFunctionWrapHandler as Handler
from pydantic_core import PydanticCustomError

from controller.policy.answer_schema import schema_faults
from controller.policy.fields import (
    KEY_COMPLAINT,
    Found,
    Latency,
    Section,
    complaint,
    complaints,
    parsed_by,
    together,
    written,
)
from controller.policy.golden import (
    Expectation,
    ExpectedNumbers,
    Numbers,
    Protocol,
    parse_place,
)
from controller.policy.quantities import QuantityError, parse_percent, shown

_MOST_REQUESTS = 500
_MOST_BODY_BYTES = 64 * 1024
_PATH = re.compile(r"/[A-Za-z0-9._~/:-]{0,511}")
_BODY_KEYS = {Protocol.OIP_V2: "inputs", Protocol.OPENAI_CHAT: "messages"}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,1024}")
_SENDER_HEADERS = frozenset(
    {"host", "content-length", "content-type", "connection", "transfer-encoding", "te", "upgrade"}
)
_MOST_TEXTS = 20
Text = Annotated[str, Field(min_length=1, max_length=1000)]
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"})


def _numbers(value: object) -> Numbers:
    if isinstance(value, list) and value:
        return tuple(_numbers(item) for item in value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise QuantityError(
        f"{shown(value)} is not a number or a list of numbers", "write numbers without quotes"
    )


def _tolerance(value: object) -> float:
    if isinstance(value, str) and value.endswith("%"):
        raise QuantityError(
            f"{shown(value)} is a share, but tolerance is absolute", f"write relative: {value}"
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise QuantityError(f"{shown(value)} is not a difference", "write a number from 0, such as 0.01")
    return float(value)


def _relative(value: object) -> float:
    return float(parse_percent(value) / 100)


def _place(value: object) -> str:
    try:
        if isinstance(value, str) and parse_place(value):
            return value
    except ValueError:
        pass
    raise QuantityError(f"{shown(value)} is not a place in an answer", "write it like outputs[0].data")


def _schema(value: dict[str, Any]) -> dict[str, Any]:
    if found := schema_faults(value):
        raise complaints(found)
    return value


def _path(value: object) -> str:
    if isinstance(value, str) and _PATH.fullmatch(value) and ".." not in value.split("/"):
        return value
    raise QuantityError(
        f"{shown(value)} is not a path", "write it like /v1/chat/completions, without host and query"
    )


def _body(value: Any) -> Any:
    size = len(encoded(value))
    if size > _MOST_BODY_BYTES:
        raise complaint(f"the body has {size} bytes; the limit is {_MOST_BODY_BYTES}", "send a smaller one")
    return value


def _headers(headers: dict[str, str]) -> dict[str, str]:
    found: list[Found] = [
        ((name,), trouble) for name, value in headers.items() if (trouble := _header_trouble(name, value))
    ]
    if len(headers) > _MOST_TEXTS:
        found.append(((), complaint(f"{len(headers)} headers are more than {_MOST_TEXTS}", "remove some")))
    if found:
        raise complaints(found)
    return headers


def _header_trouble(name: str, value: str) -> PydanticCustomError | None:
    if name.lower() in _SECRET_HEADERS:
        return complaint(
            f"{shown(name)} carries a secret, and policies are no place for secrets",
            "remove it",
            KEY_COMPLAINT,
        )
    if name.lower() in _SENDER_HEADERS:
        return complaint(f"{shown(name)} is set by Serinus", "remove it", KEY_COMPLAINT)
    if not _HEADER_NAME.fullmatch(name):
        return complaint(f"{shown(name)} is not a header's name", "use letters, digits and -", KEY_COMPLAINT)
    if not _HEADER_VALUE.fullmatch(value):
        return complaint("the header's value is not printable ASCII of at most 1024 characters", "shorten it")
    return None


class NumbersSection(Section):
    """Numbers that the answer must have."""

    at: Annotated[str, parsed_by(_place)]
    equals: Annotated[Any, parsed_by(_numbers)]
    tolerance: Annotated[float, parsed_by(_tolerance)] | None = None
    relative: Annotated[float, parsed_by(_relative)] | None = None

    @field_validator("relative")
    @classmethod
    def _one_of_the_two(cls, relative: float | None, info: ValidationInfo) -> float | None:
        if relative is not None and info.data.get("tolerance") is not None:
            raise complaint("tolerance and relative are both given", "keep one of the two")
        return relative

    def to_expected(self) -> ExpectedNumbers:
        """The same for `check_answer`."""
        share = self.relative is not None
        return ExpectedNumbers(
            self.at, self.equals, (self.relative if share else self.tolerance) or 0.0, relative=share
        )


class ExpectSection(Section):
    """What a right answer is like."""

    status: int = Field(default=200, ge=100, le=599)
    answer_schema: Annotated[dict[str, Any], AfterValidator(_schema)] | None = Field(
        default=None, alias="schema"
    )
    numbers: NumbersSection | None = None
    contains: list[Text] = Field(default=[], max_length=_MOST_TEXTS)
    not_contains: list[Text] = Field(default=[], max_length=_MOST_TEXTS)
    max_latency: Latency | None = None

    def to_expectation(self) -> Expectation:
        """The same for `check_answer`."""
        return Expectation(
            status=self.status,
            schema=self.answer_schema,
            numbers=self.numbers.to_expected() if self.numbers else None,
            contains=tuple(self.contains),
            not_contains=tuple(self.not_contains),
            max_latency=self.max_latency,
        )


class RequestSection(Section):
    """One request."""

    name: str = Field(min_length=1, max_length=100)
    body: Annotated[Any, AfterValidator(_body)]
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default={})
    expect: ExpectSection = Field(default_factory=ExpectSection)


class GoldenSection(Section):
    """A golden file. ``path`` has a default where the protocol has one."""

    protocol: Literal["oip-v2", "openai-chat", "json"]
    path: Annotated[str, parsed_by(_path)] | None = None
    timeout: Latency = Field(default=written("10s"))
    requests: list[RequestSection] = Field(min_length=1, max_length=_MOST_REQUESTS)

    @field_validator("path")
    @classmethod
    def _usual_path(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is None and info.data.get("protocol") == Protocol.JSON:
            raise complaint(
                "protocol json has no usual path", "add path: /predict, or whatever the model answers on"
            )
        return path

    @field_validator("requests", mode="wrap")
    @classmethod
    def _fit_protocol(cls, requests: object, handler: Handler, info: ValidationInfo) -> Any:
        return together(requests, handler, list(_misfits(info.data.get("protocol"), requests)))


def encoded(body: Any) -> bytes:
    """A body as it is sent: compact JSON, UTF-8."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _misfits(protocol: str | None, requests: object) -> Iterator[Found]:
    """What is wrong between requests, and with bodies of the protocol."""
    names: dict[str, int] = {}
    for index, request in enumerate(requests if isinstance(requests, list) else []):
        if not isinstance(request, dict):
            continue
        name = request.get("name")
        if isinstance(name, str) and names.setdefault(name, index) != index:
            sentence = f"{shown(name)} is also the name of requests[{names[name]}]"
            yield (index, "name"), complaint(sentence, "failures are reported by name: make each its own")
        if protocol and "body" in request:
            yield from _body_misfits(Protocol(protocol), request["body"], (index, "body"))


def _body_misfits(protocol: Protocol, body: object, place: tuple[str | int, ...]) -> Iterator[Found]:
    wanted = _BODY_KEYS.get(protocol)
    if wanted and not (isinstance(body, dict) and body.get(wanted)):
        yield place, complaint(f"a body of {protocol} needs {wanted}", f"add {wanted}: [...]")
    elif protocol is Protocol.OPENAI_CHAT and isinstance(body, dict) and body.get("stream"):
        sentence = "a streamed answer cannot be compared"
        yield (*place, "stream"), complaint(sentence, "remove stream: true")
