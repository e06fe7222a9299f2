"""Records survive their stored form unchanged, whatever they hold."""

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.adapters.store.codec import decode_entry, decode_rollout, encode_entry, encode_rollout
from controller.domain.judge.base import Assessment
from controller.domain.judge.counts import Block, CheckCounts, GaugeSample, Tally
from controller.domain.model import Entry, Rollout
from controller.domain.observation import NoReading, Observation, Reading, Tick
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.errors import StoreUnavailable
from tests.store_records import rollout

SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    # Lone surrogates are refused by the codec; everything else that a str can hold must survive.
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    int: st.integers(),
    float: st.floats(),
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(fold=0)),
    timedelta: st.timedeltas(),
    type(None): st.none(),
}


@cache
def anything(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type as the records use types, with every field of a dataclass drawn, defaults included."""
    if kind in SCALARS:
        return SCALARS[kind]
    if get_origin(kind) is UnionType:
        return st.one_of([anything(member) for member in get_args(kind)])
    if get_origin(kind) is tuple:
        members = get_args(kind)
        if members[-1] is not Ellipsis:
            return st.tuples(*map(anything, members))
        return st.lists(anything(members[0]), max_size=2).map(tuple)
    if issubclass(kind, Enum):
        return st.sampled_from(kind)
    return st.builds(kind, **{name: anything(hint) for name, hint in get_type_hints(kind).items()})


def same(left: Any, right: Any) -> bool:
    """Equality that takes NaN for equal to itself, 0.0 for different from -0.0, and 1 from 1.0 and True."""
    if is_dataclass(left):
        return type(left) is type(right) and all(
            same(getattr(left, field.name), getattr(right, field.name)) for field in fields(left)
        )
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, float):
        return isinstance(right, float) and repr(left) == repr(right)
    return type(left) is type(right) and bool(left == right)


often = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@often
@given(anything(Rollout))
def test_a_rollout_survives_its_stored_form(rollout: Rollout) -> None:
    assert same(decode_rollout(encode_rollout(rollout)), rollout)


@often
@given(anything(Entry))
def test_an_entry_survives_its_stored_form(entry: Entry) -> None:
    assert same(decode_entry(encode_entry(entry)), entry)


@often
@given(anything(Entry))
def test_the_stored_form_is_json_that_any_reader_takes(entry: Entry) -> None:
    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    assert json.loads(encode_entry(entry), parse_constant=refuse)["schema_version"] == 1


@pytest.mark.parametrize(
    ("part", "added"),
    [("clocks", "incident"), ("evidence", "warnings"), ("evidence", "probed"), ("policy", "probe")],
)
def test_a_record_from_before_a_field_was_added_has_its_default(part: str, added: str) -> None:
    written = rollout("fraud-1")
    stored = json.loads(encode_rollout(written))
    del stored["record"][part][added]
    assert decode_rollout(json.dumps(stored).encode()) == written


@pytest.mark.parametrize("added", [("asking",), ("policy", "approval"), ("policy", "steps", 0, "approval")])
def test_a_record_from_before_approvals_asks_nobody(added: tuple[str | int, ...]) -> None:
    written = rollout("fraud-1")
    stored = json.loads(encode_rollout(written))
    part = stored["record"]
    for key in added[:-1]:
        part = part[key]
    del part[added[-1]]
    assert decode_rollout(json.dumps(stored).encode()) == written


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 0.1])
def test_no_number_is_lost_inside_a_reading(number: float) -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    tally = Tally(1, 0, (number,), (1, 0))
    block = Block(at, at, 1, 1, (CheckCounts("p99", tally, tally),))
    reading = Reading(at, (block,), (GaugeSample("load", number, None),))
    entry = Entry(
        seq=1,
        at=at,
        actor="serinus",
        event="checked",
        phase_before=Phase.PROGRESSING,
        phase=Phase.PROGRESSING,
        reason=Reason.STEP_RUNNING,
        message="",
        step=0,
        weight_permille=10,
        assessment=Assessment(Verdict.PASS),
        observation=Observation(at, Tick("c", number), reading=reading),
    )
    assert same(decode_entry(encode_entry(entry)), entry)


@often
@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps({"schema_version": 1, "record": value}).encode()
    )
)
def test_what_is_no_record_is_a_clear_error_and_never_another_one(stored: bytes) -> None:
    with pytest.raises(StoreUnavailable, match=r"cannot be read at|has schema"):
        decode_rollout(stored)


def test_a_reading_and_the_lack_of_one_share_no_required_field() -> None:
    """So that one can never be decoded as the other."""
    needed = [{f.name for f in fields(kind)} for kind in (Reading, NoReading)]
    assert not needed[0] & needed[1]
