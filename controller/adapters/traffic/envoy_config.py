"""Writes one model's piece of Envoy's configuration: its route entry and its clusters, from a split.

Pure. The route's metadata says which split it was rendered from, so that `envoy_reading` can give back
exactly that split.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.adapters.naming import backend_name, shadow_name, testers_name
from controller.adapters.traffic.envoy_audience import hashed, record_of, with_testers
from controller.adapters.traffic.envoy_mirror import mirrored
from controller.domain.policy import FULL_WEIGHT_PERMILLE, RouteRef
from controller.domain.release import Release, Split
from controller.domain.vocabulary import Reason
from controller.errors import TargetError

Json = dict[str, Any]

NAMESPACE = "dev.serinus"
KIND = "envoy"
VERSION_HEADER = "x-serinus-version"
# Models may think for minutes; Envoy's own default would cut them off after 15 s.
REQUEST_TIMEOUT = "300s"
CONNECT_TIMEOUT = "1s"

_TYPE = "type.googleapis.com/"
PATH_INPUT: Json = {
    "name": "path",
    "typed_config": {
        "@type": f"{_TYPE}envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
        "header_name": ":path",
    },
}
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """A model's route entry as Serinus wrote it, and the epoch of the daemon that did.

    ``actual`` is what the gateway does instead of ``split`` because somebody edited the entry.
    """

    model: str
    route: RouteRef
    split: Split
    epoch: int
    latched: Reason | None = None
    actual: Split | None = None

    @property
    def running(self) -> Split:
        """What the gateway does by this entry."""
        return self.split if self.actual is None else self.actual


def path_prefix(route: RouteRef) -> str:
    """The path that the model answers at, without a slash at its end. Raises `TargetError`."""
    if not route.name.startswith("/") or re.search(r"[?#\s]", route.name):
        raise TargetError(
            f"the route {route.name!r} is not a path prefix: it must start with / and have no ? # or space"
        )
    return route.name.rstrip("/") or "/"


def shares(split: Split) -> dict[str, int]:
    """Version to thousandths of the traffic, only those above 0; empty when nobody answers.

    A version with weight 0 is left out rather than listed with 0: gateways differ in what 0 means.
    """
    if not 0 <= split.weight_permille <= FULL_WEIGHT_PERMILLE:
        raise TargetError(
            f"the weight {split.weight_permille} is not between 0 and {FULL_WEIGHT_PERMILLE} thousandths"
        )
    weight = split.weight_permille if split.canary else 0
    if split.canary and not split.stable:
        return {split.canary.version: FULL_WEIGHT_PERMILLE} if weight else {}
    parts: dict[str, int] = {}
    for release, part in ((split.stable, FULL_WEIGHT_PERMILLE - weight), (split.canary, weight)):
        if release and part:
            parts[release.version] = parts.get(release.version, 0) + part
    return parts


def render_clusters(model: str, split: Split) -> dict[str, Json]:
    """The clusters that a split needs, by name. Raises `TargetError`."""
    clusters: dict[str, Json] = {}
    for release in (split.stable, split.canary):
        if release is None:
            continue
        cluster = _cluster(model, release, backend_name(model, release.version))
        if clusters.setdefault(cluster["name"], cluster) != cluster:
            raise TargetError(
                f"stable and canary of {model} are both version {release.version}, at different endpoints"
            )
    return clusters | {name: _cluster(model, release, name) for name, release in _apart(model, split).items()}


def cluster_names(model: str, split: Split) -> set[str]:
    """The names of the clusters that a split needs."""
    names = {backend_name(model, release.version) for release in (split.stable, split.canary) if release}
    return names | _apart(model, split).keys()


def serving_names(model: str, split: Split) -> set[str]:
    """Those of them that get requests, or copies of requests."""
    return {backend_name(model, version) for version in shares(split)} | _apart(model, split).keys()


def _apart(model: str, split: Split) -> dict[str, Release]:
    """The canary's clusters whose requests are counted apart from others: its testers', and copies."""
    found: dict[str, Release] = {}
    if split.canary is not None and split.audience.testers:
        found[testers_name(model, split.canary.version)] = split.canary
    if split.canary is not None and split.mirror_permille:
        found[shadow_name(model, split.canary.version)] = split.canary
    return found


def _cluster(model: str, release: Release, name: str) -> Json:
    if not release.endpoints:
        raise TargetError(f"version {release.version} of {model} has no endpoint")
    addresses = [_address(endpoint) for endpoint in release.endpoints]
    static = all(_is_ip(address["address"]) for address in addresses)
    endpoints = [{"endpoint": {"address": {"socket_address": address}}} for address in addresses]
    return {
        "@type": f"{_TYPE}envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "STATIC" if static else "STRICT_DNS",
        # Not IPv6 first, Envoy's default: localhost has such an address where few model servers listen.
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": CONNECT_TIMEOUT,
        "metadata": {"filter_metadata": {NAMESPACE: {"model": model, "version": release.version}}},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def _address(endpoint: str) -> Json:
    host, colon, port = endpoint.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _MAX_PORT):
        raise TargetError(f"the endpoint {endpoint!r} is not host:port")
    return {"address": host, "port_value": int(port)}


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_ours(cluster: Mapping[str, Any]) -> bool:
    """Whether Serinus made the cluster, and so may remove it."""
    match cluster:
        case {"metadata": {"filter_metadata": {"dev.serinus": _}}}:
            return True
    return False


def render_route(entry: ModelRoute) -> tuple[str, Json]:
    """The path prefix and what the matcher tree holds for it. Raises `TargetError`."""
    prefix = path_prefix(entry.route)
    metadata = {"filter_metadata": {NAMESPACE: _record(entry)}}
    everybody = _action(prefix, {"metadata": metadata, **_answer(entry)})
    done = with_testers(everybody, entry.split.audience.testers, _action(prefix, _for_testers(entry)))
    if prefix == "/":
        return prefix, done
    # The tree compares characters, so /m/a also finds /m/ab. The expression demands the end of a path
    # segment; on a miss the tree goes on with the next shorter prefix, as a mismatch in the route would not.
    boundary = {"google_re2": {}, "regex": re.escape(prefix) + "(?:[/?].*)?"}
    predicate = {"single_predicate": {"input": PATH_INPUT, "value_match": {"safe_regex": boundary}}}
    return prefix, {"matcher": {"matcher_list": {"matchers": [{"predicate": predicate, "on_match": done}]}}}


def _action(prefix: str, config: Json) -> Json:
    route = {"@type": f"{_TYPE}envoy.config.route.v3.Route", "match": {"prefix": prefix}, **config}
    return {"action": {"name": "route", "typed_config": route}}


def _record(entry: ModelRoute) -> Json:
    split = entry.split
    record: Json = {"model": entry.model, "epoch": entry.epoch, "route": entry.route.name}
    if entry.route.rewrite is not None:
        record["rewrite"] = entry.route.rewrite
    for role, release in (("stable", split.stable), ("canary", split.canary)):
        if release:
            record[role] = [release.version, *release.endpoints]
    record |= {"weight": split.weight_permille, **record_of(split.audience)}
    if split.mirror_permille:
        record["mirror"] = split.mirror_permille
    if entry.latched:
        record["latched"] = entry.latched.value
    return record


def _answer(entry: ModelRoute) -> Json:
    parts = shares(entry.split)
    if not parts:
        body = f"No version of {entry.model} takes requests now.\n"
        return {"direct_response": {"status": 503, "body": {"inline_string": body}}}
    canary, sticky = entry.split.canary, entry.split.audience.sticky
    named = {backend_name(entry.model, version): part for version, part in parts.items()}
    first = backend_name(entry.model, canary.version) if canary else ""
    order = sorted(named, key=lambda name: name != first) if sticky else list(named)
    weighted: Json = {"clusters": [{"name": name, "weight": named[name]} for name in order]}
    if sticky:
        weighted["use_hash_policy"] = True
    return {
        "route": {
            "timeout": REQUEST_TIMEOUT,
            "weighted_clusters": weighted,
            **hashed(sticky, first),
            **mirrored(entry.model, entry.split),
            **_rewrite(entry.route),
        }
    }


def _for_testers(entry: ModelRoute) -> Json:
    canary = entry.split.canary
    name = testers_name(entry.model, canary.version) if canary else ""
    return {"route": {"timeout": REQUEST_TIMEOUT, "cluster": name, **_rewrite(entry.route)}}


def _rewrite(route: RouteRef) -> Json:
    if route.rewrite is None:
        return {}
    prefix, target = path_prefix(route), route.rewrite.rstrip("/")
    if target:
        return {"prefix_rewrite": f"{target}/" if prefix == "/" else target}
    # An empty prefix_rewrite means none, and "/" would double the slash of what follows.
    pattern = {"regex": f"^{re.escape(prefix.rstrip('/'))}/*"}
    return {"regex_rewrite": {"pattern": pattern, "substitution": "/"}}
