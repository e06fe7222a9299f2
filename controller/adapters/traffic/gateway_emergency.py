"""Who is stable and who the canary when there is no record to ask: the route itself must tell. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_audience import ours
from controller.adapters.traffic.gateway_rule import Ref, Rule, Trouble, all_rules, find_rule
from controller.adapters.traffic.layout import Layout
from controller.domain.release import Release, RoutedModel
from controller.errors import TargetError


def with_versions(route: Obj, routed: RoutedModel, layout: Layout) -> RoutedModel:
    """The model with the versions that its rule shows, called by their backends; as it is if it has any.

    The canary is the ref with Serinus' mark, stable the one that the policy names or the only other. Raises
    `TargetError` when that does not tell: an emergency is no reason to guess.
    """
    if routed.stable is not None or routed.canary is not None:
        return routed
    rule = find_rule(route, routed.route, routed.namespace, (), layout)
    if isinstance(rule, Trouble):
        raise TargetError(rule.message)
    theirs = tuple(ref for each in ours(all_rules(route, layout), routed.model) for ref in each.refs)
    canary, stable = _pair(rule, theirs, routed.route.stable)
    if canary is None or stable is None:
        what = "canary" if canary is None else "stable version"
        raise TargetError(
            f"nothing on the route {routed.route.name} tells which backend is the {what}: "
            "set the weights yourself, kubectl edit"
        )
    return replace(routed, stable=_release(stable), canary=_release(canary))


def _pair(rule: Rule, theirs: Sequence[Ref], named: str | None) -> tuple[Ref | None, Ref | None]:
    """``theirs`` are the refs of rules that Serinus added: before any weight the canary is only there."""
    marked = [ref for ref in rule.refs if rule.layout.is_marked(ref.body)]
    others = [ref for ref in rule.refs if ref not in marked]
    marked = marked or [ref for ref in theirs if rule.layout.is_marked(ref.body)][:1]
    stable = [ref for ref in others if ref.name == named] or others
    return (marked[0] if len(marked) == 1 else None), (stable[0] if len(stable) == 1 else None)


def _release(ref: Ref) -> Release:
    return Release(ref.name, backend=ref.backend)
