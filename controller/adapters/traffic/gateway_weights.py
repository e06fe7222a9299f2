"""How a share becomes whole numbers on a route. Pure.

Alone in its rule the pair has its layout's full sum while both versions are there, so that shares are exact.
Beside other backends the pair keeps its sum, or the others' shares would change. There the canary gets the
whole units that fit into its share, never more, so that stable never has less than its own.
"""

from collections.abc import Sequence

from controller.adapters.traffic.gateway_rule import Pair
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.wording import percent

_LEAST_TENTHS = 9
"""The canary must get at least so many tenths of its share. The test of the measured share allows more."""
_FACTORS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)


def units(weight_permille: int, total: int) -> int:
    """The canary's part of the pair's sum: rounded down, so less than all for less than everything."""
    return total * weight_permille // FULL_WEIGHT_PERMILLE


def pair_sum(pair: Pair, weight_sum: int | None) -> int:
    """What the pair's weights must add up to while both are there."""
    if pair.alone:
        return pair.rule.layout.full_sum
    return weight_sum if weight_sum is not None else present_sum(pair)


def present_sum(pair: Pair) -> int:
    """What they add up to now."""
    return sum(ref.weight or 0 for ref in (*pair.stable, *pair.canary))


def fits(total: int, steps_permille: Sequence[int]) -> bool:
    """Whether each step gives the canary at least nine tenths of its share, and no two the same."""
    parts = [units(step, total) for step in steps_permille]
    near = all(
        part * FULL_WEIGHT_PERMILLE * 10 >= _LEAST_TENTHS * total * step and part > 0
        for part, step in zip(parts, steps_permille, strict=True)
    )
    return near and len(set(parts)) == len(parts)


def too_small(pair: Pair, total: int, steps_permille: Sequence[int]) -> str:
    """Why the sum cannot express the steps, and how to mend it; empty if it can."""
    if fits(total, steps_permille):
        return ""
    if pair.alone:
        least = percent(-(-FULL_WEIGHT_PERMILLE // total))
        step = percent(_unfit(total, steps_permille))
        return f"the step {step} cannot be given exactly: weights here are multiples of {least}"
    rule = [(ref.shown, ref.weight) for ref in pair.rule.refs if ref.weight]
    return too_coarse(rule, total, steps_permille, pair.rule.layout.most_weight)


def too_coarse(
    rule: Sequence[tuple[str, int]], total: int, steps_permille: Sequence[int], most_weight: int
) -> str:
    """Why a sum beside others' weights cannot express the steps, and how to mend it.

    ``rule`` is who has a weight in the rule, and which: not empty.
    """
    largest = max(weight for _, weight in rule)
    enough = [factor for factor in _FACTORS if fits(total * factor, steps_permille)]
    step = percent(_unfit(total, steps_permille))
    sentence = f"the model's weights add up to {total} beside other backends, too few for {step}"
    if not enough or largest * enough[0] > most_weight:
        return f"{sentence}; larger weights are not allowed: use larger steps, or give the model its own rule"
    factor = enough[0]
    new = ", ".join(f"{name} {weight} -> {weight * factor}" for name, weight in rule)
    return f"{sentence}; multiply all weights of the rule by {factor}: {new}"


def _unfit(total: int, steps_permille: Sequence[int]) -> int:
    """The first step that the sum cannot express by itself; the last where it is two that are the same."""
    return next((step for step in steps_permille if not fits(total, (step,))), steps_permille[-1])
