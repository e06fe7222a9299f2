"""What stands on a route before a rollout has any traffic, and why none can be given. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Surveyed
from controller.adapters.traffic.gateway_audience import conditions_of
from controller.adapters.traffic.gateway_layout import HTTP_ROUTE_LAYOUT
from controller.adapters.traffic.gateway_mirror import mirrored_permille, unmirrored_by_kind
from controller.adapters.traffic.gateway_precedence import audience_troubles
from controller.adapters.traffic.gateway_rule import Pair, Ref, Rule, Trouble, find_rule, pair_in
from controller.adapters.traffic.gateway_status import Verdict, acceptance, gateways_of
from controller.adapters.traffic.gateway_weights import pair_sum, present_sum, too_small
from controller.adapters.traffic.layout import Layout
from controller.adapters.traffic.ownership import owner_of
from controller.domain.observation import Survey
from controller.domain.release import Backend, BackendKind, Release, RoutedModel
from controller.domain.vocabulary import Reason


def survey_of(
    route: Obj,
    routed: RoutedModel,
    recorded: Release | None,
    layout: Layout = HTTP_ROUTE_LAYOUT,
    *,
    verdict: Verdict | None = None,
    obstacles: Iterable[Trouble] = (),
    gateways: Sequence[str] | None = None,
) -> Surveyed:
    """Who serves, what the weights add up to, and what stands in the way, if anything does.

    ``routed.stable``, and then ``recorded``, are believed to serve where the rule has their backend.
    ``verdict`` is what those who run the route say of it, ``gateways`` are those that it belongs to, and
    ``obstacles`` is what its kind alone knows to stand in the way; without a word all is as in Gateway API.
    """
    known = [release for release in (routed.stable, recorded) if release is not None]
    stop = next(_beforehand(route, routed, layout), None) or next(iter(obstacles), None)
    found = stop or _serving(route, routed, known, layout)
    if isinstance(found, Trouble):
        return Surveyed(_stopped(found))
    rule, ref = found
    release, nameless = _version(ref, known, routed.namespace)
    routed = replace(routed, stable=release)
    pair = pair_in(rule, routed)
    weight_sum = present_sum(pair) or None
    trouble = next(_troubles(route, verdict or acceptance(route), pair, routed), None)
    if trouble is None:
        belongs = tuple(gateways_of(route) if gateways is None else gateways)
        unmirrored = unmirrored_by_kind(layout, routed)
        return Surveyed(Survey(release, weight_sum, gateways=belongs, unmirrored=unmirrored), nameless)
    return Surveyed(replace(_stopped(trouble), serving=release, weight_sum=weight_sum), nameless)


def _stopped(trouble: Trouble) -> Survey:
    return Survey(problem=trouble.reason, message=trouble.message, hopeless=trouble.hopeless)


def _beforehand(route: Obj, routed: RoutedModel, layout: Layout) -> Iterator[Trouble]:
    """What is known before anything is looked for: the route is somebody else's, the canary not for it."""
    owner = owner_of(route, layout.field)
    if owner is not None:
        message = (
            f"the route {routed.route.name} belongs to {owner.shown}, which would undo every change: "
            f"{owner.advice}"
        )
        yield Trouble(Reason.ROUTE_OWNED, message, hopeless=True)
    canary = routed.canary.backend if routed.canary else None
    if canary is not None and canary.kind not in layout.backends:
        yield _unfit(f"{canary}", canary.kind, layout)
    if conditions_of(routed) and not layout.audience:
        message = f"a {layout.kind} gives everybody the canary by chance: remove audience from the policy"
        yield Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)


def _unfit(shown: str, kind: BackendKind | None, layout: Layout) -> Trouble:
    kinds = " or ".join(sorted(layout.backends))
    message = f"{shown} cannot be a version here: {layout.kind} takes {kinds}"
    if kind is not None and kind in layout.refusals:
        message += f": {layout.refusals[kind]}"
    return Trouble(Reason.BACKEND_NOT_FOUND, message, hopeless=True)


def _serving(
    route: Obj, routed: RoutedModel, known: Sequence[Release], layout: Layout
) -> tuple[Rule, Ref | None] | Trouble:
    """The model's rule and the ref that serves in it, None before the first deployment."""
    canary = routed.canary.backend if routed.canary else None
    backends = (*(release.backend for release in known), canary)
    rule = find_rule(route, routed.route, routed.namespace, backends, layout)
    if isinstance(rule, Trouble):
        return rule
    ref = _serving_ref(rule, routed, known)
    if isinstance(ref, Ref):
        kind = ref.backend.kind if ref.backend else None
        if kind not in layout.backends:
            return _unfit(ref.shown, kind, layout)
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
    if ref.subset:  # the labels of the Service are those of all subsets
        return Release(ref.subset, backend=ref.backend), None
    return Release(ref.name, backend=ref.backend), ref.backend


def _troubles(route: Obj, verdict: Verdict, pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    """What stands in the way, what no waiting mends first."""
    yield from _backend_troubles(pair, routed)
    yield from _weight_troubles(pair, routed)
    yield from audience_troubles(route, pair, routed)
    if not verdict.accepted:
        yield Trouble(Reason.WAITING_FOR_ROUTE, verdict.message)


def _backend_troubles(pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    stable = pair.stable[0] if pair.stable else None
    canary = routed.canary.backend if routed.canary else None
    if routed.canary is None or canary is None:
        return
    if stable is not None and stable.is_of(canary, routed.namespace):
        message = f"{canary} serves already: give {routed.canary.version} one of its own"
        yield Trouble(Reason.ALREADY_SERVING, message, hopeless=True)
    like = stable.backend.kind if stable and stable.backend else None
    layout = pair.rule.layout
    portless = canary.kind is BackendKind.SERVICE and canary.port is None
    if layout.needs_port and portless and like is not BackendKind.SERVICE:
        message = f"the port of the Service {canary.name} is not known; write port: in its backend"
        yield Trouble(Reason.BACKEND_NOT_FOUND, message, hopeless=True)
    if len(pair.canary) > 1:
        yield _which_backend(pair.canary, routed)
    if not pair.canary and len(pair.rule.refs) >= layout.most_refs:
        message = f"the rule has {layout.most_refs} backends, the most that there can be: remove one"
        yield Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)


def _weight_troubles(pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    if not pair.stable:
        return
    stable = pair.stable[0]
    if not stable.weight:
        message = f"{stable.shown} serves nobody, its weight is 0: give it one"
        yield Trouble(Reason.WEIGHT_SUM_TOO_SMALL, message, hopeless=True)
    elif why := too_small(pair, pair_sum(pair, present_sum(pair)), routed.steps_permille):
        yield Trouble(Reason.WEIGHT_SUM_TOO_SMALL, why, hopeless=True)
    given = [ref for ref in pair.canary if ref.weight]
    if given:
        message = f"{given[0].shown} has the weight {given[0].weight} already: set it to 0 first"
        yield Trouble(Reason.DRIFT_DETECTED, message)
    if mirrored_permille(pair, routed):
        name = routed.canary.version if routed.canary else "the canary"
        message = f"the rule copies requests to {name} already: remove that RequestMirror filter first"
        yield Trouble(Reason.DRIFT_DETECTED, message)
