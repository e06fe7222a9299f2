"""What stands on a route before a rollout has any traffic, and why none can be given. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Surveyed
from controller.adapters.traffic.gateway_precedence import audience_troubles
from controller.adapters.traffic.gateway_rule import Pair, Ref, Rule, Trouble, find_rule, pair_in
from controller.adapters.traffic.gateway_status import acceptance, gateways_of, owner
from controller.adapters.traffic.gateway_weights import present_sum, too_small
from controller.domain.observation import Survey
from controller.domain.release import Backend, BackendKind, Release, RoutedModel
from controller.domain.vocabulary import Reason

_MOST_REFS = 16
"""Backends that a rule can have."""


def survey_of(route: Obj, routed: RoutedModel, recorded: Release | None) -> Surveyed:
    """Who serves, what the weights add up to, and what stands in the way, if anything does.

    ``routed.stable``, and then ``recorded``, are believed to serve where the rule has their backend.
    """
    known = [release for release in (routed.stable, recorded) if release is not None]
    found = _serving(route, routed, known)
    if isinstance(found, Trouble):
        return Surveyed(_stopped(found))
    rule, ref = found
    release, nameless = _version(ref, known, routed.namespace)
    routed = replace(routed, stable=release)
    pair = pair_in(rule, routed)
    weight_sum = present_sum(pair) or None
    trouble = next(_troubles(route, pair, routed), None)
    if trouble is None:
        gateways = gateways_of(route)
        return Surveyed(Survey(release, weight_sum, gateways=gateways), nameless)
    return Surveyed(replace(_stopped(trouble), serving=release, weight_sum=weight_sum), nameless)


def _stopped(trouble: Trouble) -> Survey:
    return Survey(problem=trouble.reason, message=trouble.message, hopeless=trouble.hopeless)


def _serving(route: Obj, routed: RoutedModel, known: Sequence[Release]) -> tuple[Rule, Ref | None] | Trouble:
    """The model's rule and the ref that serves in it, None before the first deployment."""
    controller = owner(route)
    if controller:
        kind = controller.split(" ")[0]
        message = (
            f"the route {routed.route.name} belongs to {controller}, which would undo every change: "
            f"write a route of your own beside it, or steer the {kind} itself"
        )
        return Trouble(Reason.ROUTE_OWNED, message, hopeless=True)
    canary = routed.canary.backend if routed.canary else None
    backends = (*(release.backend for release in known), canary)
    rule = find_rule(route, routed.route, routed.namespace, backends)
    if isinstance(rule, Trouble):
        return rule
    ref = _serving_ref(rule, routed, known)
    if isinstance(ref, Ref) and ref.backend is None:
        message = f"{ref.shown} is neither a Service nor an InferencePool"
        return Trouble(Reason.BACKEND_NOT_FOUND, message, hopeless=True)
    return ref if isinstance(ref, Trouble) else (rule, ref)


def _serving_ref(rule: Rule, routed: RoutedModel, known: Sequence[Release]) -> Ref | Trouble | None:
    for release in known:
        refs = rule.of(release.backend, routed.namespace)
        if refs:
            return refs[0] if len(refs) == 1 else _which_backend(refs, routed)
    canary = rule.of(routed.canary.backend if routed.canary else None, routed.namespace)
    left = tuple(ref for ref in rule.refs if ref not in canary)
    if known and (routed.stable is not None or not left):
        held = ", ".join(ref.shown for ref in rule.refs) or "no backend"
        sentence = f"the rule has {held}, but {known[0].version} is on record as serving"
        return Trouble(Reason.DRIFT_DETECTED, f"{sentence}: put its backend back")
    named = tuple(ref for ref in left if ref.name == routed.route.stable)
    choice = named or (left if len(left) == 1 else tuple(ref for ref in left if ref.weight))
    if len(choice) > 1 or (left and not choice):
        return _which_backend(choice or left, routed)
    return choice[0] if choice else None


def _which_backend(refs: Sequence[Ref], routed: RoutedModel) -> Trouble:
    name, kind = routed.route.name, routed.route.kind
    names = dict.fromkeys(ref.name for ref in refs)
    if len(names) < len(refs):
        sentence = f"{len(refs)} entries of the rule name {refs[0].shown}; leave one, or name the port"
        return Trouble(Reason.ROUTE_AMBIGUOUS, sentence, hopeless=True)
    message = (
        f"the rule has {' and '.join(names)}, and nothing says which is the model's; "
        f"write route: {{{kind}: {{name: {name}, stable: {refs[0].name}}}}} in the policy, or another of them"
    )
    return Trouble(Reason.ROUTE_AMBIGUOUS, message, hopeless=True)


def _version(
    ref: Ref | None, known: Sequence[Release], namespace: str
) -> tuple[Release | None, Backend | None]:
    """The release behind a ref, with its port; and the backend, if only that gives it a name."""
    if ref is None:
        return None, None
    for release in known:
        if release.backend is not None and ref.is_of(release.backend, namespace):
            return replace(release, backend=ref.backend), None
    return Release(ref.name, backend=ref.backend), ref.backend


def _troubles(route: Obj, pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    """What stands in the way, what no waiting mends first."""
    yield from _backend_troubles(pair, routed)
    yield from _weight_troubles(pair, routed)
    yield from audience_troubles(route, pair, routed)
    verdict = acceptance(route)
    if not verdict.accepted:
        yield Trouble(Reason.WAITING_FOR_ROUTE, verdict.message)


def _backend_troubles(pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    stable = pair.stable[0] if pair.stable else None
    canary = routed.canary.backend if routed.canary else None
    if routed.canary is None or canary is None:
        return
    if stable is not None and stable.is_of(canary, routed.namespace):
        message = f"{canary.kind} {canary.name} serves already: give {routed.canary.version} one of its own"
        yield Trouble(Reason.ALREADY_SERVING, message, hopeless=True)
    like = stable.backend.kind if stable and stable.backend else None
    if canary.kind is BackendKind.SERVICE and canary.port is None and like is not BackendKind.SERVICE:
        message = f"the port of the Service {canary.name} is not known; write port: in its backend"
        yield Trouble(Reason.BACKEND_NOT_FOUND, message, hopeless=True)
    if len(pair.canary) > 1:
        yield _which_backend(pair.canary, routed)
    if not pair.canary and len(pair.rule.refs) >= _MOST_REFS:
        message = f"the rule has {_MOST_REFS} backends, the most that there can be: remove one"
        yield Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)


def _weight_troubles(pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    if not pair.stable:
        return
    stable = pair.stable[0]
    if not stable.weight:
        message = f"{stable.shown} serves nobody, its weight is 0: give it one"
        yield Trouble(Reason.WEIGHT_SUM_TOO_SMALL, message, hopeless=True)
    elif not pair.alone and (why := too_small(pair, present_sum(pair), routed.steps_permille)):
        yield Trouble(Reason.WEIGHT_SUM_TOO_SMALL, why, hopeless=True)
    given = [ref for ref in pair.canary if ref.weight]
    if given:
        message = f"{given[0].shown} has the weight {given[0].weight} already: set it to 0 first"
        yield Trouble(Reason.DRIFT_DETECTED, message)
