"""The real API server that other tests stand on."""

from typing import TYPE_CHECKING

import pytest

from tests.kube.admin import ApiError

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration


def test_objects_come_and_go(apiserver: "ApiServer", namespace: str) -> None:
    admin = apiserver.admin
    admin.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a", "namespace": namespace},
            "data": {"x": "1"},
        }
    )
    with pytest.raises(ApiError, match="409"):
        admin.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": namespace}}
        )
    admin.patch("v1", "ConfigMap", namespace, "a", [{"op": "replace", "path": "/data/x", "value": "2"}])
    admin.patch("v1", "ConfigMap", namespace, "a", {"data": {"y": "3"}})
    (found,) = admin.list("v1", "ConfigMap", namespace)
    assert found["data"] == {"x": "2", "y": "3"}
    admin.delete("v1", "ConfigMap", namespace, "a")
    assert admin.get("v1", "ConfigMap", namespace, "a") is None


def test_kubectl_speaks_as_anybody(apiserver: "ApiServer", namespace: str) -> None:
    assert (
        apiserver.kubectl("get", "namespace", namespace, "-o", "name").stdout.strip()
        == f"namespace/{namespace}"
    )
    refused = apiserver.kubectl("get", "configmaps", identity="nobody", namespace=namespace, check=False)
    assert refused.returncode != 0
    assert 'User "nobody" cannot list resource "configmaps"' in refused.stderr


def test_service_accounts_have_tokens(apiserver: "ApiServer", namespace: str) -> None:
    apiserver.admin.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": namespace}}
    )
    robot = f"system:serviceaccount:{namespace}:robot"
    refused = apiserver.kubectl("get", "pods", identity=robot, check=False)
    assert f'User "{robot}" cannot list resource "pods"' in refused.stderr


def test_the_data_outlive_an_outage(apiserver: "ApiServer", namespace: str) -> None:
    before = apiserver.admin.get("v1", "Namespace", None, namespace)
    apiserver.stop()
    apiserver.start()
    assert apiserver.admin.get("v1", "Namespace", None, namespace) == before
