"""What Envoy Gateway calls the upstreams of a rule in Envoy's metrics. Pure.

A rule is one cluster, in which nothing tells versions apart, unless one of its backends that get requests has
filters of its own, as a ref of Serinus' has: then each is a cluster by its place in the list. Backends with
weight 0 have none, but keep their place. Copies of requests go to a cluster of their own, named by the place
of the filter among the rule's.

**Source**: Envoy Gateway 1.x, internal/gatewayapi/route.go (names, weight 0), filters.go (copies) and
internal/ir/xds.go (NeedsClusterPerSetting). Not so with ``mergeBackends`` or
``telemetry.metrics.clusterStatName`` of an EnvoyProxy, which name clusters otherwise.
"""

from collections.abc import Sequence

from controller.adapters.traffic.gateway_audience import KEPT, OTHERS, TESTERS, role_of
from controller.adapters.traffic.gateway_mirror import mirror_places
from controller.adapters.traffic.gateway_rule import Pair, Ref, Rule
from controller.domain.release import RoutedModel, Split


def series_of(
    kind: str, routed: RoutedModel, pair: Pair, added: Sequence[Rule], split: Split
) -> tuple[tuple[str, str], ...]:
    """The clusters of each of the rollout's versions; a version that shares one with another has none.

    Of the rules that Serinus added the testers' counts while nobody else gets the canary, and never after:
    what is compared with stable was given by chance.

    **Shape**: pairs of version and cluster; a version with a rule of its own comes twice.
    """
    route = f"{kind.lower()}/{routed.namespace}/{routed.route.name}"
    found = [*_of_pair(f"{route}/rule/{pair.rule.index}", pair, routed)]
    versions = {KEPT: routed.canary, OTHERS: routed.stable}
    if split.testers_only:
        versions = {TESTERS: routed.canary}
        found = [each for each in found if routed.canary is None or each[0] != routed.canary.version]
    for rule in added:
        release = versions.get(role_of(rule))
        if release is not None and len(rule.refs) == 1:
            root = f"{route}/rule/{rule.index}"
            found.append((release.version, f"{root}/backend/0" if rule.refs[0].body.get("filters") else root))
    return tuple(found)


def _of_pair(root: str, pair: Pair, routed: RoutedModel) -> Sequence[tuple[str, str]]:
    copies = mirror_places(pair, routed)
    apart = any(ref.body.get("filters") for ref in pair.rule.weighted)
    found: list[tuple[str, str]] = []
    if copies and routed.canary is not None:
        found.append((routed.canary.version, f"{root}-mirror-{copies[0]}"))
    for release, refs in ((routed.stable, pair.stable), (routed.canary, pair.canary)):
        if copies and release is routed.canary:
            continue
        if release is not None and len(refs) == 1 and (cluster := _cluster(root, refs[0], pair, apart=apart)):
            found.append((release.version, cluster))
    return found


def _cluster(root: str, ref: Ref, pair: Pair, *, apart: bool) -> str | None:
    if apart or not ref.weight:
        return f"{root}/backend/{ref.index}"
    return root if len(pair.rule.weighted) == 1 else None
