"""What Envoy Gateway calls the upstreams of a rule in Envoy's metrics. Pure.

A rule is one cluster, in which nothing tells versions apart, unless one of its backends that get requests has
filters of its own, as a ref of Serinus' has: then each is a cluster by its place in the list. Backends with
weight 0 have none, but keep their place.

**Source**: Envoy Gateway 1.x, internal/gatewayapi/route.go (names, weight 0) and internal/ir/xds.go
(NeedsClusterPerSetting). Not so with ``mergeBackends`` or ``telemetry.metrics.clusterStatName`` of an
EnvoyProxy, which name clusters otherwise.
"""

from controller.adapters.traffic.gateway_rule import Pair, Ref
from controller.domain.release import RoutedModel


def series_of(
    kind: str, namespace: str, name: str, pair: Pair, routed: RoutedModel
) -> tuple[tuple[str, str], ...]:
    """The cluster of each of the rollout's versions; a version that shares one with another has none.

    **Shape**: pairs of version and cluster, stable first.
    """
    root = f"{kind.lower()}/{namespace}/{name}/rule/{pair.rule.index}"
    apart = any(ref.body.get("filters") for ref in pair.rule.weighted)
    found: list[tuple[str, str]] = []
    for release, refs in ((routed.stable, pair.stable), (routed.canary, pair.canary)):
        if release is not None and len(refs) == 1 and (cluster := _cluster(root, refs[0], pair, apart=apart)):
            found.append((release.version, cluster))
    return tuple(found)


def _cluster(root: str, ref: Ref, pair: Pair, *, apart: bool) -> str | None:
    if apart or not ref.weight:
        return f"{root}/backend/{ref.index}"
    return root if len(pair.rule.weighted) == 1 else None
