"""Quantities as Go programs write them, in ours."""

import re
from datetime import timedelta
from decimal import Decimal

from controller.convert.place import Place

LONGEST = timedelta(days=366)
"""The longest that a policy can say."""
SECOND = timedelta(seconds=1)
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?)(ns|us|µs|ms|s|m|h)")
_MICROSECONDS = {
    "ns": Decimal("0.001"),
    "us": Decimal(1),
    "µs": Decimal(1),
    "ms": Decimal(1000),
    "s": Decimal(10**6),
    "m": Decimal(60 * 10**6),
    "h": Decimal(3600 * 10**6),
}
_NAME_LETTERS = 63


def go_duration(text: str) -> timedelta | None:
    """A duration such as ``1h30m`` or ``1.5h``, to the millisecond; None for anything else.

    **Source**: Go's ``time.ParseDuration``, without a sign.
    """
    total, position = Decimal(0), 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            return None
        total += Decimal(part[1]) * _MICROSECONDS[part[2]]
        position = part.end()
    return timedelta(milliseconds=int(total / 1000)) if position else None


def seconds_or_duration(place: Place) -> timedelta | None:
    """A whole number of seconds, also in quotes, or a duration; None for anything else."""
    seconds = place.whole()
    if seconds is not None:
        return timedelta(seconds=seconds) if 0 <= seconds <= LONGEST / SECOND * 10 else None
    return go_duration(place.text())


def writable(duration: timedelta | None) -> bool:
    """Whether a policy can say it as a time of a rollout."""
    return duration is not None and SECOND <= duration <= LONGEST


def kebab(text: str) -> str:
    """The text as a name of lower-case letters, digits and -; empty when none of it can be."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return name[:_NAME_LETTERS].strip("-")
