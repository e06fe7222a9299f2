"""The API server of the tests speaks the versions of today, as everybody sees it."""

import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

SLICE: dict[str, Any] = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "it"},
    "addressType": "IPv4",
    "endpoints": [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": False, "serving": True, "terminating": True},
            "nodeName": "n1",
            "zone": "a",
            "targetRef": {"kind": "Pod", "name": "p"},
        }
    ],
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
}
BUDGET: dict[str, Any] = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "it"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "it"}}},
}
SCALER: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "it"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "it"},
        "minReplicas": 1,
        "maxReplicas": 3,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
            }
        ],
    },
}
OBJECTS = [SLICE, BUDGET, SCALER]
KINDS = [obj["kind"] for obj in OBJECTS]


def in_namespace(obj: dict[str, Any], namespace: str) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


def what_is_ours(obj: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    return {key: obj.get(key) for key in like if key != "metadata"}


@pytest.mark.parametrize("obj", OBJECTS, ids=KINDS)
def test_objects_come_back_as_they_were_sent(
    apiserver: "ApiServer", namespace: str, obj: dict[str, Any]
) -> None:
    admin, kind, version = apiserver.admin, obj["kind"], obj["apiVersion"]
    made = admin.create(in_namespace(obj, namespace))
    read = admin.get(version, kind, namespace, "it")
    (listed,) = admin.list(version, kind, namespace)
    changed = admin.patch(
        version,
        kind,
        namespace,
        "it",
        [
            {"op": "test", "path": "/apiVersion", "value": version},
            {"op": "test", "path": "/metadata/resourceVersion", "value": made["metadata"]["resourceVersion"]},
            {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
        ],
    )
    assert read == made
    for found in (made, listed, changed):
        assert what_is_ours(found, obj) == what_is_ours(obj, obj)
        assert {field["apiVersion"] for field in found["metadata"]["managedFields"]} == {version}
    assert changed["metadata"]["labels"] == {"a": "b"}
    admin.delete(version, kind, namespace, "it")
    assert admin.get(version, kind, namespace, "it") is None


@pytest.mark.parametrize("obj", OBJECTS, ids=KINDS)
def test_watches_bring_them_too(apiserver: "ApiServer", namespace: str, obj: dict[str, Any]) -> None:
    made = apiserver.admin.create(in_namespace(obj, namespace))
    path = apiserver.admin.path(obj["apiVersion"], obj["kind"], namespace)
    with (
        httpx2.Client(verify=apiserver.tls, trust_env=False, timeout=10) as http,
        http.stream(
            "GET",
            apiserver.url + path,
            params={"watch": "true", "timeoutSeconds": "5"},
            headers={"authorization": f"Bearer {apiserver.token('admin')}"},
        ) as answer,
    ):
        event = json.loads(next(answer.iter_lines()))
    assert event == {"type": "ADDED", "object": made}


def test_the_zone_of_a_new_list_of_endpoints_is_kept(apiserver: "ApiServer", namespace: str) -> None:
    apiserver.admin.create(in_namespace(SLICE, namespace))
    endpoints = [{"addresses": ["10.0.0.2"], "conditions": {"ready": True}, "zone": "b"}]
    change = [{"op": "replace", "path": "/endpoints", "value": endpoints}]
    changed = apiserver.admin.patch("discovery.k8s.io/v1", "EndpointSlice", namespace, "it", change)
    assert changed["endpoints"] == endpoints


def test_kubectl_sees_the_versions_of_today(apiserver: "ApiServer", namespace: str) -> None:
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": OBJECTS})
    for _ in range(2):
        apiserver.kubectl("apply", "-f", "-", namespace=namespace, input=manifest)
        apiserver.kubectl(
            "apply", "-f", "-", "--server-side", "--force-conflicts", namespace=namespace, input=manifest
        )
    for obj in OBJECTS:
        shown = apiserver.kubectl("get", obj["kind"], "it", "-o", "json", namespace=namespace)
        assert json.loads(shown.stdout)["apiVersion"] == obj["apiVersion"]
    table = apiserver.kubectl("get", "pdb,hpa,endpointslices", namespace=namespace).stdout
    assert [line.split()[0] for line in table.splitlines() if "/it" in line] == [
        "poddisruptionbudget.policy/it",
        "horizontalpodautoscaler.autoscaling/it",
        "endpointslice.discovery.k8s.io/it",
    ], table


def test_custom_resources_hold_empty_strings(apiserver: "ApiServer") -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string", "default": ""}}}
    whole = {"type": "object", "properties": {"spec": schema}}
    rule = {"rule": "self == oldSelf", "message": "immutable"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {**whole, "x-kubernetes-validations": [rule]}},
    }
    names = {"kind": "Word", "listKind": "WordList", "plural": "words", "singular": "word"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "words.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]},
    }
    apiserver.admin.define(crd)
    found = apiserver.admin.get(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "words.example.com"
    )
    assert found is not None
    assert found["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == whole
    for text in ({}, {"text": ""}):
        word = {
            "apiVersion": "example.com/v1",
            "kind": "Word",
            "metadata": {"generateName": "w-"},
            "spec": text,
        }
        assert apiserver.admin.create(word)["spec"] == {"text": ""}


def test_a_big_list_passes_whole(apiserver: "ApiServer", namespace: str) -> None:
    filling = "x" * 200_000
    for number in range(8):
        metadata = {"name": f"big-{number}", "namespace": namespace}
        apiserver.admin.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": filling}}
        )
    found = apiserver.admin.list("v1", "ConfigMap", namespace)
    assert [len(one["data"]["a"]) for one in found] == [200_000] * 8
