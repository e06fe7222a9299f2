"""Golden requests: what is asked of a canary before any traffic, and whether an answer will do.

Pure: sending is the validator's work. An answer comes from an unproven model and is hostile until compared:
it is never trusted to be JSON, shallow or short, and people see a bounded, printable part of it.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from jsonschema import Draft202012Validator

_PATH_PART = re.compile(r"\[([0-9]{1,6})\]|\.?([^.\[\]]+)")
_LONGEST_EXCERPT = 200
_LONGEST_SENTENCE = 200
_LONGEST_INTEGER = 300
Numbers = float | tuple["Numbers", ...]
"""A number, or lists of them in the shape that the answer must have."""


class Protocol(StrEnum):
    """What the bodies of requests and answers are."""

    OIP_V2 = "oip-v2"
    OPENAI_CHAT = "openai-chat"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ExpectedNumbers:
    """Numbers at a place of the answer. ``tolerance`` is a share of each number when ``relative``."""

    at: str
    equals: Numbers
    tolerance: float = 0.0
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a right answer is like. ``schema`` is JSON Schema without references and patterns."""

    status: int = 200
    schema: Mapping[str, Any] | None = None
    numbers: ExpectedNumbers | None = None
    contains: tuple[str, ...] = ()
    not_contains: tuple[str, ...] = ()
    max_latency: timedelta | None = None


@dataclass(frozen=True, slots=True)
class GoldenRequest:
    """One request, sent with POST. ``body`` is JSON text as UTF-8."""

    name: str
    protocol: Protocol
    body: bytes
    headers: tuple[tuple[str, str], ...]
    expect: Expectation


@dataclass(frozen=True, slots=True)
class GoldenFile:
    """The requests of one file, where they go, and how long each may take."""

    path: str
    timeout: timedelta
    requests: tuple[GoldenRequest, ...]


def parse_place(at: str) -> tuple[str | int, ...]:
    """The keys and indices of ``outputs[0].data``. Raises `ValueError` when the text is no such place."""
    parts: list[str | int] = []
    position = 0
    while position < len(at):
        match = _PATH_PART.match(at, position)
        if match is None or (position == 0 and at[0] == "."):
            raise ValueError(f"{at!r} is not a place in an answer")
        parts.append(int(match[1]) if match[1] else match[2])
        position = match.end()
    if not parts or at.endswith("."):
        raise ValueError(f"{at!r} is not a place in an answer")
    return tuple(parts)


def check_answer(request: GoldenRequest, status: int, body: bytes, latency: timedelta) -> str | None:
    """The first way in which an answer falls short, with a part of the answer; None if it will do."""
    try:
        fault = _first_fault(request, status, body, latency)
    except RecursionError:
        fault = "the answer is nested too deep"
    return (
        None if fault is None else f"{_bounded(fault, _LONGEST_SENTENCE)}; the answer was: {_excerpt(body)}"
    )


def _first_fault(request: GoldenRequest, status: int, body: bytes, latency: timedelta) -> str | None:
    expect = request.expect
    if status != expect.status:
        return f"status {status}, expected {expect.status}"
    if expect.max_latency is not None and latency > expect.max_latency:
        return f"answered in {_milliseconds(latency)} ms, allowed are {_milliseconds(expect.max_latency)} ms"
    try:
        answer, is_json = (
            json.loads(body, parse_constant=_no_constant, parse_int=_integer, parse_float=_decimal),
            True,
        )
    except ValueError:
        answer, is_json = None, False
    if not is_json and (expect.schema is not None or expect.numbers is not None or _is_chat(request)):
        return "the answer is not JSON"
    fault = _schema_fault(expect, answer) or _numbers_fault(expect, answer)
    return fault or _text_fault(request, body, answer)


def _schema_fault(expect: Expectation, answer: Any) -> str | None:
    if expect.schema is None:
        return None
    error = next(iter(Draft202012Validator(expect.schema).iter_errors(answer)), None)
    if error is None:
        return None
    place = error.json_path.removeprefix("$").removeprefix(".") or "the answer"
    # jsonschema's own message quotes the whole value: keep the rule, which is the policy's own text.
    return f"{place} breaks the schema's {error.validator}: {json.dumps(error.validator_value)}"


def _numbers_fault(expect: Expectation, answer: Any) -> str | None:
    numbers = expect.numbers
    if numbers is None:
        return None
    found = answer
    for part in parse_place(numbers.at):
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return f"the answer has no {numbers.at}"
    return next(_differences(numbers, numbers.equals, found, numbers.at), None)


def _differences(numbers: ExpectedNumbers, expected: Numbers, found: Any, place: str) -> Iterator[str]:
    if isinstance(expected, tuple):
        if not isinstance(found, list):
            yield f"{place} is {_shown(found)}, expected a list of {len(expected)}"
        elif len(found) != len(expected):
            yield f"{place} has {len(found)} entries, expected {len(expected)}"
        else:
            for index, (want, got) in enumerate(zip(expected, found, strict=True)):
                yield from _differences(numbers, want, got, f"{place}[{index}]")
        return
    allowed = numbers.tolerance * abs(expected) if numbers.relative else numbers.tolerance
    if not _is_number(found):
        yield f"{place} is {_shown(found)}, expected {expected:g}"
    elif not abs(float(found) - expected) <= allowed:
        yield f"{place} is {float(found):.9g}, expected {expected:.9g} ± {allowed:.3g}"


def _text_fault(request: GoldenRequest, body: bytes, answer: Any) -> str | None:
    expect = request.expect
    if not expect.contains and not expect.not_contains:
        return None
    if _is_chat(request):
        content = _chat_content(answer)
        if content is None:
            return "the answer has no text at choices[0].message.content"
        texts = [content]
    else:
        # JSON may escape what a policy writes plainly, so look into its strings as well.
        texts = [body.decode("utf-8", "replace"), *_strings(answer)]
    for wanted in expect.contains:
        if not any(wanted in text for text in texts):
            return f"the answer does not contain {wanted!r}"
    for unwanted in expect.not_contains:
        if any(unwanted in text for text in texts):
            return f"the answer contains {unwanted!r}"
    return None


def _is_chat(request: GoldenRequest) -> bool:
    return request.protocol is Protocol.OPENAI_CHAT and request.expect.status == 200  # noqa: PLR2004 - OK


def _chat_content(answer: Any) -> str | None:
    try:
        content = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return None
    return content if isinstance(content, str) else None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise ValueError("an integer of this size cannot be compared with a float")
    return int(text)


def _decimal(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number of this size cannot be compared")
    return number


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return "missing" if value is None else _bounded(json.dumps(value), 40)


def _milliseconds(duration: timedelta) -> str:
    return f"{duration / timedelta(milliseconds=1):.0f}"


def _bounded(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _excerpt(body: bytes) -> str:
    text = body[: 4 * _LONGEST_EXCERPT + 4].decode("utf-8", "replace")
    line = "".join(character if character.isprintable() else " " for character in text)
    return _bounded(" ".join(line.split()), _LONGEST_EXCERPT) or "empty"
