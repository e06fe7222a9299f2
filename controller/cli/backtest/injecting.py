"""Reads regressions as people type them: errors=+1pp, errors=x3, latency=x1.5, latency=+50ms."""

from collections.abc import Sequence

from controller.domain.backtest.regressions import Regression
from controller.domain.policy import Check, CheckKind
from controller.policy.quantities import (
    QuantityError,
    parse_duration,
    parse_points,
    parse_ratio,
    shown,
)

_EXAMPLES = {
    CheckKind.RATIO: "+1pp (percentage points more) or x3 (three times as many)",
    CheckKind.QUANTILE: "x1.5 (half as slow again) or +50ms (that much longer)",
}


class InjectionError(ValueError):
    """A text that names no regression; the message says what would."""


def parse_injection(text: str, checks: Sequence[Check]) -> Regression:
    """``NAME=CHANGE``: a check of the policy, or what several begin with. Raises `InjectionError`."""
    name, equals, change = text.partition("=")
    if not equals:
        raise InjectionError(f"{shown(text)} is no regression; write it like errors=+1pp or latency=x1.5")
    counting = [check for check in checks if check.replayed]
    chosen = [check for check in counting if check.name == name or check.name.startswith(f"{name}_")]
    if not chosen:
        known = ", ".join(check.name for check in counting)
        raise InjectionError(f"no check that counts requests is called {shown(name)}; there are: {known}")
    kinds = {check.kind for check in chosen}
    if len(kinds) > 1:
        raise InjectionError(f"{shown(name)} names checks of different kinds; name one of them")
    (kind,) = kinds
    factor, points, seconds = _change(change, kind)
    return Regression(text, frozenset(check.name for check in chosen), factor, points, seconds)


def _change(text: str, kind: CheckKind) -> tuple[float, float, float]:
    """Factor, points and seconds."""
    try:
        if text.startswith("x"):
            factor = float(parse_ratio(f"{text[1:]}x"))
            if factor > 1:
                return factor, 0.0, 0.0
        elif text.startswith("+") and kind is CheckKind.RATIO:
            points = float(parse_points(text[1:])) / 100
            if 0 < points <= 1:
                return 1.0, points, 0.0
        elif text.startswith("+"):
            seconds = parse_duration(text[1:]).total_seconds()
            if seconds > 0:
                return 1.0, 0.0, seconds
    except QuantityError:
        pass
    raise InjectionError(f"{shown(text)} makes nothing worse; write {_EXAMPLES[kind]}")
