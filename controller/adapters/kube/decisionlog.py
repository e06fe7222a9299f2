"""The decision log as it stands in a ModelRollout's status: few, short lines, and what falls out of it.

An entry loses its observation here, and its checks unless it is of consequence or the newest; what is kept is
what people ask for with `history` and `why`. Pure.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from pydantic import ValidationError

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.statusshape import (
    LONGEST_MESSAGE,
    LONGEST_WORD,
    MOST_CHECKS,
    MOST_ENTRIES,
    CheckShape,
    EntryRequestShape,
    EntryShape,
)
from controller.adapters.kube.untrusted import sequence
from controller.domain.judge.base import Assessment, CheckResult
from controller.domain.model import Command, CommandKind, Entry
from controller.domain.vocabulary import Phase, Reason, Verdict

LARGEST_LOG_BYTES = 48 * 1024
_HIGHEST = 2**53
_MOST_PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class Log:
    """The lines that are kept, oldest first, and those that had to go."""

    lines: list[Obj]
    fallen: list[Obj]


def appended(before: object, entry: Entry, most_bytes: int = LARGEST_LOG_BYTES) -> Log:
    """The log with one more entry, within its budget.

    ``before`` is the status's list as it was read. What was of no consequence goes first, the oldest first;
    the new entry always stays.
    """
    older = [_without_checks(line) for line in _lines(before)]
    return _within([*older, encoded(entry)], most_bytes)


def emptied(before: object) -> Log:
    """Nothing but the newest line, without its checks: for a status that is too large."""
    lines = _lines(before)
    return Log([_bare(line) for line in lines[-1:]], lines[:-1])


def encoded(entry: Entry) -> Obj:
    """One line. Every text is cut to what the status may hold."""
    shape = EntryShape(
        seq=counted(entry.seq),
        at=entry.at,
        actor=entry.actor[:128],
        event=entry.event[:LONGEST_WORD],
        phase_before=entry.phase_before.value,
        phase=entry.phase.value,
        reason=entry.reason.value,
        message=entry.message[:LONGEST_MESSAGE],
        step=0 if entry.step is None else counted(entry.step + 1),
        weight_percent=percent_of(entry.weight_permille),
        mirror_percent=percent_of(entry.mirror_permille),
        verdict=entry.assessment.verdict.value,
        checks=[check_shape(result) for result in entry.assessment.checks[:MOST_CHECKS]],
        request=_request(entry.command),
        notable=entry.notable,
    )
    return shape.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def decoded(line: object) -> Entry | None:
    """The entry without its observation; None for what is no line, or has words that this Serinus lacks."""
    try:
        shape = EntryShape.model_validate_json(json.dumps(line))
        return _entry(shape)
    except (ValidationError, ValueError, TypeError, RecursionError):
        return None


def plain_request_id(request_id: str) -> str:
    """A request's own id, without the object that it was said to (`scoped_request_id`)."""
    return request_id.rpartition("/")[2][:64]


def check_shape(result: CheckResult, sentence: str = "") -> CheckShape:
    """A check as the status holds it; numbers that JSON lacks are left out."""
    return CheckShape(
        name=result.name[:LONGEST_WORD],
        verdict=result.verdict.value,
        reason=result.reason.value,
        value=_finite(result.value),
        limit=_finite(result.limit),
        stable_value=_finite(result.stable_value),
        requests=counted(result.requests),
        stable_requests=counted(result.stable_requests),
        failures=counted(result.failures),
        budget=counted(result.budget),
        report_only=result.report_only,
        text=sentence[:LONGEST_MESSAGE],
    )


def counted(count: int) -> int:
    """A count that every JSON reader takes."""
    return min(max(count, 0), _HIGHEST)


def percent_of(permille: int) -> float:
    """A weight in percent, from 0 to 100."""
    return min(max(permille / 10, 0.0), _MOST_PERCENT)


def _request(command: Command | None) -> EntryRequestShape | None:
    if command is None:
        return None
    return EntryRequestShape(id=plain_request_id(command.request_id), action=command.kind.value)


def _entry(shape: EntryShape) -> Entry:
    said = shape.request
    return Entry(
        seq=shape.seq,
        at=shape.at,
        actor=shape.actor,
        event=shape.event,
        phase_before=Phase(shape.phase_before),
        phase=Phase(shape.phase),
        reason=Reason(shape.reason),
        message=shape.message,
        step=shape.step - 1 if shape.step else None,
        weight_permille=round(shape.weight_percent * 10),
        assessment=Assessment(Verdict(shape.verdict), tuple(_result(check) for check in shape.checks)),
        command=Command(CommandKind(said.action), said.id, shape.actor, shape.at) if said else None,
        notable=shape.notable,
        mirror_permille=round(shape.mirror_percent * 10),
    )


def _result(shape: CheckShape) -> CheckResult:
    return CheckResult(
        name=shape.name,
        verdict=Verdict(shape.verdict),
        reason=Reason(shape.reason),
        value=shape.value,
        limit=shape.limit,
        stable_value=shape.stable_value,
        requests=shape.requests,
        stable_requests=shape.stable_requests,
        failures=shape.failures,
        budget=shape.budget,
        report_only=shape.report_only,
    )


def _without_checks(line: Obj) -> Obj:
    """A line that is no longer the newest."""
    return line if line.get("notable") is True else _bare(line)


def _bare(line: Obj) -> Obj:
    return {key: value for key, value in line.items() if key != "checks"}


def _lines(log: object) -> list[Obj]:
    return [line for line in sequence(log) if isinstance(line, dict)]


def _within(lines: list[Obj], most_bytes: int) -> Log:
    sizes = [len(json.dumps(line)) for line in lines]
    left, size = len(lines), sum(sizes)
    gone: set[int] = set()
    for place in _expendable(lines):
        if left <= MOST_ENTRIES and size <= most_bytes:
            break
        gone.add(place)
        left, size = left - 1, size - sizes[place]
    kept = [line for place, line in enumerate(lines) if place not in gone]
    return Log(kept, [line for place, line in enumerate(lines) if place in gone])


def _expendable(lines: Sequence[Obj]) -> list[int]:
    """Places of all lines but the newest, in the order in which they may go."""
    older = range(len(lines) - 1)
    return sorted(older, key=lambda place: (lines[place].get("notable") is True, place))


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
