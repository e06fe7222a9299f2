"""Whether the route of a policy can give the weights of its steps exactly."""

from collections.abc import Sequence

from controller.domain.capabilities import Capabilities
from controller.policy.fields import Found, complaint
from controller.policy.quantities import show_weight, shown
from controller.policy.steps import AutoSteps, StepSection


def too_fine(
    steps: Sequence[StepSection] | AutoSteps, kind: str, capabilities: Capabilities | None
) -> list[Found]:
    """A complaint for each weight between two that the kind of route can give; none of an unknown kind."""
    finest = capabilities.finest_permille if capabilities else 1
    if isinstance(steps, AutoSteps):
        weights: list[tuple[tuple[str | int, ...], int]] = [(("max_weight",), steps.max_weight)]
    else:
        weights = [((index, "weight"), step.weight or 0) for index, step in enumerate(steps)]
    return [
        (
            location,
            complaint(
                f"{show_weight(weight)} is finer than {shown(kind)} can divide requests: "
                f"by {show_weight(finest)}",
                f"write {_nearest(weight, finest)}",
            ),
        )
        for location, weight in weights
        if weight % finest
    ]


def _nearest(weight: int, finest: int) -> str:
    below = weight // finest * finest
    above = show_weight(below + finest)
    return f"{show_weight(below)} or {above}" if below else above
