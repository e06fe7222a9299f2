"""What a rule's targets mean: the split that the endpoint picker runs, read back from the object alone. Pure.

    only S                                  Split(S)
    only S, C marked as the canary          Split(S, C, 0)
    S and C, C with the units of a step     Split(S, C, the step)
    only C, marked, stable known            Split(S, C, 1000)
    only C, marked, no stable               Split(None, C, 1000)   a first deployment
    only C, not marked                      Split(C)               promoted

The invariant is that of `gateway_split`: anything else reads as a split that no rollout ever asks for.
"""

from controller.adapters.traffic.gateway_split import Held, apart
from controller.adapters.traffic.gateway_weights import units
from controller.adapters.traffic.rewrite_mark import Mark
from controller.adapters.traffic.rewrite_rule import Pair, Target
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import Release, RoutedModel, Split

_ALMOST_ALL = FULL_WEIGHT_PERMILLE - 1


def read_split(pair: Pair, routed: RoutedModel, mark: Mark | None) -> Held:
    """The split that the rule runs between the rollout's two versions."""
    targets = (*pair.stable, *pair.canary)
    twice = len(pair.stable) > 1 or len(pair.canary) > 1
    if twice or pair.rule.uneven or any(target.weight is None for target in targets):
        return Held(_about(pair, routed), strange=True)
    ours = mark is not None and _is_of(mark.canary, routed.canary)
    if not targets:
        return Held(Split() if routed.stable is None else _somebody_else(pair))
    if not pair.stable:
        return Held(_only_canary(pair, routed, marked=ours))
    if not pair.canary:
        return Held(_only_stable(pair, routed, marked=ours))
    return Held(_both(pair, routed))


def _is_of(name: str, release: Release | None) -> bool:
    return release is not None and release.backend is not None and release.backend.name == name


def _only_canary(pair: Pair, routed: RoutedModel, *, marked: bool) -> Split:
    everything = Split(routed.stable, routed.canary, FULL_WEIGHT_PERMILLE)
    if not _whole(pair, pair.canary[0], routed):
        return Split(routed.stable, routed.canary, apart(_ALMOST_ALL, routed.steps_permille))
    return everything if marked else Split(stable=routed.canary)


def _only_stable(pair: Pair, routed: RoutedModel, *, marked: bool) -> Split:
    stable = pair.stable[0]
    if not _whole(pair, stable, routed):
        return Split(routed.stable, routed.canary or Release(stable.name), apart(1, routed.steps_permille))
    return Split(routed.stable, routed.canary, 0) if marked else Split(stable=routed.stable)


def _whole(pair: Pair, target: Target, routed: RoutedModel) -> bool:
    """Whether a single target has what the pair had before; alone in its rule any weight is everything."""
    return pair.alone or routed.weight_sum in (None, target.weight)


def _both(pair: Pair, routed: RoutedModel) -> Split:
    canary, total = pair.canary[0].weight or 0, pair.whole(routed.weight_sum)
    if pair.present_sum == total:
        asked = (step for step in routed.steps_permille if units(step, total) == canary)
        weight = next(asked, None) or apart(_share(pair), routed.steps_permille)
        return Split(routed.stable, routed.canary, weight)
    return _about(pair, routed)


def _about(pair: Pair, routed: RoutedModel) -> Split:
    """The nearest split that no rollout asks for."""
    if not pair.present_sum:
        return Split()
    return Split(routed.stable, routed.canary, apart(_share(pair), routed.steps_permille))


def _share(pair: Pair) -> int:
    canary = sum(target.weight or 0 for target in pair.canary)
    return FULL_WEIGHT_PERMILLE * canary // pair.present_sum


def _somebody_else(pair: Pair) -> Split:
    """The rule sends requests to neither version: a target was renamed, or replaced."""
    serving = max(pair.others, key=lambda target: target.weight or 0, default=None)
    return Split(stable=Release(serving.name, backend=serving.backend)) if serving else Split()
