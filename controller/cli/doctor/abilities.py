"""What the route of a policy can and cannot do for a rollout, in words for people. Pure."""

from collections.abc import Callable, Mapping

from controller.cli.doctor.findings import Finding, ok
from controller.domain.capabilities import Capabilities
from controller.domain.policy import Policy
from controller.domain.wording import percent

ABILITIES: Mapping[str, Callable[[Capabilities], bool]] = {
    "keep a version at weight 0": lambda each: each.zero_weight,
    "mirror requests": lambda each: each.mirror,
    "route by header or cookie": lambda each: each.match,
    "keep a user with a version": lambda each: each.sticky,
    "name the version in each answer": lambda each: bool(each.version_header),
}
"""What a kind of route may be able to do beside dividing requests by weight, and whether it is."""


def abilities(policy: Policy, known: Mapping[str, Capabilities]) -> Finding | None:
    """What the kind of the policy's route can do; None for a kind that nobody knows."""
    found = known.get(policy.route.kind)
    if found is None:
        return None
    can = [f"divide requests by {percent(found.finest_permille)}"]
    can += [what for what, has in ABILITIES.items() if has(found)]
    cannot = [what for what, has in ABILITIES.items() if not has(found)]
    without = f"; cannot {', '.join(cannot)}" if cannot else ""
    return ok("abilities", policy.model, f"{policy.route.kind} can {', '.join(can)}{without}")
