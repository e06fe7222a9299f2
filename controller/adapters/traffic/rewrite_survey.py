"""What stands on an InferenceModelRewrite before a rollout has any traffic, and what is in the way. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Standing, Surveyed
from controller.adapters.traffic.gateway_rule import Trouble
from controller.adapters.traffic.gateway_weights import fits, too_coarse
from controller.adapters.traffic.ownership import owner_of
from controller.adapters.traffic.rewrite_rule import (
    MOST_WEIGHT,
    Pair,
    Rule,
    Target,
    find_rule,
    pair_in,
    shares,
)
from controller.adapters.traffic.rewrite_status import acceptance, of_no_pool, rival
from controller.adapters.workload.kube_pools import pool_ref
from controller.domain.observation import Survey
from controller.domain.release import BackendKind, Release, RoutedModel
from controller.domain.vocabulary import Reason


def survey_of(standing: Standing, routed: RoutedModel, recorded: Release | None) -> Surveyed:
    """Who serves, what the weights add up to, and what stands in the way, if anything does.

    ``routed.stable``, and then ``recorded``, are believed to serve where the rule has their adapter; else a
    version is called as its adapter is.
    """
    known = [release for release in (routed.stable, recorded) if release is not None]
    found = _serving(standing, routed, known)
    if isinstance(found, Trouble):
        return Surveyed(_stopped(found))
    rule, target = found
    release = _version(target, known) if target else None
    routed = replace(routed, stable=release)
    pair = pair_in(rule, routed)
    weight_sum = pair.present_sum or None
    trouble = next(_troubles(standing.route, pair, routed), None)
    if trouble is None:
        _, pool = pool_ref(standing.route)
        return Surveyed(Survey(release, weight_sum, gateways=(f"{routed.namespace}/{pool}",)))
    return Surveyed(replace(_stopped(trouble), serving=release, weight_sum=weight_sum))


def _stopped(trouble: Trouble) -> Survey:
    return Survey(problem=trouble.reason, message=trouble.message, hopeless=trouble.hopeless)


def _serving(
    standing: Standing, routed: RoutedModel, known: Sequence[Release]
) -> tuple[Rule, Target | None] | Trouble:
    """The model's rule and the target that serves in it, None before the first deployment."""
    rewrite = standing.route
    if owner := owner_of(rewrite, "rules"):
        message = (
            f"the rewrite {routed.route.name} belongs to {owner.shown}, which would undo every change: "
            "write a rewrite of your own"
        )
        return Trouble(Reason.ROUTE_OWNED, message, hopeless=True)
    trouble = of_no_pool(rewrite) or rival(standing, routed)
    if trouble is not None:
        return trouble
    rule = find_rule(rewrite, routed)
    if isinstance(rule, Trouble):
        return rule
    target = _serving_target(rule, routed, known)
    return target if isinstance(target, Trouble) else (rule, target)


def _serving_target(rule: Rule, routed: RoutedModel, known: Sequence[Release]) -> Target | Trouble | None:
    for release in known:
        targets = rule.of(release)
        if targets:
            return targets[0] if len(targets) == 1 else _twice(targets[0])
    canary = rule.of(routed.canary)
    left = tuple(target for target in rule.targets if target not in canary)
    if known and (routed.stable is not None or not left):
        sentence = f"the rule has {shares(rule.targets)}, but {known[0].version} is on record as serving"
        return Trouble(Reason.DRIFT_DETECTED, f"{sentence}: put its adapter back")
    named = tuple(target for target in left if target.name == routed.route.stable)
    choice = named or left
    if len(choice) > 1:
        return _which(choice, routed)
    return choice[0] if choice else None


def _which(targets: Sequence[Target], routed: RoutedModel) -> Trouble:
    names = list(dict.fromkeys(target.name for target in targets))
    if len(names) < len(targets):
        return _twice(targets[0])
    name, kind = routed.route.name, routed.route.kind
    message = (
        f"the rule has {' and '.join(names)}, and nothing says which is the model's; "
        f"write route: {{{kind}: {{name: {name}, stable: {names[0]}}}}} in the policy, or another of them"
    )
    return Trouble(Reason.ROUTE_AMBIGUOUS, message, hopeless=True)


def _twice(target: Target) -> Trouble:
    message = f"several targets of the rule name {target.name}: leave one"
    return Trouble(Reason.ROUTE_AMBIGUOUS, message, hopeless=True)


def _version(target: Target, known: Sequence[Release]) -> Release:
    for release in known:
        if release.backend == target.backend:
            return release
    return Release(target.name, backend=target.backend)


def _troubles(rewrite: Obj, pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    """What stands in the way, what no waiting mends first."""
    yield from _backend_troubles(pair, routed)
    yield from _weight_troubles(pair, routed)
    verdict = acceptance(rewrite)
    if not verdict.accepted:
        yield Trouble(Reason.WAITING_FOR_ROUTE, verdict.message)


def _backend_troubles(pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    canary = routed.canary
    if canary is None or canary.backend is None:
        return
    if canary.backend.kind is not BackendKind.LORA_ADAPTER:
        message = (
            f"{canary.version} is a {canary.backend.kind}, "
            "and a rewrite sends requests to adapters of its pool: "
            "deploy it with --backend lora/NAME"
        )
        yield Trouble(Reason.BACKEND_NOT_FOUND, message, hopeless=True)
    if pair.stable and pair.stable[0].backend == canary.backend:
        message = f"the adapter {canary.backend.name} serves already: give {canary.version} one of its own"
        yield Trouble(Reason.ALREADY_SERVING, message, hopeless=True)
    if len(pair.canary) > 1:
        yield _twice(pair.canary[0])


def _weight_troubles(pair: Pair, routed: RoutedModel) -> Iterator[Trouble]:
    targets = pair.rule.targets
    bare = [target.name for target in targets if "weight" not in target.body]
    if pair.rule.uneven or (pair.others and bare):
        message = f"{' and '.join(bare)} has no weight beside others: give every target of the rule one"
        yield Trouble(Reason.WEIGHT_SUM_TOO_SMALL, message, hopeless=True)
    elif pair.stable and pair.others:
        weighed = [(target.name, target.weight or 0) for target in targets]
        if not fits(pair.present_sum, routed.steps_permille):
            why = too_coarse(weighed, pair.present_sum, routed.steps_permille, MOST_WEIGHT)
            yield Trouble(Reason.WEIGHT_SUM_TOO_SMALL, why, hopeless=True)
    if pair.stable and pair.canary:
        canary = pair.canary[0]
        message = f"{canary.name} has the weight {canary.weight} already: remove its target first"
        yield Trouble(Reason.DRIFT_DETECTED, message)
