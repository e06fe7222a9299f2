"""What the simulated gateway makes of routes: the names and rules of Envoy Gateway."""

from typing import Any

from tests.kube.manifests import backend, route
from tests.kube.simulator.envoy import Endpoints, configuration, missing_backend

Obj = dict[str, Any]
HERE: Endpoints = (("127.9.0.1", 8080),)


def resolve(namespace: str, ref: Obj) -> Endpoints | None:
    known: dict[str, Endpoints] = {"a": HERE, "b": (("127.9.0.2", 8080),), "empty": ()}
    return known.get(ref["name"])


def made(*routes: Obj, dishonest: frozenset[str] = frozenset()) -> tuple[dict[str, Obj], list[Obj]]:
    clusters, table = configuration(routes, resolve, dishonest)
    hosts = table["resources"][0]["virtual_hosts"]
    return {each["name"]: each for each in clusters["resources"]}, hosts[0]["routes"] if hosts else []


def weights(entry: Obj) -> dict[str, int]:
    return {each["name"]: each["weight"] for each in entry["route"]["weighted_clusters"]["clusters"]}


def test_backends_with_filters_get_a_cluster_each() -> None:
    clusters, entries = made(route("ns", "m", [backend("a", 90), backend("b", 10)]))
    assert list(clusters) == ["httproute/ns/m/rule/0/backend/0", "httproute/ns/m/rule/0/backend/1"]
    assert list(weights(entries[0]).values()) == [90, 10]


def test_backends_without_filters_share_one_cluster() -> None:
    refs = [backend("a", 90, header=False), backend("b", 10, header=False)]
    clusters, entries = made(route("ns", "m", refs))
    assert list(clusters) == ["httproute/ns/m/rule/0"]
    assert entries[0]["route"]["cluster"] == "httproute/ns/m/rule/0"
    localities = clusters["httproute/ns/m/rule/0"]["load_assignment"]["endpoints"]
    assert [each["load_balancing_weight"] for each in localities] == [90, 10]


def test_weight_zero_is_left_out_and_the_others_keep_their_numbers() -> None:
    clusters, entries = made(route("ns", "m", [backend("a", 0), backend("b", 7)]))
    assert list(clusters) == ["httproute/ns/m/rule/0/backend/1"]
    assert weights(entries[0]) == {"httproute/ns/m/rule/0/backend/1": 7}


def test_nothing_with_a_weight_is_an_error_answer() -> None:
    assert made(route("ns", "m", [backend("a", 0)]))[1][0]["direct_response"] == {"status": 500}
    assert made(route("ns", "m", []))[1][0]["direct_response"] == {"status": 500}


def test_a_backend_that_is_not_there_fails_its_own_share() -> None:
    object_ = route("ns", "m", [backend("a", 5, header=False), backend("nobody", 5, header=False)])
    clusters, entries = made(object_)
    assert list(clusters) == ["httproute/ns/m/rule/0/backend/0"]
    assert weights(entries[0]) == {"httproute/ns/m/rule/0/backend/0": 5, "invalid-backend-cluster": 5}
    assert missing_backend(object_, resolve) == "Service ns/nobody not found"


def test_a_backend_without_endpoints_keeps_an_empty_cluster_and_is_not_missing() -> None:
    object_ = route("ns", "m", [backend("a", 5, header=False), backend("empty", 5, header=False)])
    clusters, _ = made(object_)
    empty = clusters["httproute/ns/m/rule/0/backend/1"]["load_assignment"]["endpoints"][0]
    assert empty["lb_endpoints"] == []
    assert missing_backend(object_, resolve) is None


def test_a_dishonest_gateway_sends_everything_to_the_first() -> None:
    clusters, entries = made(
        route("ns", "m", [backend("a", 10), backend("b", 90)]), dishonest=frozenset({"m"})
    )
    first, second = "httproute/ns/m/rule/0/backend/0", "httproute/ns/m/rule/0/backend/1"
    assert weights(entries[0]) == {first: 1, second: 0}
    assert list(clusters) == [first, second]


def test_a_dishonest_gateway_shares_no_cluster_with_a_backend_that_gets_nothing() -> None:
    refs = [backend("a", 10, header=False), backend("b", 90, header=False)]
    clusters, _ = made(route("ns", "m", refs), dishonest=frozenset({"m"}))
    localities = clusters["httproute/ns/m/rule/0"]["load_assignment"]["endpoints"]
    assert [each["load_balancing_weight"] for each in localities] == [1]


def test_the_longest_path_is_asked_first() -> None:
    all_paths = route("ns", "all", [backend("a")], matches=[{"path": {"type": "PathPrefix", "value": "/"}}])
    exact = route("ns", "exact", [backend("a")], matches=[{"path": {"type": "Exact", "value": "/x"}}])
    _, entries = made(all_paths, route("ns", "m", [backend("a")]), exact)
    assert [each["match"] for each in entries] == [
        {"path": "/x"},
        {"path_separated_prefix": "/v2/models/m"},
        {"prefix": "/"},
    ]


def test_filters_of_a_rule_rewrite_the_path() -> None:
    _, entries = made(route("ns", "m", [backend("a")]))
    assert entries[0]["route"]["prefix_rewrite"] == "/v2/models/tumor-classifier"
    cluster = entries[0]["route"]["weighted_clusters"]["clusters"][0]
    assert cluster["request_headers_to_add"][0]["header"] == {"key": "x-model-backend", "value": "a"}
