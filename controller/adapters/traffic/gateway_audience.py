"""The rules that Serinus adds to a route for those who do not get the canary by chance. Pure.

Each is the model's own rule with one more header to match, so that it wins over that rule and over no other
that won over it before (see `gateway_precedence`); it stands behind all rules that people wrote, and bears a
mark in a filter. There are up to three, in this order:

    testers   whoever's header or cookie has the value    -> the canary
    kept      whose last three digits lie below the weight -> the canary
    others    whoever else has three digits at the end     -> stable

The Gateway API has no hash. Where the digits are at random a range of them is a share of the users, and a
larger weight is a larger range that begins at the same end: nobody gives back what he got. Requests without
such a value are divided by chance, in the model's own rule.

The invariant: rules of ours that are not exactly as they would be written read as edited, which is drift.

**Source**: Gateway API v1, HTTPRouteRule and GRPCRouteRule; a regular expression is implementation-specific,
so it is written to mean the same to who matches the whole value and to who searches in it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence
from controller.adapters.traffic.gateway_marker import AUDIENCE_HEADER, marked, sign_of
from controller.adapters.traffic.gateway_mirror import without_copies
from controller.adapters.traffic.gateway_rule import Pair, Rule
from controller.domain.audience import EVERYBODY, Audience, Carrier, Digits, Key, Match, Sticky
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import RoutedModel, Split
from controller.domain.wording import printable

TESTERS, KEPT, OTHERS = "testers", "kept", "others"
_OWN_FIELDS = ("name", "sessionPersistence")
"""What the model's rule has for itself alone."""
_PLACES = 3
_ALPHABETS = {Digits.DECIMAL: "0123456789", Digits.HEX: "0123456789abcdef"}


@dataclass(frozen=True, slots=True)
class Refs:
    """The two backendRefs of the rules that are added."""

    stable: Obj
    canary: Obj


def sign(model: str, role: str) -> str:
    """The mark of a rule: whose it is, and for whom."""
    return f"{model}/{role}"


def ours(rules: Sequence[Rule], model: str) -> tuple[Rule, ...]:
    """The rules that Serinus added for the model, in the route's order."""
    return tuple(rule for rule in rules if _parts(rule)[0] == model)


def role_of(rule: Rule) -> str:
    """For whom a rule of ours is."""
    return _parts(rule)[1]


def _parts(rule: Rule) -> tuple[str, str]:
    model, _, role = (sign_of(rule.body, AUDIENCE_HEADER) or "").partition("/")
    return model, role


def wanted(pair: Pair, routed: RoutedModel, split: Split, refs: Callable[[], Refs]) -> list[Obj]:
    """The rules that a split needs, in their order; ``refs`` is asked only where there are any."""
    if split.audience == EVERYBODY:
        return []
    found, own = refs(), without_copies(pair, routed)
    made: list[Obj] = []
    if split.audience.testers:
        conditions = [_of_tester(match) for match in split.audience.testers]
        made.append(_derived(own, routed.model, TESTERS, conditions, found.canary))
    sticky = split.audience.sticky
    if sticky is not None and sticky.digits is not None:
        kept, anybody = _below(sticky.digits, split.weight_permille), _any_digits(sticky.digits)
        if kept:
            made.append(_derived(own, routed.model, KEPT, [_ends_in(sticky, kept)], found.canary))
        made.append(_derived(own, routed.model, OTHERS, [_ends_in(sticky, anybody)], found.stable))
    return made


def audience_in(
    present: Sequence[Rule], pair: Pair, routed: RoutedModel, held: Split, refs: Callable[[], Refs]
) -> Split:
    """The split that is held, with the audience that the rules of ours stand for."""
    if not present:
        return held
    if held == Split(stable=routed.stable):  # nobody gets the canary by the model's own rule
        held = replace(held, canary=routed.canary)
    bodies = [rule.body for rule in present]
    for audience in _asked_for(routed, held):
        split = replace(held, audience=audience)
        if bodies == wanted(pair, routed, split, refs):
            return split
    return replace(held, audience=Audience(edited=True))


def _asked_for(routed: RoutedModel, held: Split) -> Iterator[Audience]:
    rules = routed.audience
    if held.weight_permille == 0:
        yield Audience(rules.testers)
    elif held.weight_permille < FULL_WEIGHT_PERMILLE:
        yield Audience(rules.testers, rules.sticky)


def operations(present: Sequence[Rule], asked: Sequence[Obj]) -> list[Obj]:
    """The JSON Patch that makes the present rules the asked ones; each that is touched is tested whole.

    To be done after all that is done to other rules: those keep their places.
    """
    bodies = [rule.body for rule in present]
    if bodies == list(asked):
        return []
    tests = [{"op": "test", "path": f"/spec/rules/{rule.index}", "value": rule.body} for rule in present]
    writes: list[Obj] = [
        {"op": "replace", "path": f"/spec/rules/{rule.index}", "value": body}
        for rule, body in zip(present, asked, strict=False)
        if rule.body != body
    ]
    gone = sorted((rule.index for rule in present[len(asked) :]), reverse=True)
    writes += [{"op": "remove", "path": f"/spec/rules/{index}"} for index in gone]
    writes += [{"op": "add", "path": "/spec/rules/-", "value": body} for body in asked[len(present) :]]
    return [*tests, *writes]


def conditions_of(routed: RoutedModel) -> list[Obj]:
    """Every header match that a rollout of the policy may add to the model's rule."""
    rules = routed.audience
    found = [_of_tester(match) for match in rules.testers]
    if rules.sticky is not None and rules.sticky.digits is not None:
        found.append(_ends_in(rules.sticky, _any_digits(rules.sticky.digits)))
    return found


def matches_of(rule: Obj) -> list[Obj]:
    """The rule's matches; one that matches everything where it has none."""
    return [mapping(match) for match in sequence(rule.get("matches"))] or [{}]


def _derived(rule: Obj, model: str, role: str, conditions: Sequence[Obj], ref: Obj) -> Obj:
    body = {name: value for name, value in rule.items() if name not in _OWN_FIELDS}
    body["matches"] = [
        {**match, "headers": [*sequence(match.get("headers")), condition]}
        for match, condition in product(matches_of(rule), conditions)
    ]
    body["backendRefs"] = [{**ref, "weight": 1}]
    return marked(body, sign(model, role), AUDIENCE_HEADER)


def _of_tester(match: Match) -> Obj:
    if match.key.carrier is Carrier.HEADER:
        return {"type": "Exact", "name": match.key.name, "value": match.value}
    return _in_cookies(match.key, re.escape(match.value))


def _ends_in(sticky: Sticky, digits: str) -> Obj:
    if sticky.key.carrier is Carrier.HEADER:
        return {"type": "RegularExpression", "name": sticky.key.name, "value": f"^.*({digits})$"}
    return _in_cookies(sticky.key, f"[^;]*({digits})")


def _in_cookies(key: Key, value: str) -> Obj:
    regex = rf"^(.*;\s*)?{re.escape(key.name)}={value}(\s*;.*)?$"
    return {"type": "RegularExpression", "name": "cookie", "value": regex}


def _below(digits: Digits, weight_permille: int) -> str:
    """Matches the three digits that make a number below the weight's share of all; empty if there is none."""
    alphabet = _ALPHABETS[digits]
    size, bound = len(alphabet), len(alphabet) ** _PLACES * weight_permille // FULL_WEIGHT_PERMILLE
    parts, before = [], ""
    for place in range(_PLACES):
        unit = size ** (_PLACES - 1 - place)
        digit = bound // unit % size
        if digit:
            parts.append(before + _one_of(alphabet[:digit]) + _one_of(alphabet) * (_PLACES - 1 - place))
        before += _one_of(alphabet[digit])
    return "|".join(parts)


def _any_digits(digits: Digits) -> str:
    return _one_of(_ALPHABETS[digits]) * _PLACES


def _one_of(letters: str) -> str:
    """A class of the letters, which are neighbours; hex digits in either case."""
    numbers = "".join(letter for letter in letters if letter.isdigit())
    others = "".join(letter for letter in letters if not letter.isdigit())
    parts = [_span(numbers), _span(others), _span(others.upper())]
    return f"[{''.join(parts)}]"


def _span(letters: str) -> str:
    return letters if len(letters) < 2 else f"{letters[0]}-{letters[-1]}"  # noqa: PLR2004 - two ends


def shown(present: Sequence[Rule]) -> str:
    """For people: how many rules of ours there are."""
    roles = [printable(role_of(rule)) for rule in present]
    return f" and rules for {', '.join(roles)}" if roles else ""
