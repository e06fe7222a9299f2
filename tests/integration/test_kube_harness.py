"""The real API server that other tests stand on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from deploy.local.stack import REPOSITORY
from tests.e2e.proof import eventually
from tests.kube.admin import ApiError
from tests.kube.reaper import Reaper

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


def test_an_outage_ends_watches_and_loses_nothing(apiserver: "ApiServer", namespace: str) -> None:
    before = apiserver.admin.get("v1", "Namespace", None, namespace)
    headers = {"authorization": f"Bearer {apiserver.token('admin')}"}
    query = {"watch": "true", "fieldSelector": f"metadata.name={namespace}"}
    with (
        httpx2.Client(base_url=apiserver.url, verify=apiserver.tls, trust_env=False, headers=headers) as http,
        http.stream("GET", "/api/v1/namespaces", params=query) as answer,
    ):
        lines = answer.iter_lines()
        assert json.loads(next(lines))["object"] == before
        apiserver.stop()
        with pytest.raises((httpx2.NetworkError, httpx2.RemoteProtocolError)):
            next(lines)
        with pytest.raises((httpx2.NetworkError, httpx2.RemoteProtocolError)):
            http.get("/api/v1/namespaces")
        assert apiserver.services == ()
        apiserver.heal()
        assert http.get(f"/api/v1/namespaces/{namespace}").json() == before


def test_nothing_is_left_when_the_tests_are_killed() -> None:
    """A process of ours starts one that lasts, and is killed."""
    program = f"""
import subprocess, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from tests.kube.reaper import Reaper
child = subprocess.Popen(("sleep", "60"))
reaper = Reaper(child.pid)
print(child.pid, flush=True)
child.wait()
"""
    with subprocess.Popen((sys.executable, "-c", program), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    eventually(lambda: not lives(child), "the child ends", within=10)


def test_dismissed_reapers_kill_nothing() -> None:
    with subprocess.Popen(("sleep", "60")) as child:
        Reaper(child.pid).dismiss()
        assert child.poll() is None
        child.kill()


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"
