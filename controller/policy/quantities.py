"""Durations, percentages, ratios and counts as people write them; exact: they are never binary fractions.

Every refusal names the text that was given and suggests one that would be accepted.
"""

import re
from datetime import timedelta
from decimal import Decimal

_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"
_PART = re.compile(rf"({_NUMBER})(ms|s|m|h|d)")
_PERCENT = re.compile(rf"({_NUMBER})%")
_POINTS = re.compile(rf"({_NUMBER})pp")
_RATIO = re.compile(rf"({_NUMBER})x")
_BAD_REQUESTS = re.compile(r"([0-9]{1,9}) bad requests?")
_COUNT = re.compile(r"([0-9][0-9,_]{0,12})(?=[a-z ]*$)")
_SECONDS = {
    "d": Decimal(86400),
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
_ORDER = list(_SECONDS)
_LONGEST_SECONDS = Decimal(366 * 86400)
_LONG_UNITS = (
    (r"milliseconds?|msecs?|millis?", "ms"),
    (r"seconds?|secs?", "s"),
    (r"minutes?|mins?", "m"),
    (r"hours?|hrs?", "h"),
    (r"days?", "d"),
)
_SHOWN_LENGTH = 40
_EXAMPLES = "write it like 90s, 15m, 1h30m, 800ms or 2d"


class QuantityError(ValueError):
    """A text that is no quantity of the kind asked for. ``suggestion`` says what would be."""

    def __init__(self, sentence: str, suggestion: str) -> None:
        super().__init__(sentence)
        self.suggestion = suggestion


def shown(value: object) -> str:
    """A value from a file as it is quoted to people: bounded, on one line."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case str():
            text = value if value.isprintable() else repr(value)[1:-1]
            return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return str(value)


def parse_duration(value: object, units: tuple[str, ...] = ("s", "m", "h")) -> timedelta:
    """A duration such as ``1h30m``: whole milliseconds, at most 366 days, units falling, each once.

    ``units`` are the ones suggested for a bare number. Raises `QuantityError`.
    """
    text = _text(value, "duration", _EXAMPLES, [f"{shown(value)}{unit}" for unit in units])
    seconds = _seconds(text)
    if seconds is None:
        raise QuantityError(f"{shown(text)} is not a duration", _duration_suggestion(text))
    if seconds > _LONGEST_SECONDS:
        raise QuantityError(f"{shown(text)} is longer than 366 days", "write a shorter duration")
    if seconds % _SECONDS["ms"]:
        raise QuantityError(f"{shown(text)} is finer than a millisecond", "write whole milliseconds")
    return timedelta(milliseconds=int(seconds / _SECONDS["ms"]))


def parse_percent(value: object, example: str = "5") -> Decimal:
    """A percentage such as ``0.5%``, as the number before the sign. Raises `QuantityError`."""
    guesses = [f"{shown(value)}%"]
    if isinstance(value, float) and 0 < value < 1:
        guesses.append(f"{(Decimal(str(value)) * 100).normalize():f}%")
    return _with_unit(value, "percentage", _PERCENT, "%", guesses, example)


def parse_points(value: object) -> Decimal:
    """Percentage points such as ``0.5pp``, as the number before the unit. Raises `QuantityError`."""
    return _with_unit(value, "number of percentage points", _POINTS, "pp", [f"{shown(value)}pp"])


def parse_ratio(value: object) -> Decimal:
    """A ratio such as ``1.5x``, as the number before the sign. Raises `QuantityError`."""
    return _with_unit(value, "ratio", _RATIO, "x", [f"{shown(value)}x"], "1.5")


def parse_bad_requests(value: object) -> int:
    """A count such as ``20 bad requests``, or the whole number alone. Raises `QuantityError`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _BAD_REQUESTS.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        return int(match[1])
    close = _COUNT.match(value[:_SHOWN_LENGTH].lower()) if isinstance(value, str) else None
    count = int(re.sub("[,_]", "", close[1])) if close else 20
    suggestion = f"write {'' if close else 'it like '}{show_bad_requests(count)}"
    raise QuantityError(f"{shown(value)} is not a number of bad requests", suggestion)


def parse_weight(value: object) -> int:
    """A weight such as ``5%`` in thousandths: 0.1% to 100%, in tenths. Raises `QuantityError`."""
    percent = parse_percent(value)
    permille = percent * 10
    if not 1 <= permille <= 1000:  # noqa: PLR2004 - the whole, in thousandths
        raise QuantityError(
            f"{shown(value)} is not between 0.1% and 100%", "write a weight within these limits"
        )
    if permille % 1:
        below = int(permille)
        raise QuantityError(
            f"{shown(value)} is finer than 0.1%, the smallest difference a gateway makes",
            f"write {show_weight(max(below, 1))} or {show_weight(below + 1)}",
        )
    return int(permille)


def show_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back as the same whole milliseconds."""
    rest = Decimal(round(duration / timedelta(milliseconds=1))) * _SECONDS["ms"]
    parts = []
    for unit in _ORDER:
        count, rest = divmod(rest, _SECONDS[unit])
        if count:
            parts.append(f"{count:f}{unit}")
    return "".join(parts) or "0s"


def show_weight(permille: int) -> str:
    """Thousandths as a percentage: 5 gives ``0.5%``."""
    return f"{(Decimal(permille) / 10).normalize():f}%"


def show_bad_requests(count: int) -> str:
    """A count with its unit, as `parse_bad_requests` reads it back."""
    return f"{count} bad {'request' if count == 1 else 'requests'}"


def _text(value: object, kind: str, examples: str, guesses: list[str]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise QuantityError(f"{shown(value)} has no unit", f"write {_either(guesses)}")
    raise QuantityError(f"{shown(value)} is not a {kind}", examples)


def _either(guesses: list[str]) -> str:
    return " or ".join([", ".join(guesses[:-1]), guesses[-1]] if len(guesses) > 1 else guesses)


def _with_unit(
    value: object, kind: str, pattern: re.Pattern[str], unit: str, guesses: list[str], example: str = "5"
) -> Decimal:
    like = f"write it like {example}{unit}"
    text = _text(value, kind, like, guesses)
    match = pattern.fullmatch(text)
    if match is not None:
        return Decimal(match[1])
    bare = re.match(_NUMBER, text)
    suggestion = f"write {bare[0]}{unit}" if bare else like
    raise QuantityError(f"{shown(text)} is not a {kind}", suggestion)


def _seconds(text: str) -> Decimal | None:
    """The length in seconds; None when the text is no row of numbers with falling units."""
    total, position, last = Decimal(0), 0, -1
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or _ORDER.index(match[2]) <= last:
            return None
        total += Decimal(match[1]) * _SECONDS[match[2]]
        last, position = _ORDER.index(match[2]), match.end()
    return total if position else None


def _duration_suggestion(text: str) -> str:
    short = re.sub(r"\s+", "", text[:_SHOWN_LENGTH].lower())
    for long, unit in _LONG_UNITS:
        short = re.sub(rf"(?<=[0-9])(?:{long})(?![a-z])", unit, short)
    return f"write {short}" if _seconds(short) is not None else _EXAMPLES
