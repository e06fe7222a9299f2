"""Copies of requests for a canary that no user has: why a gateway does not make them, and what follows."""

from dataclasses import replace

from controller.domain.exposure import mirrors, past_shadows
from controller.domain.model import Rollout, Route
from controller.domain.observation import Observation, RouteSeen
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Policy
from controller.domain.vocabulary import Reason
from controller.domain.wording import given, listed, percent


def in_shadow(rollout: Rollout) -> bool:
    """Whether it is at a shadow step, before which no user was given the canary."""
    shadow = rollout.step is not None and bool(rollout.policy.steps[rollout.step].mirror_permille)
    return shadow and not rollout.route.intended.exposes


def skips(rollout: Rollout) -> bool:
    """Whether its step is a shadow that the gateway cannot give it, and does not."""
    return in_shadow(rollout) and bool(rollout.route.unmirrored) and not rollout.mirror_permille


def unmirrored_now(route: Route, seen: RouteSeen) -> str:
    """Why the copies that are asked for do not come; empty where they may, and where none are asked for."""
    asked = route.intended
    if not asked.mirror_permille:
        return ""
    every = replace(asked, mirror_permille=FULL_WEIGHT_PERMILLE)
    if seen.split == every != asked:
        return f"the gateway copies every request, not {percent(asked.mirror_permille)}: it knows no shares"
    return seen.unmirrored if seen.split in (asked, route.previous) else ""


def refused_write(route: Route, problem: Reason, message: str) -> RouteSeen:
    """The gateway's refusal of a write, as something that was seen.

    Where copies of requests were asked for, it is those that it does not take.
    """
    if route.intended.mirror_permille and problem is Reason.ROUTE_REJECTED:
        return RouteSeen(route.previous, accepted=False, unmirrored=message)
    return RouteSeen(route.previous, accepted=False, problem=problem, message=message)


def surveyed_unmirrored(rollout: Rollout, seen: Observation) -> str:
    """Why the shadow steps cannot be, if there are any: a first deployment has no step at all."""
    serving = (seen.survey.serving if seen.survey else None) or seen.serving
    asks = bool(past_shadows(rollout.policy)) and serving is not None and seen.survey is not None
    return seen.survey.unmirrored if asks and seen.survey else ""


def first_listed(policy: Policy, unmirrored: str) -> int:
    """The step to begin with: the first, or behind the shadows where requests cannot be copied."""
    return past_shadows(policy) if unmirrored else 0


def left_out(policy: Policy, why: str) -> str:
    """That the shadow steps are not taken, in words for people."""
    shadows = mirrors(policy)
    names = listed([given(0, share) for share in shadows])
    return f"{names} {'is' if len(shadows) == 1 else 'are'} left out: {why}"
