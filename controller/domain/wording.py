"""Numbers and checks in the words that people read, the same in the log, the terminal and a notification."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from controller.domain.audience import Audience
from controller.domain.judge.base import CheckResult, MixShown
from controller.domain.measures import Level
from controller.domain.policy import Check, CheckKind, Step
from controller.domain.vocabulary import Reason, Verdict

TESTERS = "testers"
"""Whose step it is, where nobody else gets the canary."""
_WITHOUT_MILLISECONDS = 10_000  # from here on they only make the text longer
_IN_MILLISECONDS = 10  # seconds; latencies below are read in ms
_WITH_DECIMALS = 0.01  # seconds; a small model answers in less than a millisecond
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))


def percent(permille: int) -> str:
    """A weight: ``5%``, ``0.1%``."""
    return f"{permille / 10:g}%"


def given(weight_permille: int, mirror_permille: int = 0) -> str:
    """What the canary gets: its weight, or ``shadow 10%`` where it only gets copies of requests."""
    return f"shadow {percent(mirror_permille)}" if mirror_permille else percent(weight_permille)


def called(step: Step) -> str:
    """A step: its weight, its share of copies, or whose it is."""
    return "the testers' step" if step.testers else given(step.weight_permille, step.mirror_permille)


def treated(audience: Audience) -> str:
    """Who is treated otherwise than by chance, to be put behind a split; empty for nobody."""
    said = ", and for testers" if audience.testers else ""
    said += f", kept by {audience.sticky.key.carrier} {audience.sticky.key.name}" if audience.sticky else ""
    return f"{said}, but edited by hand" if audience.edited else said


def audience_words(audience: Audience) -> tuple[str, ...]:
    """Who gets the canary otherwise than by chance, without the values that tell them."""
    sticky = audience.sticky
    kept = [f"sticky by {sticky.key.carrier} {sticky.key.name}"] if sticky else []
    return (*([TESTERS] if audience.testers else []), *kept)


def printable(text: str) -> str:
    """The text on one line, with what a terminal or a browser could act on written out."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def duration(span: timedelta) -> str:
    """As a policy file writes it, the two largest units: ``90s`` is ``1m30s``, 0 is ``0s``."""
    left = round(span / timedelta(milliseconds=1))
    if left < 0:
        return f"-{duration(-span)}"
    if left > _WITHOUT_MILLISECONDS:
        left -= left % 1000
    parts: list[str] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"


def listed(names: Sequence[str]) -> str:
    """``ann``, ``ann and bob``, ``ann, bob and cy``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def quantity(value: float | None, kind: CheckKind) -> str:
    """A check's value in its own unit; ``no value`` where there is none."""
    if value is None:
        return "no value"
    match kind:
        case CheckKind.RATIO | CheckKind.SCORE:
            return f"{value * 100:.3g}%"
        case CheckKind.QUANTILE:
            if value < _WITH_DECIMALS:
                return f"{value * 1000:.2g}ms"
            return f"{value * 1000:.0f}ms" if value < _IN_MILLISECONDS else f"{value:.1f}s"
        case CheckKind.GAUGE:
            return f"{value:.4g}"
        case CheckKind.PSI:
            return f"{value:.2g}"


def sentence(check: Check, result: CheckResult) -> str:
    """What one check found: value against limit, and on how many requests."""
    counted = "cases" if check.kind is CheckKind.SCORE else "requests"
    on = "" if check.kind is CheckKind.GAUGE else f" over {result.requests:,} {counted}"
    told = _SENTENCES.get(result.reason, "has no value yet")
    if result.reason is Reason.NO_STABLE_TRAFFIC and result.verdict is Verdict.SKIPPED:
        told = "has nothing to be compared with"
    if check.of_probes and result.verdict is Verdict.SKIPPED:
        told = "ask the version as soon as users do"
    said = told.format(
        value=quantity(result.value, check.kind),
        limit=quantity(result.limit, check.kind),
        stable=quantity(result.stable_value, check.kind),
        beside=""
        if result.stable_value is None
        else f" beside stable's {quantity(result.stable_value, check.kind)}",
        requests=f"{result.requests:,}",
        stable_requests=f"{result.stable_requests:,}",
        note=result.note,
        on=on,
        mix=mix_words(result.mix),
    )
    return f"{check.name}{said}" if said.startswith(":") else f"{check.name} {said}"


def mix_words(mix: MixShown | None) -> str:
    """``the canary's prompts have about 310 tokens, stable's 190``."""
    if mix is None:
        return "its requests are not like stable's"
    what = "prompts" if mix.tokens is Level.PROMPT_TOKENS else "answers"
    return f"the canary's {what} have about {mix.canary_mean:,.0f} tokens, stable's {mix.stable_mean:,.0f}"


_SENTENCES: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.WITHIN_LIMIT: "{value} is within {limit}{on}",
        Reason.ABOVE_LIMIT: "{value} is above its limit {limit}{on}",
        Reason.WORSE_THAN_STABLE: "{value} is worse than stable's {stable} allows ({limit}){on}",
        Reason.TOO_FEW_REQUESTS: "{value} on too few requests ({requests}) to judge",
        Reason.NO_STABLE_TRAFFIC: "waits for stable's requests ({stable_requests}) to compare with",
        Reason.LIMIT_OUTSIDE_BUCKETS: (
            ": the limit {limit} lies above the histogram's last bucket; lower the limit"
        ),
        Reason.WARMING_UP: "is judged as soon as the canary is warm",
        Reason.BOTH_ABOVE_LIMIT: "{value}, stable {stable}: both are above the limit {limit} now",
        Reason.EVIDENCE_AGAINST: "{value}{beside}: there is evidence that it is worse{on}",
        Reason.SHOWN_GOOD: "{value} is shown to be as good as the policy asks{on}",
        Reason.NOTHING_AGAINST: "{value}: nothing speaks against it{on}",
        Reason.TOKEN_MIX_DIFFERS: "{value}{beside} says nothing of the version: {mix}",
        Reason.BELOW_LIMIT: "{value} is below its limit {limit}{on}",
        Reason.NO_SCORE: "got no score from its last trial: {note}",
        Reason.BUCKETS_DIFFER: ": the two versions' histograms have other buckets and cannot be compared",
        Reason.NOT_YET_SHOWN: "{value}{beside} is not shown yet to be as good as the policy asks{on}",
    }
)
"""What follows the check's name, by the reason of its verdict."""
