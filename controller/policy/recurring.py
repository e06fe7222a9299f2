"""Times that come again: a cron schedule in a time zone, and how long each of them lasts.

The schedule is read as Debian's cron reads it, also where clocks are set forward or back: what falls into the
hour that is left out begins at its end, what falls into the hour that comes twice begins once. A duration is
time that passes, so a freeze of eight hours in such a night ends an hour of the clock earlier or later.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import Field, WithJsonSchema

from controller.domain.fleet.rules import Recurrence
from controller.policy.fields import Duration, Kind, Section, parsed_by
from controller.policy.quantities import QuantityError, shown

_LONGEST_SCHEDULE = 100
_LONGEST_CHAIN = 1000
"""Times that begin before the one before has ended, followed to say when the last of them ends."""
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def _schedule(value: object) -> str:
    if not isinstance(value, str) or not value.isascii() or len(value) > _LONGEST_SCHEDULE:
        raise QuantityError(f"{shown(value)} is not a cron schedule", 'write one such as "0 18 * * fri"')
    try:
        CronSim(value, _ANY_DAY)
    except CronSimError as error:
        raise QuantityError(
            f"{shown(value)} is not a cron schedule: {str(error)[:1].lower()}{str(error)[1:]}",
            'write minute, hour, day of month, month and day of week, such as "0 18 * * fri"',
        ) from error
    return value


def _time_zone(value: object) -> str:
    if isinstance(value, str):
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise QuantityError(f"{shown(value)} is not a time zone", _meant(value))


def _meant(value: object) -> str:
    from zoneinfo import available_timezones  # noqa: PLC0415 - reads hundreds of files: only for a fault

    close = get_close_matches(str(value)[:_LONGEST_SCHEDULE], sorted(available_timezones()), n=1)
    return f"did you mean {close[0]}?" if close else "write one such as Europe/Berlin or UTC"


Schedule = Annotated[
    str,
    Kind("a cron schedule such as 0 18 * * fri"),
    parsed_by(_schedule),
    WithJsonSchema({"type": "string", "examples": ["0 18 * * fri"]}),
]
TimeZone = Annotated[
    str,
    Kind("a time zone such as Europe/Berlin"),
    parsed_by(_time_zone),
    WithJsonSchema({"type": "string", "examples": ["Europe/Berlin"]}),
]


class RecurrenceSection(Section):
    """Times that come again."""

    schedule: Schedule = Field(
        description="When it begins: minute, hour, day of month, month, day of week.",
        examples=["0 18 * * fri"],
    )
    duration: Duration = Field(
        description="How long it lasts, in time that passes.",
        examples=["62h"],
    )
    time_zone: TimeZone = Field(
        default="UTC", description="Whose clock the schedule means.", examples=["Europe/Berlin"]
    )
    name: str = Field(
        default="", max_length=63, description="What people call it; messages say it.", examples=["weekend"]
    )

    def to_recurrence(self) -> Recurrence:
        """In the words of the domain."""
        return Recurrence(self.schedule, self.duration, self.time_zone, self.name)


def lasts_until(recurrence: Recurrence, now: datetime) -> datetime | None:
    """The end of the time that ``now`` lies in, in its time zone; None when it lies in none.

    What begins before the one before has ended makes it longer.
    """
    instant = now.astimezone(UTC)  # within one zone Python compares what clocks show, not instants
    end = _end(recurrence, instant.replace(second=0, microsecond=0))
    return end.astimezone(ZoneInfo(recurrence.time_zone)) if end is not None and instant < end else None


def begins_next(recurrence: Recurrence, now: datetime) -> datetime | None:
    """The next beginning after ``now``, in its time zone; None when there is none in the calendar's reach."""
    return next(_beginnings(recurrence, now), None)


@lru_cache(maxsize=4096)
def _end(recurrence: Recurrence, minute: datetime) -> datetime | None:
    """The end of what had begun by ``minute``, and of what goes on from it; in UTC."""
    starts = _beginnings(recurrence, minute - recurrence.duration)
    first = next(starts, None)
    if first is None or first.astimezone(UTC) > minute:
        return None
    end = first.astimezone(UTC) + recurrence.duration
    for start in islice(starts, _LONGEST_CHAIN):
        if start.astimezone(UTC) > end:
            break
        end = start.astimezone(UTC) + recurrence.duration
    return end


def _beginnings(recurrence: Recurrence, after: datetime) -> Iterator[datetime]:
    # forward only: backward, cronsim 2.8 skips what began in the first of two equal hours
    return CronSim(recurrence.schedule, after.astimezone(ZoneInfo(recurrence.time_zone)))
