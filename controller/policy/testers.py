"""The step at which only testers get the canary, as it is written in a list of steps."""

from collections.abc import Iterator, Sequence
from typing import Any

from controller.policy.fields import Found, complaint

TESTERS = "testers"
"""The step alone; and the field that says it in a longer one."""
BARE_TESTERS: dict[str, Any] = {
    "const": TESTERS,
    "description": "Only the audience's testers get the canary.",
}


def misplaced_testers(steps: Sequence[Any], weighted: Sequence[int]) -> Iterator[Found]:
    """They come once, first, and before something: who chose the canary does not answer for all others.

    ``weighted`` are the places of the steps that have a weight.
    """
    places = [index for index, step in enumerate(steps) if is_for_testers(step)]
    for index in places:
        if index > min([*places, *weighted]):
            sentence, suggestion = "testers come before everybody else, once", "write it before all weights"
            yield (index,), complaint(sentence, suggestion)
    if places and len(places) == len(steps):
        yield (places[-1],), complaint("no weight follows testers", "add one: [testers, 5%, 25%]")


def is_for_testers(step: object) -> bool:
    """Whether a step, as it is written, is the testers'."""
    return step == TESTERS or (isinstance(step, dict) and step.get(TESTERS) is True)
