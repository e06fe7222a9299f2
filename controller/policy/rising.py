"""The order of the steps of a policy file: shadows or testers first, and each above the one before it."""

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidatorFunctionWrapHandler as Handler

from controller.policy.fields import Found, complaint, together
from controller.policy.quantities import QuantityError, parse_weight, show_weight
from controller.policy.testers import is_for_testers, misplaced_testers


def rising(value: object, handler: Handler) -> Any:
    """Compare neighbours even where a step has other faults, so that all are told at once."""
    steps = value if isinstance(value, list) else []
    weighted = [index for index, step in enumerate(steps) if _share(step, "weight") is not None]
    found = [*misplaced_testers(steps, weighted), *_misplaced_shadows(steps, weighted)]
    for key in ("shadow", "weight"):
        found += _falling(steps, key)
    return together(value, handler, found)


def _falling(steps: Sequence[Any], key: str) -> Iterator[Found]:
    last: tuple[int, int] | None = None
    for index, step in enumerate(steps):
        share = _share(step, key)
        if share is None:
            continue
        if last is not None and share <= last[1]:
            order = "lower than" if share < last[1] else "the same as"
            sentence = f"{show_weight(share)} is {order} steps[{last[0]}] ({show_weight(last[1])})"
            yield (index, key), complaint(sentence, "each step must be above the one before it")
        last = index, share


def _misplaced_shadows(steps: Sequence[Any], weighted: Sequence[int]) -> Iterator[Found]:
    """They come first, and before something; beside testers what they show could not be told apart."""
    places = [index for index, step in enumerate(steps) if isinstance(step, dict) and "shadow" in step]
    for index in places:
        if weighted and index > weighted[0]:
            sentence = f"users have the canary since steps[{weighted[0]}]"
            yield (index, "shadow"), complaint(sentence, "put shadow steps before the first weight")
    if places and len(places) == len(steps):
        sentence = "every step is a shadow: no user would see the canary before everyone does"
        yield (), complaint(sentence, "add a weight, such as - 1%")
    testers = [index for index, step in enumerate(steps) if is_for_testers(step)]
    if places and testers:
        sentence = "a policy has shadow steps or a step for testers, not both"
        yield (testers[0],), complaint(sentence, "leave one of them out")


def _share(step: object, key: str) -> int | None:
    try:
        if isinstance(step, dict):
            return parse_weight(step.get(key))
        return parse_weight(step) if key == "weight" else None
    except QuantityError:
        return None
