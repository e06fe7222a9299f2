"""What the evidence on a check says, in sentences that need no statistics.

Evidence is told as odds, never as a probability that the canary is bad: it is not one.
"""

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
    lines = [_counts(result, found), _difference(found), _against(found), _needed(found), *_caveats(found)]
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


def _needed(found: Strength) -> str:
    if found.against >= _DECISIVE:
        return ""
    if found.requests_needed is None:
        return "not shown yet to be as good: more requests are needed than can be told now"
    if not found.requests_needed:
        return "shown to be as good as the policy asks"
    at = ""
    if found.seconds_needed is not None:
        at = f", {duration(timedelta(seconds=round(found.seconds_needed)))} at the present rate"
    return f"not shown yet to be as good: about {found.requests_needed:,} more requests of the canary{at}"


def _caveats(found: Strength) -> list[str]:
    lines = []
    if found.skipped:
        blocks = "1 block" if found.skipped == 1 else f"{found.skipped:,} blocks"
        lines.append(f"{blocks} left out: stable itself changed then")
    if found.design_effect > 1:
        effect = f"{found.design_effect:.2g}"
        lines.append(f"counts divided by {effect}: requests of one copy of stable share their fate")
    return lines
