"""The log in an object: what stays, what goes first, and what can be read back."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.adapters.kube.decisionlog import appended, decoded, emptied, encoded
from controller.adapters.kube.statusshape import MOST_ENTRIES, EntryShape
from controller.domain.judge.base import Assessment, CheckResult
from controller.domain.model import Command, CommandKind, Entry
from controller.domain.observation import Observation, Tick
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.property.test_codec import anything

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
CHECK = CheckResult("errors", Verdict.FAIL, Reason.ABOVE_LIMIT, 0.021, 0.01, 0.002, 1234, 9876, 2, 3)


def an_entry(seq: int = 1, *, notable: bool = False, message: str = "5 % to v2", **changes: Any) -> Entry:
    entry = Entry(
        seq=seq,
        at=NOW + timedelta(seconds=seq),
        actor="serinus",
        event="step_advanced",
        phase_before=Phase.PREPARING,
        phase=Phase.PROGRESSING,
        reason=Reason.STEP_RUNNING,
        message=message,
        step=0,
        weight_permille=1,
        assessment=Assessment(Verdict.FAIL, (CHECK,)),
        notable=notable,
    )
    return replace(entry, **changes)


def log_of(*entries: Entry) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for entry in entries:
        lines = appended(lines, entry).lines
    return lines


def numbers(lines: list[dict[str, Any]]) -> list[int]:
    return [line["seq"] for line in lines]


def test_an_entry_is_read_back_but_for_what_was_observed() -> None:
    command = Command(CommandKind.PAUSE, "request-1", "serinus", NOW + timedelta(seconds=1))
    entry = an_entry(command=command, observation=Observation(NOW, Tick("c", 1.0)))
    assert decoded(encoded(entry)) == replace(entry, observation=None)


def test_a_line_is_short() -> None:
    plain = an_entry(assessment=Assessment(Verdict.PASS))
    assert len(json.dumps(encoded(plain))) < 300


def test_a_request_is_kept_without_the_object_that_it_was_said_to() -> None:
    entry = an_entry(command=Command(CommandKind.ABORT, "ml/fraud-v7/request-1", "ann", NOW))
    assert encoded(entry)["request"] == {"id": "request-1", "action": "abort"}


def test_only_the_newest_and_the_notable_keep_their_checks() -> None:
    lines = log_of(an_entry(1, notable=True), an_entry(2), an_entry(3))
    assert ["checks" in line for line in lines] == [True, False, True]


def test_what_is_of_no_consequence_goes_first_and_the_oldest_first() -> None:
    entries = [an_entry(seq, notable=seq % 10 == 1) for seq in range(1, 106)]
    lines = log_of(*entries[:-1])
    log = appended(lines, entries[-1])
    assert len(log.lines) == MOST_ENTRIES
    assert numbers(log.fallen) == [6]
    assert numbers(log.lines)[:3] == [1, 7, 8]
    assert numbers(log.lines)[-1] == 105


def test_notable_ones_go_when_nothing_else_is_left() -> None:
    lines = log_of(*(an_entry(seq, notable=True) for seq in range(1, MOST_ENTRIES + 1)))
    log = appended(lines, an_entry(MOST_ENTRIES + 1))
    assert numbers(log.fallen) == [1]
    assert numbers(log.lines)[-1] == MOST_ENTRIES + 1


def test_the_budget_is_kept_in_bytes_too() -> None:
    lines = log_of(*(an_entry(seq, message="x" * 900) for seq in range(1, 9)))
    log = appended(lines, an_entry(9), most_bytes=3000)
    assert sum(len(json.dumps(line)) for line in log.lines) <= 3000
    assert numbers(log.lines)[-1] == 9
    assert numbers(log.fallen) + numbers(log.lines) == list(range(1, 10))


def test_the_newest_stays_even_when_it_alone_is_too_large() -> None:
    log = appended(log_of(an_entry(1)), an_entry(2), most_bytes=10)
    assert (numbers(log.lines), numbers(log.fallen)) == ([2], [1])


def test_an_emptied_log_keeps_the_newest_without_its_checks() -> None:
    log = emptied(log_of(an_entry(1), an_entry(2)))
    assert numbers(log.fallen) == [1]
    assert "checks" not in log.lines[0]


@pytest.mark.parametrize("before", [None, "log", [None, 3, "x"], {}])
def test_what_is_no_log_counts_as_an_empty_one(before: object) -> None:
    assert numbers(appended(before, an_entry(1)).lines) == [1]


@pytest.mark.parametrize(
    "line",
    [
        None,
        [],
        {},
        "x",
        {"seq": -1},
        {**encoded(an_entry()), "phase": "Dreaming"},
        {**encoded(an_entry()), "reason": "BecauseISaySo"},
        {**encoded(an_entry()), "at": "yesterday"},
        {**encoded(an_entry()), "checks": [{"name": "errors"}]},
        {**encoded(an_entry()), "request": {"id": "a", "action": "dance"}},
        {**encoded(an_entry()), "weightPercent": float("nan")},
    ],
)
def test_a_line_that_cannot_be_read_is_none(line: object) -> None:
    assert decoded(line) is None


def test_keys_of_a_newer_serinus_are_ignored() -> None:
    assert decoded({**encoded(an_entry()), "mood": "hopeful"}) == an_entry()


@settings(max_examples=200, deadline=None)
@given(anything(Entry))
def test_whatever_an_entry_holds_it_is_written_in_json_and_read_back(entry: Entry) -> None:
    line = json.loads(json.dumps(encoded(entry), allow_nan=False))
    EntryShape.model_validate_json(json.dumps(line))
    back = decoded(line)
    assert back is not None
    assert (back.phase, back.reason, back.at) == (entry.phase, entry.reason, entry.at)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=150), st.integers(300, 20_000))
def test_nothing_is_lost_between_the_log_and_what_falls_out(
    made: list[tuple[bool, int]], most_bytes: int
) -> None:
    lines: list[dict[str, Any]] = []
    fallen: list[int] = []
    for seq, (notable, length) in enumerate(made, start=1):
        log = appended(lines, an_entry(seq, notable=notable, message="x" * length), most_bytes)
        lines = log.lines
        fallen += numbers(log.fallen)
        assert numbers(lines) == sorted(numbers(lines))
        assert numbers(lines)[-1] == seq
        assert len(lines) == 1 or sum(len(json.dumps(line)) for line in lines) <= most_bytes
    assert sorted(fallen + numbers(lines)) == list(range(1, len(made) + 1))
