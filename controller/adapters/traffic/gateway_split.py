"""What a rule's weights mean: the split that the route runs, read back from the object alone. Pure.

    only S                                  Split(S)
    S, and C at 0 that people put there     Split(S)
    only S, and copies of requests to C     Split(S, C, 0, the share)
    S and C, C with the units of a step     Split(S, C, the step)
    S at 0, C with the whole sum            Split(S, C, 1000)
    only C, with Serinus' mark              Split(None, C, 1000)   a first deployment
    only C, without                         Split(C)               promoted

The invariant: anything else reads as a split that no rollout ever asks for, so that it is seen as drift; it
is ``strange`` where nobody can say who gets the requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.adapters.traffic.gateway_mirror import mirrored_permille
from controller.adapters.traffic.gateway_rule import Pair, Ref
from controller.adapters.traffic.gateway_weights import pair_sum, present_sum, units
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import Release, RoutedModel, Split

_ALMOST_ALL = FULL_WEIGHT_PERMILLE - 1


@dataclass(frozen=True, slots=True)
class Held:
    """What a rule holds. ``strange`` says that its weights cannot be read as a split at all."""

    split: Split
    strange: bool = False


def read_split(pair: Pair, routed: RoutedModel) -> Held:
    """The split that the rule runs between the rollout's two versions, with what it copies to the canary."""
    held, mirror = _read(pair, routed), mirrored_permille(pair, routed)
    if not mirror:
        return held
    return replace(held, split=replace(held.split, canary=routed.canary, mirror_permille=mirror))


def _read(pair: Pair, routed: RoutedModel) -> Held:
    refs = (*pair.stable, *pair.canary)
    twice = len(pair.stable) > 1 or len(pair.canary) > 1
    if twice or any(ref.weight is None for ref in refs):
        return Held(_about(pair, routed), strange=True)
    stable, canary = next(iter(pair.stable), None), next(iter(pair.canary), None)
    if stable is None and canary is None:
        return Held(Split() if routed.stable is None else _somebody_else(pair))
    if stable is None and canary is not None:
        return _only_canary(pair, canary, routed)
    if stable is not None and _without_canary(pair, canary):
        return _only_stable(pair, stable, routed)
    return _both(pair, routed)


def _without_canary(pair: Pair, canary: Ref | None) -> bool:
    return canary is None or (canary.weight == 0 and not pair.rule.layout.is_marked(canary.body))


def _only_canary(pair: Pair, canary: Ref, routed: RoutedModel) -> Held:
    if canary.weight == 0:
        return Held(Split(), strange=routed.stable is not None)
    first = Split(canary=routed.canary, weight_permille=FULL_WEIGHT_PERMILLE)
    if not _whole(pair, canary, routed):
        return Held(replace(first, weight_permille=apart(_ALMOST_ALL, routed.steps_permille)))
    return Held(first if pair.rule.layout.is_marked(canary.body) else Split(stable=routed.canary))


def _only_stable(pair: Pair, stable: Ref, routed: RoutedModel) -> Held:
    if stable.weight == 0:
        return Held(Split(), strange=True)
    if _whole(pair, stable, routed):
        return Held(Split(stable=routed.stable))
    return Held(Split(routed.stable, routed.canary or Release(stable.name), 0))


def _whole(pair: Pair, ref: Ref, routed: RoutedModel) -> bool:
    """Whether a single ref has what the pair had before; alone in its rule any weight is everything."""
    return pair.alone or routed.weight_sum in (None, ref.weight)


def _both(pair: Pair, routed: RoutedModel) -> Held:
    stable, canary = pair.stable[0].weight or 0, pair.canary[0].weight or 0
    total = pair_sum(pair, routed.weight_sum)
    if stable + canary == 0:
        return Held(Split(), strange=True)
    if canary == 0 or (stable == 0 and canary == total):
        weight = FULL_WEIGHT_PERMILLE if canary else 0
        return Held(Split(routed.stable, routed.canary, weight))
    if stable > 0 and stable + canary == total:
        asked = (step for step in routed.steps_permille if units(step, total) == canary)
        weight = next(asked, None) or apart(_share(pair), routed.steps_permille)
        return Held(Split(routed.stable, routed.canary, weight))
    return Held(_about(pair, routed))


def _about(pair: Pair, routed: RoutedModel) -> Split:
    """The nearest split that no rollout asks for."""
    if not present_sum(pair):
        return Split()
    return Split(routed.stable, routed.canary, apart(_share(pair), routed.steps_permille))


def _share(pair: Pair) -> int:
    canary = sum(ref.weight or 0 for ref in pair.canary)
    return FULL_WEIGHT_PERMILLE * canary // present_sum(pair)


def apart(weight: int, steps_permille: Sequence[int]) -> int:
    """The weight, or the nearest that is neither nothing, nor everything, nor a step."""
    free = [each for each in range(1, FULL_WEIGHT_PERMILLE) if each not in steps_permille]
    return min(free, key=lambda each: abs(each - weight))


def _somebody_else(pair: Pair) -> Split:
    """The rule sends requests to neither version: a ref was renamed, or replaced."""
    serving = max(pair.others, key=lambda ref: ref.weight or 0, default=None)
    return Split(stable=Release(serving.name, backend=serving.backend)) if serving else Split()
