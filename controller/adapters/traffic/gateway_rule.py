"""Finds a model's rule on a route, and its two backends in the rule. Pure.

Never by index: people insert rules and backends. A rule is found by its name, else by the backends in it; a
backend by group, kind, namespace, name, port and subset, with the API's defaults where a field is absent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.traffic.gateway_layout import GROUPS, HTTP_ROUTE_LAYOUT
from controller.adapters.traffic.gateway_marker import AUDIENCE_HEADER, sign_of
from controller.adapters.traffic.layout import Layout
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, RoutedModel
from controller.domain.vocabulary import Reason


@dataclass(frozen=True, slots=True)
class Ref:
    """One weighted backend of a rule, with the API's defaults filled in.

    ``weight`` is None when it is not a weight, which no API server lets through.
    """

    index: int
    group: str
    kind: str
    namespace: str
    name: str
    port: int | None
    weight: int | None
    body: Obj
    subset: str = ""

    @property
    def backend(self) -> Backend | None:
        """What it names, None for a kind that Serinus does not know."""
        for kind, group in GROUPS.items():
            if (self.group, self.kind) == (group, kind):
                return Backend(
                    kind, self.name, self.port if kind is BackendKind.SERVICE else None, self.subset
                )
        return None

    @property
    def shown(self) -> str:
        """For people: the name, and the kind where it is not a Service."""
        named = f"{self.name}@{self.subset}" if self.subset else self.name
        return named if self.kind == BackendKind.SERVICE else f"{self.kind} {named}"

    def is_of(self, backend: Backend, namespace: str) -> bool:
        """Whether it names the backend, of the namespace; a port that is not known fits any."""
        same = (self.group, self.kind) == (GROUPS.get(backend.kind), backend.kind)
        named = self.namespace, self.name, self.subset
        here = same and named == (namespace, backend.name, backend.subset)
        anywhere = backend.kind is not BackendKind.SERVICE or None in (backend.port, self.port)
        return here and (anywhere or self.port == backend.port)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a route; ``name`` is empty where it has none."""

    index: int
    name: str
    refs: tuple[Ref, ...]
    body: Obj
    layout: Layout

    @property
    def root(self) -> str:
        """Where it is, as a JSON Pointer."""
        return f"/spec/{self.layout.rules}/{self.index}" if self.layout.rules else "/spec"

    def of(self, backend: Backend | None, namespace: str) -> tuple[Ref, ...]:
        """The refs that name a backend: one, unless somebody wrote it twice or its port is not known."""
        return tuple(ref for ref in self.refs if backend and ref.is_of(backend, namespace))

    @property
    def weighted(self) -> tuple[Ref, ...]:
        """The refs that get requests."""
        return tuple(ref for ref in self.refs if ref.weight)


@dataclass(frozen=True, slots=True)
class Pair:
    """The model's two backends in its rule, each with one ref or none unless somebody erred; and the rest."""

    rule: Rule
    stable: tuple[Ref, ...]
    canary: tuple[Ref, ...]
    others: tuple[Ref, ...]

    @property
    def alone(self) -> bool:
        """Whether no other backend of the rule gets requests, so that the pair's sum means nothing."""
        return not any(ref.weight for ref in self.others)

    @property
    def shown(self) -> str:
        """What stands there, in words for people."""
        refs = sorted((*self.stable, *self.canary), key=lambda ref: ref.index)
        found = ", ".join(f"{ref.shown} {ref.weight}" for ref in refs)
        rest = "none of the model's backends" if not refs else f"the weights {found}"
        return f"{rest} beside {len(self.others)} more" if self.others else rest


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something cannot be found on the route, and what to do."""

    reason: Reason
    message: str
    hopeless: bool = False


def rules_of(route: Obj, layout: Layout = HTTP_ROUTE_LAYOUT) -> tuple[Rule, ...]:
    """The rules that may be a model's own, in the route's order: those that Serinus did not add."""
    return tuple(rule for rule in all_rules(route, layout) if sign_of(rule.body, AUDIENCE_HEADER) is None)


def all_rules(route: Obj, layout: Layout = HTTP_ROUTE_LAYOUT) -> tuple[Rule, ...]:
    """All rules, in the route's order."""
    home = text(mapping(route.get("metadata")).get("namespace"))
    spec = mapping(route.get("spec"))
    rules = sequence(spec.get(layout.rules)) if layout.rules else [spec]
    return tuple(_rule(index, mapping(rule), home, layout) for index, rule in enumerate(rules))


def find_pair(route: Obj, routed: RoutedModel, layout: Layout = HTTP_ROUTE_LAYOUT) -> Pair | Trouble:
    """The rule with the versions of the rollout in it."""
    stable = routed.stable.backend if routed.stable else None
    canary = routed.canary.backend if routed.canary else None
    rule = find_rule(route, routed.route, routed.namespace, (stable, canary), layout)
    return rule if isinstance(rule, Trouble) else pair_in(rule, routed)


def pair_in(rule: Rule, routed: RoutedModel) -> Pair:
    """Who is who in a rule."""
    stable = rule.of(routed.stable.backend if routed.stable else None, routed.namespace)
    found = rule.of(routed.canary.backend if routed.canary else None, routed.namespace)
    canary = tuple(ref for ref in found if ref not in stable)
    others = tuple(ref for ref in rule.refs if ref not in stable and ref not in canary)
    return Pair(rule, stable, canary, others)


def find_rule(
    route: Obj,
    ref: RouteRef,
    namespace: str,
    backends: Sequence[Backend | None],
    layout: Layout = HTTP_ROUTE_LAYOUT,
) -> Rule | Trouble:
    """The model's rule: by its name, else by the first backend that is in only one, else the only one."""
    rules = rules_of(route, layout)
    if ref.rule is not None:
        named = [rule for rule in rules if rule.name == ref.rule]
        return named[0] if len(named) == 1 else _no_rule_named(rules, ref)
    left = rules
    for backend in backends:
        having = tuple(rule for rule in left if rule.of(backend, namespace))
        if len(having) == 1:
            return having[0]
        left = having or left
    if ref.stable is not None and len(left) > 1:
        left = tuple(rule for rule in left if any(found.name == ref.stable for found in rule.refs)) or left
    if len(left) == 1:
        return left[0]
    if not rules:
        return Trouble(Reason.ROUTE_NOT_FOUND, f"the route {ref.name} has no rules")
    return _which_rule(left, ref)


def _no_rule_named(rules: Sequence[Rule], ref: RouteRef) -> Trouble:
    names = ", ".join(rule.name for rule in rules if rule.name) or "none has a name"
    message = f"the route {ref.name} has no rule named {ref.rule}; its rules: {names}"
    return Trouble(Reason.ROUTE_NOT_FOUND, message)


def _which_rule(rules: Sequence[Rule], ref: RouteRef) -> Trouble:
    names = [rule.name for rule in rules if rule.name]
    first = f"rule: {names[0]}" if names else "rule: NAME, and give the rule that name"
    message = (
        f"{len(rules)} rules of the route {ref.name} could be the model's; "
        f"write route: {{{ref.kind}: {{name: {ref.name}, {first}}}}} in the policy"
    )
    if len(names) > 1:
        message += f", or {', '.join(names[1:])} instead"
    return Trouble(Reason.ROUTE_AMBIGUOUS, message, hopeless=True)


def _rule(index: int, rule: Obj, home: str, layout: Layout) -> Rule:
    refs = sequence(rule.get(layout.refs))
    found = tuple(
        _ref(place, mapping(ref), home, layout, alone=len(refs) == 1) for place, ref in enumerate(refs)
    )
    return Rule(index, text(rule.get("name")), found, rule, layout)


def ref_of_backend(body: Obj, home: str, layout: Layout) -> Ref:
    """What a reference to a backend names that is in no list, in a route of the namespace ``home``."""
    return _ref(0, body, home, layout, alone=True)


def _ref(index: int, body: Obj, home: str, layout: Layout, *, alone: bool) -> Ref:
    target, weight = layout.target(body, home), layout.weigh(body, alone)
    valid = type(weight) is int and 0 <= weight <= layout.most_weight
    return Ref(
        index=index,
        group=target.group,
        kind=target.kind,
        namespace=target.namespace,
        name=target.name,
        port=target.port,
        weight=weight if isinstance(weight, int) and valid else None,
        body=body,
        subset=target.subset,
    )
