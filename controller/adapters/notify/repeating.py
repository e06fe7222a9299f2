"""How long to wait before another attempt."""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT = timedelta(minutes=5)
LONGEST_ASKED = timedelta(hours=1)
_MOST_DOUBLINGS = 20


def wait_after(attempt: int, first: timedelta, asked: timedelta | None) -> timedelta:
    """The wait after an attempt (counted from 0): doubled each time, from half to all of it by chance.

    What the receiver ``asked`` for is kept to instead. Neither is longer than what people should wait for
    news once the receiver is back.
    """
    if asked is not None:
        return min(max(asked, timedelta(0)), LONGEST_ASKED)
    doubled: timedelta = first * 2 ** min(attempt, _MOST_DOUBLINGS)
    return min(doubled, LONGEST_WAIT) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def retry_after(answer_headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The wait that an answer asks for; None when it asks for none. **Source**: RFC 9110, 10.2.3."""
    text = answer_headers.get("Retry-After", "").strip()
    try:
        wait = timedelta(seconds=int(text)) if text.isdecimal() else parsedate_to_datetime(text) - now
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return None
    return max(wait, timedelta(0))
