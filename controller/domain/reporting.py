"""What the evidence on a check says, in sentences that need no statistics.

Evidence is told as odds, never as a probability that the canary is bad: it is not one.
"""

from collections.abc import Callable
from datetime import timedelta

from controller.domain.judge.base import CheckResult, Strength
from controller.domain.policy import Check, CheckKind
from controller.domain.wording import duration, mix_words, quantity

_WHOLE_POINTS = 10
_NOT_COMPARED = (
    "whole answers are not compared with stable's, for {mix}: the time to the first token, from token to"
    " token and for each token decides; a limit of its own still counts"
)
_SLIGHT, _SUBSTANTIAL, _STRONG, _DECISIVE = 2.0, 5.0, 20.0, 100.0


def details(check: Check, result: CheckResult) -> tuple[str, ...]:
    """Counts, difference, evidence, and what is still needed; empty for a check without evidence."""
    found = result.strength
    aside = [_NOT_COMPARED.format(mix=mix_words(result.mix))] if result.mix is not None else []
    if found is None or check.kind is CheckKind.GAUGE:
        return tuple(aside)
    if check.kind is CheckKind.PSI:
        lines = [_histograms(result), _interval(found, "index"), _against(found), _needed(found)]
    elif check.kind is CheckKind.SCORE:
        lines = [_cases(result, found), _interval(found, "share of passes", _share)]
        lines += [_difference(found), _against(found), _needed(found, "cases"), *_of_trials(result, found)]
    else:
        lines = [_counts(result, found), _difference(found), _against(found), _needed(found)]
        lines += _caveats(found)
    return (*aside, *(line for line in lines if line))


def in_words(against: float) -> str:
    """How strong evidence against the canary is."""
    for least, word in (
        (_DECISIVE, "decisive"),
        (_STRONG, "strong"),
        (_SUBSTANTIAL, "substantial"),
        (_SLIGHT, "slight"),
    ):
        if against >= least:
            return word
    return "none"


def odds(against: float) -> str:
    """``36 to 1``; evidence below 1 speaks for the canary, and is shown as even."""
    if against < _SUBSTANTIAL:
        return f"{max(against, 1.0):.1f} to 1"
    return f"{int(min(against, 1e6)):,} to 1"


def _counts(result: CheckResult, found: Strength) -> str:
    bad = "bad"
    if found.bound_seconds is not None:
        bad = f"slower than {quantity(found.bound_seconds, CheckKind.QUANTILE)}"
    canary = f"canary {found.bad:,} of {result.requests:,} requests {bad}"
    return f"{canary}, stable {found.stable_bad:,} of {result.stable_requests:,}"


def _cases(result: CheckResult, found: Strength) -> str:
    canary = f"canary failed {found.bad:,} of {result.requests:,} cases"
    if not result.stable_requests:
        return canary
    return f"{canary}, stable {found.stable_bad:,} of {result.stable_requests:,}"


def _histograms(result: CheckResult) -> str:
    return f"histograms of {result.requests:,} requests, stable {result.stable_requests:,}"


def _share(value: float) -> str:
    return quantity(value, CheckKind.SCORE)


def _index(value: float) -> str:
    return quantity(value, CheckKind.PSI)


def _interval(found: Strength, of: str, written: Callable[[float], str] = _index) -> str:
    if found.interval is None:
        return ""
    low, high = (written(each) for each in found.interval)
    return f"{of} between {low} and {high} ({100 * found.confidence:g}% sure at all times)"


def _of_trials(result: CheckResult, found: Strength) -> list[str]:
    lines = [f"the last trial: {result.note}"] if result.note else []
    if found.skipped:
        trials = "1 trial" if found.skipped == 1 else f"{found.skipped:,} trials"
        lines.append(f"{trials} not held against it: stable itself was below the limit")
    return lines


def _difference(found: Strength) -> str:
    if found.difference is None:
        return ""
    low, high = (_points(100 * each) for each in found.difference)
    sure = f"{100 * found.confidence:g}%"
    return f"difference between {low} and {high} percentage points ({sure} sure at all times)"


def _points(points: float) -> str:
    return f"{points:+.0f}" if abs(points) >= _WHOLE_POINTS else f"{points:+.2g}"


def _against(found: Strength) -> str:
    word = in_words(found.against)
    return f"evidence that the canary is worse: {word}, {odds(found.against)}"


def _needed(found: Strength, counted: str = "requests") -> str:
    if found.against >= _DECISIVE:
        return ""
    if found.requests_needed is None:
        return f"not shown yet to be as good: more {counted} are needed than can be told now"
    if not found.requests_needed:
        return "shown to be as good as the policy asks"
    at = ""
    if found.seconds_needed is not None:
        at = f", {duration(timedelta(seconds=round(found.seconds_needed)))} at the present rate"
    return f"not shown yet to be as good: about {found.requests_needed:,} more {counted} of the canary{at}"


def _caveats(found: Strength) -> list[str]:
    lines = []
    if found.skipped:
        blocks = "1 block" if found.skipped == 1 else f"{found.skipped:,} blocks"
        lines.append(f"{blocks} left out: stable itself changed then")
    if found.design_effect > 1:
        effect = f"{found.design_effect:.2g}"
        lines.append(f"counts divided by {effect}: requests of one copy of stable share their fate")
    return lines
