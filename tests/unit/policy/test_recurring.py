"""Times that come again, by the clocks of places where clocks are set forward and back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.domain.fleet.rules import Recurrence
from controller.policy.recurring import RecurrenceSection, begins_next, lasts_until

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Recurrence("0 22 * * *", timedelta(hours=8), "Europe/Berlin")
SKIPPED = Recurrence("30 2 * * *", timedelta(hours=1), "Europe/Berlin")
WEEKEND = Recurrence("0 18 * * fri", timedelta(hours=62), "Europe/Berlin")


def berlin(*when: int, fold: int = 0) -> datetime:
    return datetime(*when, tzinfo=BERLIN, fold=fold)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("recurrence", "now", "until"),
    [
        (NIGHT, berlin(2026, 12, 1, 21, 59, 59), None),
        (NIGHT, berlin(2026, 12, 1, 22, 0), berlin(2026, 12, 2, 6, 0)),
        (NIGHT, berlin(2026, 12, 2, 5, 59, 59), berlin(2026, 12, 2, 6, 0)),
        (NIGHT, berlin(2026, 12, 2, 6, 0), None),
        # eight hours that pass: clocks go forward, and show an hour more at the end
        (NIGHT, berlin(2027, 3, 28, 6, 59), berlin(2027, 3, 28, 7, 0)),
        (NIGHT, berlin(2027, 3, 28, 7, 0), None),
        # and back, and show an hour less
        (NIGHT, berlin(2026, 10, 25, 4, 59), berlin(2026, 10, 25, 5, 0)),
        (NIGHT, berlin(2026, 10, 25, 5, 0), None),
        # 02:30 is left out: it begins when clocks show 03:00
        (SKIPPED, berlin(2027, 3, 28, 1, 59), None),
        (SKIPPED, berlin(2027, 3, 28, 3, 0), berlin(2027, 3, 28, 4, 0)),
        (SKIPPED, berlin(2027, 3, 28, 4, 0), None),
        # 02:30 comes twice: it begins the first time only
        (SKIPPED, berlin(2026, 10, 25, 2, 29), None),
        (SKIPPED, berlin(2026, 10, 25, 2, 30), berlin(2026, 10, 25, 2, 30, fold=1)),
        (SKIPPED, berlin(2026, 10, 25, 2, 15, fold=1), berlin(2026, 10, 25, 2, 30, fold=1)),
        (SKIPPED, berlin(2026, 10, 25, 2, 30, fold=1), None),
        (WEEKEND, berlin(2026, 11, 29, 12, 0), berlin(2026, 11, 30, 8, 0)),
        (WEEKEND, berlin(2026, 11, 30, 8, 0), None),
    ],
)
def test_it_lasts_as_long_as_it_says(recurrence: Recurrence, now: datetime, until: datetime | None) -> None:
    found = lasts_until(recurrence, now)
    assert (found and found.astimezone(UTC)) == (until and until.astimezone(UTC))
    assert found is None or str(found.tzinfo) == "Europe/Berlin"


def test_what_begins_before_the_end_of_the_one_before_goes_on() -> None:
    shifts = Recurrence("0 */6 * * *", timedelta(hours=6))
    now = datetime(2026, 12, 1, 1, tzinfo=UTC)
    ends = lasts_until(shifts, now)
    assert ends is not None
    assert ends > now + timedelta(days=30)


def test_the_next_is_told_in_its_own_time_zone() -> None:
    found = begins_next(WEEKEND, datetime(2026, 11, 30, 12, tzinfo=UTC))
    assert found is not None
    assert found.isoformat() == "2026-12-04T18:00:00+01:00"


@given(
    recurrence=st.builds(
        Recurrence,
        st.sampled_from(["0 22 * * *", "30 2 * * *", "*/40 * * * *", "0 9 * * 1-5", "15 1,2,3 * * sun"]),
        st.integers(1, 60).map(lambda quarter: timedelta(minutes=15 * quarter)),
        st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    ),
    minute=st.integers(0, 366 * 24 * 60),
)
def test_now_is_in_it_exactly_if_one_has_begun_and_not_ended(recurrence: Recurrence, minute: int) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minute)
    begun = begins_next(recurrence, now - recurrence.duration)
    inside = begun is not None and begun.astimezone(UTC) <= now
    until = lasts_until(recurrence, now)
    assert (until is not None) is inside
    if until is not None:
        assert now < until.astimezone(UTC)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schedule": "0 25 * * *"}, "is not a cron schedule: bad hour"),
        ({"schedule": "0 0 31 2 *"}, "is not a cron schedule: bad day-of-month"),
        ({"schedule": "every day"}, "is not a cron schedule: wrong number of fields"),
        ({"schedule": "0 " * 60}, "is not a cron schedule"),
        ({"schedule": 9}, "is not a cron schedule"),
        ({"time_zone": "Europe/Berlim"}, "is not a time zone"),
        ({"time_zone": "../../etc/passwd"}, "is not a time zone"),
        ({"time_zone": "/etc/localtime"}, "is not a time zone"),
        ({"time_zone": 1}, "is not a time zone"),
        ({"duration": "0s"}, "is shorter than 1s"),
        ({"duration": 8}, "has no unit"),
    ],
)
def test_what_cannot_be_read_is_said_and_a_suggestion_made(changes: dict[str, object], words: str) -> None:
    written = {"schedule": "0 22 * * *", "duration": "8h", "time_zone": "UTC", **changes}
    with pytest.raises(ValidationError) as refused:
        RecurrenceSection.model_validate(written)
    [error] = refused.value.errors()
    assert words in error["msg"]
    assert error["ctx"]["suggestion"]


def test_a_misspelt_time_zone_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(ValidationError) as refused:
        RecurrenceSection.model_validate(
            {"schedule": "0 22 * * *", "duration": "8h", "time_zone": "Europe/Berlim"}
        )
    assert refused.value.errors()[0]["ctx"]["suggestion"] == "did you mean Europe/Berlin?"
