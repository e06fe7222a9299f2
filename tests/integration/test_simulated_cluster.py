"""The simulated cluster by itself, without Serinus: what the end-to-end tests take for granted."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.kube.apiserver import ApiServer
from tests.kube.manifests import backend, deployment, route, service
from tests.kube.simulator.api import Access
from tests.kube.simulator.cluster import Simulator

pytestmark = pytest.mark.integration

NAMESPACE = "simulated"
Obj = dict[str, Any]


@pytest.fixture(scope="module")
def cluster(apiserver: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    apiserver.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    access = Access(apiserver.url, apiserver.token("admin"), apiserver.ca_file)
    with Simulator(tmp_path_factory.mktemp("cluster"), access, {NAMESPACE}) as simulator:
        yield simulator


def serve(apiserver: ApiServer, model: str, *images: tuple[str, str]) -> None:
    """A deployment and a service of each version."""
    for version, image in images:
        apiserver.admin.create(deployment(NAMESPACE, model, version, image, copies=2))
        apiserver.admin.create(service(NAMESPACE, model, version))


def accepted(apiserver: ApiServer, name: str) -> bool:
    found = apiserver.admin.get("gateway.networking.k8s.io/v1", "HTTPRoute", NAMESPACE, name)
    assert found is not None
    conditions = [
        each for parent in found.get("status", {}).get("parents", []) for each in parent["conditions"]
    ]
    return len(conditions) == 2 and all(
        each["status"] == "True" and each["observedGeneration"] == found["metadata"]["generation"]
        for each in conditions
    )


def ready(apiserver: ApiServer, name: str) -> bool:
    found = apiserver.admin.get("apps/v1", "Deployment", NAMESPACE, name)
    assert found is not None
    status = found.get("status", {})
    wanted = found["spec"]["replicas"]
    current = status.get("observedGeneration") == found["metadata"]["generation"]
    return bool(current and status.get("readyReplicas", 0) == wanted == status.get("replicas", 0))


def query(cluster: Simulator, promql: str) -> dict[str, float]:
    url = f"{cluster.prometheus_url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        found = json.load(answer)["data"]["result"]
    return {each["metric"].get("envoy_cluster_name", ""): float(each["value"][1]) for each in found}


def test_a_weighted_route_splits_real_requests(apiserver: ApiServer, cluster: Simulator) -> None:
    serve(apiserver, "split", ("v1", "models/tumor:v1"), ("v2", "models/tumor:v2"))
    refs = [backend("split-v1", 90), backend("split-v2", 10)]
    apiserver.admin.create(route(NAMESPACE, "split", refs))
    for name in ("split-v1", "split-v2"):
        apiserver.admin.until(lambda name=name: ready(apiserver, name), f"{name} is ready")  # type: ignore[misc]
    apiserver.admin.until(lambda: accepted(apiserver, "split"), "the route is accepted")
    stream = cluster.stream(["/v2/models/split/infer"], rate=200)
    apiserver.admin.until(lambda: stream.traffic().sent >= 1200, "requests are sent")
    traffic = stream.stop()
    assert traffic.failed == 0, (traffic.statuses, traffic.errors)
    first, second = (f"httproute/{NAMESPACE}/split/rule/0/backend/{index}" for index in (0, 1))
    assert traffic.backends.keys() == {first, second}
    share = traffic.served(second)[0] / sum(sum(each.values()) for each in traffic.backends.values())
    assert 0.06 < share < 0.14
    promql = 'envoy_cluster_upstream_rq_total{envoy_cluster_name=~"httproute/simulated/split/.*"}'
    counted = apiserver.admin.until(
        lambda: found if sum((found := query(cluster, promql)).values()) >= traffic.sent - 5 else None,
        "Prometheus has them all",
    )
    assert counted.keys() == {first, second}


# workloads


def pods(apiserver: ApiServer, name: str) -> list[Obj]:
    return apiserver.admin.list("v1", "Pod", NAMESPACE, labels=f"app={name}")


def addresses(apiserver: ApiServer, service: str) -> set[str]:
    labels = f"kubernetes.io/service-name={service}"
    slices = apiserver.admin.list("discovery.k8s.io/v1", "EndpointSlice", NAMESPACE, labels=labels)
    return {
        address
        for each in slices
        for endpoint in each.get("endpoints") or []
        if endpoint["conditions"]["ready"]
        for address in endpoint["addresses"]
    }


def waits_with(pod: Obj, reason: str) -> bool:
    status = pod.get("status", {})
    states = [each["state"].get("waiting", {}) for each in status.get("containerStatuses", [])]
    return reason in [told.get("reason") for told in [*status.get("conditions", []), *states]]


@pytest.mark.parametrize(
    ("name", "image", "resources", "reason"),
    [
        ("pull", "models/tumor:v77", {}, "ImagePullBackOff"),
        ("crash", "models/crash:v1", {}, "CrashLoopBackOff"),
        ("gpus", "models/echo:v1", {"limits": {"nvidia.com/gpu": "3"}}, "Unschedulable"),
    ],
)
def test_copies_that_cannot_run_say_why_and_get_no_endpoint(
    apiserver: ApiServer, cluster: Simulator, name: str, image: str, resources: Obj, reason: str
) -> None:
    apiserver.admin.create(deployment(NAMESPACE, name, "v1", image, resources=resources))
    apiserver.admin.create(service(NAMESPACE, name, "v1"))
    apiserver.admin.until(
        lambda: [pod for pod in pods(apiserver, f"{name}-v1") if waits_with(pod, reason)],
        f"{name} is {reason}",
    )
    assert addresses(apiserver, f"{name}-v1") == set()
    assert not ready(apiserver, f"{name}-v1")


def test_copies_come_late_are_scaled_and_go_with_their_deployment(
    apiserver: ApiServer, cluster: Simulator
) -> None:
    cluster.change(cluster.kubelet, start_seconds=1.0)
    apiserver.admin.create(service(NAMESPACE, "late", "v1"))
    apiserver.admin.create(deployment(NAMESPACE, "late", "v1", "models/echo:v1"))
    apiserver.admin.until(lambda: pods(apiserver, "late-v1"), "the pod is there")
    assert addresses(apiserver, "late-v1") == set()
    apiserver.admin.until(lambda: addresses(apiserver, "late-v1"), "the pod is ready")
    cluster.change(cluster.kubelet, start_seconds=0.0)

    def scale(copies: int) -> None:
        change = {"spec": {"replicas": copies}}
        apiserver.admin.patch("apps/v1", "Deployment", NAMESPACE, "late-v1", change)
        apiserver.admin.until(lambda: ready(apiserver, "late-v1"), f"{copies} copies")
        apiserver.admin.until(lambda: len(addresses(apiserver, "late-v1")) == copies, f"{copies} endpoints")

    scale(3)
    for address in addresses(apiserver, "late-v1"):
        connection = HTTPConnection(address, 8080, timeout=5)
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()
    scale(0)
    scale(1)
    apiserver.admin.delete("apps/v1", "Deployment", NAMESPACE, "late-v1")
    apiserver.admin.until(lambda: not pods(apiserver, "late-v1"), "the pods are gone")
    apiserver.admin.until(lambda: not addresses(apiserver, "late-v1"), "the endpoints are gone")


# the gateway's manners


def asked(cluster: Simulator, path: str, times: int) -> set[str]:
    """Which clusters of Envoy's answered, or the status."""
    connection = HTTPConnection("127.0.0.1", cluster.envoy.port, timeout=5)
    found = set()
    for _ in range(times):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        found.add(answer.headers.get("x-served-by", "") if answer.status == 200 else str(answer.status))
    connection.close()
    return found


def test_a_gateway_can_be_late_silent_and_dishonest(apiserver: ApiServer, cluster: Simulator) -> None:
    serve(apiserver, "manners", ("v1", "models/echo:v1"), ("v2", "models/echo:v2"))
    apiserver.admin.until(lambda: ready(apiserver, "manners-v2"), "v2 is ready")
    apiserver.admin.create(route(NAMESPACE, "manners", [backend("manners-v1", 1), backend("manners-v2", 0)]))
    apiserver.admin.until(lambda: accepted(apiserver, "manners"), "accepted")
    rule = f"httproute/{NAMESPACE}/manners/rule/0/backend/"
    path = "/v2/models/manners"

    def give(first: int, second: int) -> None:
        change = [
            {"op": "replace", "path": f"/spec/rules/0/backendRefs/{index}/weight", "value": weight}
            for index, weight in ((0, first), (1, second))
        ]
        apiserver.admin.patch("gateway.networking.k8s.io/v1", "HTTPRoute", NAMESPACE, "manners", change)

    assert asked(cluster, path, 20) == {rule + "0"}
    cluster.change(cluster.gateway, delay_seconds=1.0)
    give(0, 1)
    assert not accepted(apiserver, "manners")
    assert asked(cluster, path, 20) == {rule + "0"}
    apiserver.admin.until(lambda: accepted(apiserver, "manners"), "accepted late")
    assert asked(cluster, path, 20) == {rule + "1"}
    cluster.change(cluster.gateway, delay_seconds=0.0, dishonest=frozenset({"manners"}))
    give(1, 9)
    apiserver.admin.until(lambda: accepted(apiserver, "manners"), "accepted, they say")
    assert asked(cluster, path, 20) == {rule + "0"}
    cluster.change(cluster.gateway, dishonest=frozenset(), silent=frozenset({"manners"}))
    give(0, 3)
    apiserver.admin.until(lambda: asked(cluster, path, 20) == {rule + "1"}, "run without a word")
    assert not accepted(apiserver, "manners")
    cluster.change(cluster.gateway, silent=frozenset())
    apiserver.admin.until(lambda: accepted(apiserver, "manners"), "accepted")


def test_backends_that_are_missing_or_empty_are_told_apart(apiserver: ApiServer, cluster: Simulator) -> None:
    apiserver.admin.create(service(NAMESPACE, "bare", "v1"))
    apiserver.admin.create(route(NAMESPACE, "bare", [backend("bare-v1")]))
    apiserver.admin.until(lambda: accepted(apiserver, "bare"), "accepted without endpoints")
    assert asked(cluster, "/v2/models/bare", 3) == {"503"}
    apiserver.admin.create(route(NAMESPACE, "lost", [backend("nobody")]))

    def refused() -> bool:
        found = apiserver.admin.get("gateway.networking.k8s.io/v1", "HTTPRoute", NAMESPACE, "lost")
        assert found is not None
        parents = found.get("status", {}).get("parents", [])
        return any(each["reason"] == "BackendNotFound" for parent in parents for each in parent["conditions"])

    apiserver.admin.until(refused, "the route is told of its missing backend")
    assert asked(cluster, "/v2/models/lost", 3) == {"500"}


def test_an_inference_pool_is_a_backend(apiserver: ApiServer, cluster: Simulator) -> None:
    apiserver.admin.create(deployment(NAMESPACE, "pool", "v1", "models/echo:v1"))
    apiserver.admin.create(
        {
            "apiVersion": "inference.networking.k8s.io/v1",
            "kind": "InferencePool",
            "metadata": {"name": "pool-v1", "namespace": NAMESPACE},
            "spec": {
                "selector": {"matchLabels": {"app": "pool-v1"}},
                "targetPorts": [{"number": 8080}],
                "endpointPickerRef": {"name": "picker", "port": {"number": 9002}},
            },
        }
    )
    ref = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool-v1", "weight": 1}
    apiserver.admin.create(route(NAMESPACE, "pool", [ref]))
    rule = f"httproute/{NAMESPACE}/pool/rule/0"
    apiserver.admin.until(lambda: asked(cluster, "/v2/models/pool", 3) == {rule}, "the pool answers")
