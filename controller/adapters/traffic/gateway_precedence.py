"""Whose requests a rule with one more header would take: the model's own, and nobody else's. Pure.

Of all rules that match a request the most specific wins: by path, by method, by the number of headers, by the
number of query parameters, and then the first in the list. One more header moves a match up by one; a rule
that won over the model's own on some requests, and no longer would, loses requests to testers that were never
the model's. Rules with another path or method are above or below both.

**Source**: Gateway API v1, HTTPRouteRule.matches and GRPCRouteRule.matches, on precedence.
"""

from collections.abc import Iterator

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.traffic.gateway_audience import conditions_of, matches_of, ours
from controller.adapters.traffic.gateway_rule import Pair, Rule, Trouble, all_rules, rules_of
from controller.domain.release import RoutedModel
from controller.domain.vocabulary import Reason

_MOST_RULES, _MOST_MATCHES, _MOST_HEADERS, _MOST_IN_ALL = 16, 64, 16, 128
_NOT_COMPARED = ("headers", "queryParams")


def audience_troubles(route: Obj, pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    """Why the rules for the policy's audience cannot be added, or must not."""
    rule, name = pair.rule, routed.route.name
    if rule.body.get("sessionPersistence"):
        message = (
            f"the rule of the route {name} has sessionPersistence, which keeps users at a version whatever"
            " its weight, also after a rollback: remove it; audience: {sticky: …} in the policy keeps users"
        )
        yield Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)
    if left := ours(all_rules(route), routed.model):
        message = f"rule {left[0].index} of the route {name} is left from an earlier rollout: remove it"
        yield Trouble(Reason.DRIFT_DETECTED, message)
    conditions = conditions_of(routed)
    if not conditions:
        return
    if why := _too_many(route, rule, routed, len(conditions)) or _named_already(rule, conditions):
        yield Trouble(
            Reason.ROUTE_REJECTED, f"the route {name} has no room for the audience: {why}", hopeless=True
        )
    if not pair.alone:
        message = (
            f"the model's rule of the route {name} has other backends, whose requests testers would take:"
            " give the model its own rule, or remove audience from the policy"
        )
        yield Trouble(Reason.ROUTE_AMBIGUOUS, message, hopeless=True)
    others = [each for each in rules_of(route) if each.index != rule.index]
    if any(_robbed(other, rule) for other in others):
        message = (
            f"another rule of the route {name} has the path of the model's own and query parameters or"
            " headers: testers' requests would be taken from it; give the model a path of its own"
        )
        yield Trouble(Reason.ROUTE_AMBIGUOUS, message, hopeless=True)


def _too_many(route: Obj, rule: Rule, routed: RoutedModel, conditions: int) -> str:
    mine, rules = matches_of(rule.body), all_rules(route)
    sticky = routed.audience.sticky is not None
    more = bool(routed.audience.testers) + 2 * sticky
    if len(rules) + more > _MOST_RULES:
        return f"{more} more rules would be more than {_MOST_RULES}"
    added = len(mine) * (conditions + sticky)
    if len(mine) * conditions > _MOST_MATCHES or sum(_count(each) for each in rules) + added > _MOST_IN_ALL:
        return f"its matches, one for each tester, would be more than {_MOST_MATCHES}"
    if any(len(sequence(match.get("headers"))) >= _MOST_HEADERS for match in mine):
        return f"a match has {_MOST_HEADERS} headers"
    return ""


def _count(rule: Rule) -> int:
    return len(matches_of(rule.body))


def _named_already(rule: Rule, conditions: list[Obj]) -> str:
    """A header that is named twice in a match is looked at once only."""
    asked = {text(condition.get("name")).lower() for condition in conditions}
    headers = (mapping(each) for match in matches_of(rule.body) for each in sequence(match.get("headers")))
    twice = sorted({text(header.get("name")).lower() for header in headers} & asked)
    return f"the model's own rule matches the header {twice[0]}" if twice else ""


def _robbed(other: Rule, rule: Rule) -> bool:
    """Whether the other rule wins over the model's on some requests, but not with one header more there."""
    return any(
        _wins(theirs, other, mine, rule, 0) and not _wins(theirs, other, mine, rule, 1)
        for theirs in matches_of(other.body)
        for mine in matches_of(rule.body)
        if _same_place(theirs, mine)
    )


def _same_place(one: Obj, other: Obj) -> bool:
    first, second = ({key: each[key] for key in each if key not in _NOT_COMPARED} for each in (one, other))
    return first == second


def _wins(theirs: Obj, other: Rule, mine: Obj, rule: Rule, more: int) -> bool:
    """``more`` is how many headers are added to ours; a rule with one stands behind all others."""
    left, right = (
        (len(sequence(match.get("headers"))) + plus, len(sequence(match.get("queryParams"))))
        for match, plus in ((theirs, 0), (mine, more))
    )
    return left > right or (left == right and (bool(more) or other.index < rule.index))
