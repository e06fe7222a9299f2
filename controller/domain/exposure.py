"""Who gets the canary at a step. Pure.

A testers' step comes before all weights: nobody is chosen by chance at it, so its weight is 0. Testers keep
the canary at every weight after it, and users may keep what they were given while the weight grows. At shadow
steps, which come before any other, requests are only copied to it.
"""

from controller.domain.audience import EVERYBODY, Audience
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Policy, Step

_ONE_COPY_PERMILLE = 1
"""What the copies must be able to carry for testers alone: the least that there can be."""


def audience_at(policy: Policy, step: Step | None, weight_permille: int) -> Audience:
    """Whom the gateway treats otherwise than by chance; nobody where one version serves everyone."""
    rules = policy.audience
    if step is not None and step.testers:
        return Audience(rules.testers)
    if 0 < weight_permille < FULL_WEIGHT_PERMILLE:
        return Audience(rules.testers, rules.sticky)
    return EVERYBODY


def weights(policy: Policy) -> tuple[int, ...]:
    """The weights of the steps that have one: what a route must be able to express."""
    return tuple(step.weight_permille for step in policy.steps if step.weight_permille)


def mirrors(policy: Policy) -> tuple[int, ...]:
    """The shares of requests that the shadow steps copy, in thousandths."""
    return tuple(step.mirror_permille for step in policy.steps if step.mirror_permille)


def has_testers_step(policy: Policy) -> bool:
    """Whether testers get the canary before anybody else."""
    return any(step.testers for step in policy.steps)


def first_weighted(policy: Policy) -> int:
    """The index of the first step with a weight: below it nobody gets the canary by chance."""
    return next((index for index, step in enumerate(policy.steps) if step.weight_permille), 0)


def past_shadows(policy: Policy) -> int:
    """The index of the first step that is no shadow: how many there are."""
    return len(mirrors(policy))


def needed_share(step: Step) -> int:
    """The share of requests that the copies must be able to carry at a step, in thousandths."""
    return max(step.weight_permille, step.mirror_permille, _ONE_COPY_PERMILLE)
