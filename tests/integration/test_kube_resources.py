"""The CRDs of the tests' API server take and refuse what the published ones do."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.kube.admin import ApiError

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration
GATEWAY_API = "gateway.networking.k8s.io/v1"


def route(namespace: str, *backends: dict[str, Any], kind: str = "HTTPRoute", **rule: Any) -> dict[str, Any]:
    return {
        "apiVersion": GATEWAY_API,
        "kind": kind,
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": "edge"}],
            "rules": [{"name": "chat", "backendRefs": list(backends), **rule}],
        },
    }


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute"])
def test_a_route_gets_the_published_defaults(apiserver: "ApiServer", namespace: str, kind: str) -> None:
    made = apiserver.admin.create(route(namespace, {"name": "v1", "port": 80}, kind=kind))
    (rule,) = made["spec"]["rules"]
    (backend,) = rule["backendRefs"]
    assert backend == {"group": "", "kind": "Service", "name": "v1", "port": 80, "weight": 1}
    assert made["spec"]["parentRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
    ]
    matches = [{"path": {"type": "PathPrefix", "value": "/"}}] if kind == "HTTPRoute" else None
    assert rule.get("matches") == matches


@pytest.mark.parametrize(
    "backend",
    [
        {"name": "v1", "port": 80, "weight": -1},
        {"name": "v1", "port": 80, "weight": 1_000_001},
        {"name": "v1", "port": 80, "weight": 0.5},
        {"name": "v1"},
        {"port": 80},
    ],
)
def test_a_route_refuses_an_impossible_backend(
    apiserver: "ApiServer", namespace: str, backend: dict[str, Any]
) -> None:
    with pytest.raises(ApiError, match="422"):
        apiserver.admin.create(route(namespace, backend))


def test_a_pool_needs_no_port_and_weights_reach_a_million(apiserver: "ApiServer", namespace: str) -> None:
    pool = {
        "group": "inference.networking.k8s.io",
        "kind": "InferencePool",
        "name": "v1",
        "weight": 1_000_000,
    }
    made = apiserver.admin.create(route(namespace, pool))
    assert made["spec"]["rules"][0]["backendRefs"] == [pool]


def test_filters_are_kept_whatever_is_in_them(apiserver: "ApiServer", namespace: str) -> None:
    filters = [
        {"type": "URLRewrite", "urlRewrite": {"path": {"type": "Odd", "deep": [{"a": None, "b": 1.5}]}}}
    ]
    made = apiserver.admin.create(
        route(namespace, {"name": "v1", "port": 80, "filters": filters}, filters=filters)
    )
    (rule,) = made["spec"]["rules"]
    assert rule["filters"] == rule["backendRefs"][0]["filters"] == filters


def test_status_is_written_apart_and_moves_no_generation(apiserver: "ApiServer", namespace: str) -> None:
    admin = apiserver.admin
    made = admin.create(route(namespace, {"name": "v1", "port": 80}))
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    parent = {
        "parentRef": made["spec"]["parentRefs"][0],
        "controllerName": "example.com/edge",
        "conditions": [condition],
    }
    seen = admin.patch(
        GATEWAY_API, "HTTPRoute", namespace, "chat", {"status": {"parents": [parent]}}, subresource="status"
    )
    assert seen["status"] == {"parents": [parent]}
    changed = admin.patch(GATEWAY_API, "HTTPRoute", namespace, "chat", {"spec": {"hostnames": ["a.example"]}})
    assert (made["metadata"]["generation"], seen["metadata"]["generation"]) == (1, 1)
    assert (changed["metadata"]["generation"], changed["status"]) == (2, seen["status"])


def test_gateways_wait_for_their_controller(apiserver: "ApiServer", namespace: str) -> None:
    made = apiserver.admin.create(
        {
            "apiVersion": GATEWAY_API,
            "kind": "Gateway",
            "metadata": {"name": "edge", "namespace": namespace},
            "spec": {"gatewayClassName": "x", "listeners": [{"name": "a", "port": 80, "protocol": "HTTP"}]},
        }
    )
    assert [found["status"] for found in made["status"]["conditions"]] == ["Unknown", "Unknown"]


def test_pools_and_leader_worker_sets(apiserver: "ApiServer", namespace: str) -> None:
    metadata = {"name": "chat-v1", "namespace": namespace}
    pool = apiserver.admin.create(
        {
            "apiVersion": "inference.networking.k8s.io/v1",
            "kind": "InferencePool",
            "metadata": metadata,
            "spec": {
                "selector": {"matchLabels": {"app": "chat-v1"}},
                "targetPorts": [{"number": 8000}],
                "endpointPickerRef": {"name": "epp", "port": {"number": 9002}},
            },
        }
    )
    assert pool["spec"]["endpointPickerRef"] == {
        "group": "",
        "kind": "Service",
        "name": "epp",
        "port": {"number": 9002},
        "failureMode": "FailClose",
    }
    apiserver.admin.create(
        {
            "apiVersion": "leaderworkerset.x-k8s.io/v1",
            "kind": "LeaderWorkerSet",
            "metadata": metadata,
            "spec": {"leaderWorkerTemplate": {"workerTemplate": {"spec": {"containers": [{"name": "a"}]}}}},
        }
    )
    apiserver.kubectl("scale", "lws/chat-v1", "--replicas=3", namespace=namespace)
    found = apiserver.admin.get("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", namespace, "chat-v1")
    assert found is not None
    assert (found["spec"]["replicas"], found["spec"]["leaderWorkerTemplate"]["size"]) == (3, 1)
