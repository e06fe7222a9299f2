"""What a policy says about its judge, and what only one judge understands.

With another judge that is refused, so that nobody believes in a rule that nothing follows.
"""

from decimal import Decimal
from typing import Annotated

from pydantic import WithJsonSchema

from controller.domain.policy import Policy
from controller.policy.check_sections import check_section, is_level
from controller.policy.fields import KEY_COMPLAINT, PERCENT_TEXT, Found, Kind, complaint, parsed_by
from controller.policy.quality_sections import QUALITY
from controller.policy.quantities import (
    QuantityError,
    parse_bad_requests,
    parse_percent,
    parse_ratio,
    show_bad_requests,
    shown,
)
from controller.policy.steps import is_auto

SEQUENTIAL = "sequential"
DEFAULT_JUDGE = str(Policy.__dataclass_fields__["judge"].default)
"""The judge of a policy that names none: the domain's default."""
_CLASSIC = "threshold"
_ITS_FIELDS = ("budget", "confidence", "promote_if_not_worse_than")
_CLASSIC_FIELDS = ("failures", "critical")
"""Of a check that is counted; a level, or a query's number, is judged by the classic rule with any judge."""
_LARGEST_BUDGET = 10_000
_LOWEST_PERCENT, _HIGHEST_PERCENT = Decimal(95), Decimal("99.99")
_LARGEST_RATIO = 10


def _budget(value: object) -> int:
    count = parse_bad_requests(value)
    if not 1 <= count <= _LARGEST_BUDGET:
        nearest = show_bad_requests(max(1, min(count, _LARGEST_BUDGET)))
        sentence = f"{shown(value)} is not between 1 and {show_bad_requests(_LARGEST_BUDGET)}"
        raise QuantityError(sentence, f"write {nearest} or {'more' if count < 1 else 'fewer'}")
    return count


def _confidence(value: object) -> float:
    if isinstance(value, float) and 0 < value < 1:
        meant = (Decimal(str(value)) * 100).normalize()
        raise QuantityError(f"{shown(value)} has no unit", f"write {meant:f}%")
    percent = parse_percent(value, example="99")
    if percent < _LOWEST_PERCENT:
        sentence = f"{shown(value)} rolls back more than one good version in twenty"
        raise QuantityError(sentence, f"write {_LOWEST_PERCENT}% or more")
    if percent > _HIGHEST_PERCENT:
        sentence = f"{shown(value)} is more than the evidence of a rollout can show"
        raise QuantityError(sentence, f"write {_HIGHEST_PERCENT}% or less")
    return float(percent / 100)


def _promote_ratio(value: object) -> float:
    if isinstance(value, str) and value.endswith("%"):
        percent = parse_percent(value)
        meant = (percent if percent > 100 else percent + 100) / 100  # noqa: PLR2004 - 150% and 50% more
        raise QuantityError(f"{shown(value)} is not a ratio", f"write {meant.normalize():f}x")
    ratio = parse_ratio(value)
    if ratio <= 1:
        sentence = f"{shown(value)} is not above 1x: a version just as good as stable could never show it"
        raise QuantityError(sentence, "write more than 1x, such as 1.5x")
    if ratio > _LARGEST_RATIO:
        sentence = f"{shown(value)} is above {_LARGEST_RATIO}x, the largest allowed"
        raise QuantityError(sentence, f"write {_LARGEST_RATIO}x or less")
    return float(ratio)


Budget = Annotated[
    int,
    Kind("a number of bad requests, from 1 to 10000"),
    parsed_by(_budget),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": _LARGEST_BUDGET},
                {"type": "string", "pattern": "^[0-9]+ bad requests?$"},
            ],
        }
    ),
]
"""A count of bad requests."""
Confidence = Annotated[
    float,
    Kind("a percentage from 95% to 99.99%"),
    parsed_by(_confidence),
    WithJsonSchema({"type": "string", "pattern": PERCENT_TEXT}),
]
"""How sure to be, as a ratio."""
PromoteRatio = Annotated[
    float,
    Kind("a ratio such as 1.5x, above 1x, at most 10x"),
    parsed_by(_promote_ratio),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?x$"}),
]
"""How many times stable's share of bad requests."""


def misplaced(policy: object, judges: frozenset[str]) -> list[Found]:
    """What a file says that its judge does not understand; a judge that is not known is another fault."""
    judge = policy.get("judge", DEFAULT_JUDGE) if isinstance(policy, dict) else None
    if not isinstance(policy, dict) or not isinstance(judge, str) or judge not in judges:
        return []
    if judge == SEQUENTIAL:
        return _classic(policy.get("checks"))
    return [*_sequential(policy, judge), *_of_quality(policy.get("checks"), judge)]


def _sequential(policy: dict[str, object], judge: str) -> list[Found]:
    sentence = f"the {judge} judge does not know it: it belongs to the {SEQUENTIAL} judge"
    found: list[Found] = [
        ((name,), complaint(sentence, f"write judge: {SEQUENTIAL}, or remove it", KEY_COMPLAINT))
        for name in _ITS_FIELDS
        if name in policy
    ]
    if is_auto(policy.get("steps")):
        sentence = f"the {judge} judge does not choose weights: auto steps need the {SEQUENTIAL} judge"
        suggestion = f"write judge: {SEQUENTIAL}, or list the weights, such as [1%, 5%, 25%, 50%]"
        found.append((("steps",), complaint(sentence, suggestion)))
    return found


def _of_quality(checks: object, judge: str) -> list[Found]:
    sentence = (
        f"the {judge} judge does not weigh samples and histograms: it belongs to the {SEQUENTIAL} judge"
    )
    return [
        (("checks", name), complaint(sentence, f"write judge: {SEQUENTIAL}, or remove it", KEY_COMPLAINT))
        for name, check in (checks.items() if isinstance(checks, dict) else ())
        if isinstance(check, dict) and not QUALITY.keys().isdisjoint(check)
    ]


def _classic(checks: object) -> list[Found]:
    sentence = f"the {SEQUENTIAL} judge weighs every request: this belongs to the {_CLASSIC} judge"
    suggestion = f"remove it, or write judge: {_CLASSIC}"
    return [
        (("checks", name, key), complaint(sentence, suggestion, KEY_COMPLAINT))
        for name, check in (checks.items() if isinstance(checks, dict) else ())
        if isinstance(check, dict) and QUALITY.keys().isdisjoint(check)
        if not is_level(check_section(name, check))
        for key in _CLASSIC_FIELDS
        if key in check
    ]
