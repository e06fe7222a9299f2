"""Copies of requests for a canary that no user has: how a route of Envoy makes them, and how many. Pure.

They go to a cluster of their own, `shadow_name`, so that its metrics hold no user's request; Envoy drops the
answers. **Source**: envoy.config.route.v3, RouteAction.RequestMirrorPolicy; envoy.type.v3, FractionalPercent.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from controller.adapters.naming import backend_name, shadow_name
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import Split

_FIELD = "request_mirror_policies"
_DENOMINATORS: Mapping[object, int] = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


def mirrored(model: str, split: Split) -> dict[str, Any]:
    """The part of a route's action that copies requests; empty where none are copied.

    With the host as it was: Envoy's own -shadow behind it is for services that tell copies apart, and a
    model server that knows its host by name would refuse them.
    """
    if not (split.canary and split.mirror_permille):
        return {}
    share = {"numerator": split.mirror_permille * 10, "denominator": "TEN_THOUSAND"}
    policy = {
        "cluster": shadow_name(model, split.canary.version),
        "runtime_fraction": {"default_value": share},
        "disable_shadow_host_suffix_append": True,
    }
    return {_FIELD: [policy]}


def copied_permille(config: Mapping[str, Any], model: str, split: Split) -> int:
    """The share of requests that a route really copies to the canary, whatever it was rendered from.

    Rounded away from the recorded share, so that the smallest edit is seen. Copies that people send elsewhere
    are theirs.
    """
    if split.canary is None:
        return 0
    names = {name(model, split.canary.version) for name in (shadow_name, backend_name)}
    action = config.get("route")
    policies = action.get(_FIELD) if isinstance(action, dict) else None
    part = sum(_millionths(policies if isinstance(policies, list) else [], names))
    most, whole = 1000 * FULL_WEIGHT_PERMILLE, 1000
    part = min(part, most)
    return -(-part // whole) if part > split.mirror_permille * whole else part // whole


def _millionths(policies: list[Any], names: set[str]) -> Iterator[int]:
    """The share of each policy that sends copies there; all of the requests where it says none."""
    for policy in policies:
        if not (isinstance(policy, dict) and policy.get("cluster") in names):
            continue
        match policy.get("runtime_fraction"):
            case {"default_value": {"numerator": int(numerator), **fraction}}:
                yield 1_000_000 * numerator // _DENOMINATORS.get(fraction.get("denominator", "HUNDRED"), 100)
            case _:
                yield 1_000_000
