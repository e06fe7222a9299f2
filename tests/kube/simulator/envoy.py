"""HTTPRoutes as the clusters and routes that Envoy Gateway makes of them. Pure: objects in, xDS out.

Names and rules are Envoy Gateway's own (internal/gatewayapi/route.go, internal/xds/translator/route.go): a
backendRef of weight 0 is left out; a rule in which another has filters, or no such backend or no endpoints,
gets one cluster per ref, ``httproute/NS/NAME/rule/I/backend/J`` where J counts all refs; any other rule gets
a single one, ``httproute/NS/NAME/rule/I``, in which the refs are localities. Copies of requests go to
``httproute/NS/NAME/rule/I-mirror-F``, where F counts the rule's filters.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deploy.local.render import ROUTE_CONFIG, type_url

Obj = dict[str, Any]
Endpoints = tuple[tuple[str, int], ...]
Resolve = Callable[[str, Obj], Endpoints | None]
"""Namespace of the route and a backendRef -> its ready endpoints, None if there is no such backend."""

_NOWHERE = "invalid-backend-cluster"
_TIMEOUT = "15s"


@dataclass(frozen=True, slots=True)
class _Ref:
    index: int
    weight: int
    endpoints: Endpoints | None
    filters: Sequence[Obj]


def configuration(
    routes: Sequence[Obj], resolve: Resolve, dishonest: Collection[str] = ()
) -> tuple[Obj, Obj]:
    """The discovery responses of clusters and of routes. The weights of ``dishonest`` routes are ignored."""
    clusters: list[Obj] = []
    entries: list[tuple[tuple[int, int, int], Obj]] = []
    for route in routes:
        for index, rule in enumerate(route["spec"].get("rules", [])):
            name = rule_name(route, index)
            honest = route["metadata"]["name"] not in dishonest
            refs = _refs(route, rule, resolve, honest=honest)
            mirrors = _mirrors(route, rule, resolve)
            clusters += [*_clusters(name, refs), *_mirror_clusters(name, mirrors)]
            action = _action(name, rule, refs, mirrors)
            entries += [(_precedence(match), _entry(name, match, action)) for match in _matches(rule)]
    entries.sort(key=lambda each: each[0], reverse=True)
    host = {"name": "all", "domains": ["*"], "routes": [entry for _, entry in entries]}
    table = {
        "@type": type_url("envoy.config.route.v3.RouteConfiguration"),
        "name": ROUTE_CONFIG,
        "virtual_hosts": [host] if entries else [],
    }
    return response(clusters), response([table])


def rule_name(route: Obj, index: int) -> str:
    """What Envoy Gateway calls a rule."""
    return f"httproute/{route['metadata']['namespace']}/{route['metadata']['name']}/rule/{index}"


def response(resources: Sequence[Obj]) -> Obj:
    """A discovery response; its version says what is in it."""
    text = json.dumps(resources, sort_keys=True)
    return {"version_info": hashlib.sha256(text.encode()).hexdigest()[:16], "resources": list(resources)}


def united(old: Obj, new: Obj) -> Obj:
    """Clusters of both, the new ones where both have one: what old and new routes can use."""
    resources = {each["name"]: each for each in [*old["resources"], *new["resources"]]}
    return response(list(resources.values()))


def missing_backend(route: Obj, resolve: Resolve) -> str | None:
    """The first backend that the route names and that does not exist."""
    for rule in route["spec"].get("rules", []):
        for ref in rule.get("backendRefs", []):
            if resolve(route["metadata"]["namespace"], ref) is None:
                return (
                    f"{ref.get('kind', 'Service')} {route['metadata']['namespace']}/{ref['name']} not found"
                )
    return None


def _refs(route: Obj, rule: Obj, resolve: Resolve, *, honest: bool) -> list[_Ref]:
    found = []
    for index, ref in enumerate(rule.get("backendRefs", [])):
        weight = ref.get("weight", 1)
        if weight:
            endpoints = resolve(route["metadata"]["namespace"], ref)
            found.append(_Ref(index, weight, endpoints, ref.get("filters", [])))
    return found if honest else [replace(ref, weight=int(ref is found[0])) for ref in found]


def _mirrors(route: Obj, rule: Obj, resolve: Resolve) -> list[tuple[_Ref, Obj]]:
    """What copies go to, by the place of the filter, and the share of requests that is copied."""
    found = []
    for index, each in enumerate(rule.get("filters", [])):
        if each["type"] == "RequestMirror":
            mirror = each["requestMirror"]
            endpoints = resolve(route["metadata"]["namespace"], mirror["backendRef"])
            share = {"numerator": mirror.get("percent", 100), "denominator": "HUNDRED"}
            if fraction := mirror.get("fraction"):
                parts = 1_000_000 * fraction["numerator"] // fraction.get("denominator", 100)
                share = {"numerator": parts, "denominator": "MILLION"}
            found.append((_Ref(index, 1, endpoints, ()), share))
    return found


def _mirror_clusters(name: str, mirrors: Sequence[tuple[_Ref, Obj]]) -> Iterator[Obj]:
    for ref, _ in mirrors:
        if ref.endpoints:
            yield _cluster(f"{name}-mirror-{ref.index}", [ref])


def _apart(refs: Sequence[_Ref]) -> bool:
    return any(ref.filters or not ref.endpoints for ref in refs)


def _clusters(name: str, refs: Sequence[_Ref]) -> Iterator[Obj]:
    if _apart(refs):
        for ref in refs:
            if ref.endpoints is not None:
                yield _cluster(f"{name}/backend/{ref.index}", [ref])
    elif refs:
        yield _cluster(name, [ref for ref in refs if ref.weight])


def _cluster(name: str, refs: Sequence[_Ref]) -> Obj:
    localities = [
        {
            "locality": {"region": f"backend/{ref.index}"},
            "load_balancing_weight": max(ref.weight, 1),  # alone it takes what the route gives the cluster
            "lb_endpoints": [
                {"endpoint": {"address": {"socket_address": {"address": ip, "port_value": port}}}}
                for ip, port in ref.endpoints or ()
            ],
        }
        for ref in refs
    ]
    return {
        "@type": type_url("envoy.config.cluster.v3.Cluster"),
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "common_lb_config": {"locality_weighted_lb_config": {}},
        "load_assignment": {"cluster_name": name, "endpoints": localities},
    }


def _action(name: str, rule: Obj, refs: Sequence[_Ref], mirrors: Sequence[tuple[_Ref, Obj]]) -> Obj:
    if not refs:
        return {"direct_response": {"status": 500}}
    action: Obj = {"timeout": rule.get("timeouts", {}).get("request", _TIMEOUT)}
    if _apart(refs):
        weighted = [
            {
                "name": _NOWHERE if ref.endpoints is None else f"{name}/backend/{ref.index}",
                "weight": ref.weight,
                **_headers(ref.filters),
            }
            for ref in refs
        ]
        action["weighted_clusters"] = {"clusters": weighted}
        action["cluster_not_found_response_code"] = "INTERNAL_SERVER_ERROR"
    else:
        action["cluster"] = name
    policies = [
        {"cluster": f"{name}-mirror-{ref.index}", "runtime_fraction": {"default_value": share}}
        for ref, share in mirrors
        if ref.endpoints
    ]
    if policies:
        action["request_mirror_policies"] = policies
    filters = rule.get("filters", [])
    for rewrite in (each["urlRewrite"] for each in filters if each["type"] == "URLRewrite"):
        path = rewrite.get("path", {})
        if "replacePrefixMatch" in path:
            action["prefix_rewrite"] = path["replacePrefixMatch"]
        elif "replaceFullPath" in path:
            action["regex_rewrite"] = {"pattern": {"regex": "^/.*$"}, "substitution": path["replaceFullPath"]}
    return {"route": action, **_headers(filters)}


def _headers(filters: Sequence[Obj]) -> Obj:
    made: Obj = {}
    for each in filters:
        for kind, field in (("RequestHeaderModifier", "request"), ("ResponseHeaderModifier", "response")):
            if each["type"] != kind:
                continue
            change = each[f"{field}HeaderModifier"]
            added = [
                {"header": {"key": header["name"], "value": header["value"]}, "append_action": how}
                for verb, how in (("set", "OVERWRITE_IF_EXISTS_OR_ADD"), ("add", "APPEND_IF_EXISTS_OR_ADD"))
                for header in change.get(verb, [])
            ]
            made.setdefault(f"{field}_headers_to_add", []).extend(added)
            made.setdefault(f"{field}_headers_to_remove", []).extend(change.get("remove", []))
    return made


def _matches(rule: Obj) -> Sequence[Obj]:
    return rule.get("matches") or [{}]


def _path(match: Obj) -> tuple[str, str]:
    path = match.get("path", {})
    return path.get("type", "PathPrefix"), path.get("value", "/")


def _precedence(match: Obj) -> tuple[int, int, int]:
    """As Gateway API orders them: an exact path, then the longest prefix, then the most headers."""
    kind, value = _path(match)
    return int(kind == "Exact"), len(value), len(match.get("headers", []))


def _entry(name: str, match: Obj, action: Obj) -> Obj:
    kind, value = _path(match)
    where: Obj
    if kind == "Exact":
        where = {"path": value}
    else:
        where = {"prefix": "/"} if value == "/" else {"path_separated_prefix": value.rstrip("/")}
    headers = [
        {"name": each["name"], "string_match": {"exact": each["value"]}} for each in match.get("headers", [])
    ]
    return {"name": name, "match": {**where, **({"headers": headers} if headers else {})}, **action}
