"""The client on a real API server, and the server in memory of the unit tests beside it: both must agree."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.adapters.kube.client import CallLimits, KubeClient, WatchEvent, connect
from controller.adapters.kube.errors import Expired, Forbidden, NotFound, Rejected
from controller.adapters.kube.resources import DEPLOYMENTS, HTTP_ROUTES, SERVICES, Obj
from controller.errors import Conflict, TransientError
from tests.kube.apiserver import ApiServer
from tests.kube_fake import FakeApi

VERSION = "/metadata/resourceVersion"
RULES = [{"backendRefs": [{"name": "fraud-v1", "port": 80, "weight": 1}]}]
_NUMBER = itertools.count()


@dataclass
class Server:
    client: KubeClient
    namespace: str

    def route(self, name: str = "fraud", **metadata: object) -> Obj:
        return {
            "apiVersion": HTTP_ROUTES.api_version,
            "kind": "HTTPRoute",
            "metadata": {"name": name, "namespace": self.namespace, **metadata},
            "spec": {"rules": RULES},
        }

    async def made(self, name: str = "fraud", **metadata: object) -> Obj:
        return await self.client.create(HTTP_ROUTES, self.namespace, self.route(name, **metadata))

    async def patched(self, *operations: Obj, subresource: str | None = None) -> Obj:
        return await self.client.json_patch(
            HTTP_ROUTES, self.namespace, "fraud", operations, subresource=subresource
        )


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.integration)])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    limits = CallLimits(page=2)
    if request.param == "memory":
        yield Server(FakeApi().client(limits=limits), f"test-{next(_NUMBER)}")
        return
    real, namespace = request.getfixturevalue("apiserver"), request.getfixturevalue("namespace")
    client = await connect(real.kubeconfig("admin"), limits=limits)
    yield Server(client, namespace)
    await client.close()


def expect(path: str, value: object) -> Obj:
    return {"op": "test", "path": path, "value": value}


def add(path: str, value: object) -> Obj:
    return {"op": "add", "path": path, "value": value}


def version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def test_what_is_created_is_there(server: Server) -> None:
    assert await server.client.get(HTTP_ROUTES, server.namespace, "fraud") is None
    obj = {**server.route(), "status": {"parents": []}}
    made = await server.client.create(HTTP_ROUTES, server.namespace, obj)
    assert made == await server.client.get(HTTP_ROUTES, server.namespace, "fraud")
    assert "status" not in made
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["uid"]
    (entry,) = made["metadata"]["managedFields"]
    assert entry["manager"] == "serinus"
    assert "f:rules" in entry["fieldsV1"]["f:spec"]
    with pytest.raises(Conflict, match="already exists"):
        await server.made()
    assert await server.client.get(HTTP_ROUTES, "no-such-namespace", "fraud") is None


async def test_a_list_has_all_pages(server: Server) -> None:
    for number in range(5):
        await server.made(f"r{number}", labels={"even": str(number % 2 == 0)})
    found, last = await server.client.list(HTTP_ROUTES, server.namespace)
    assert [obj["metadata"]["name"] for obj in found] == [f"r{number}" for number in range(5)]
    assert all(obj["kind"] == "HTTPRoute" for obj in found)
    assert int(last) >= max(version(obj) for obj in found)
    for labels in ("even=True", "even in (True)", "even!=False", "even,even notin (False)"):
        found, _ = await server.client.list(HTTP_ROUTES, server.namespace, labels=labels)
        assert [obj["metadata"]["name"] for obj in found] == ["r0", "r2", "r4"]
    everywhere, _ = await server.client.list(HTTP_ROUTES)
    assert len(everywhere) >= 5
    found, _ = await server.client.list(SERVICES, server.namespace)
    assert found == []


@pytest.mark.parametrize(
    "operation",
    [
        expect(VERSION, "1"),
        expect("/metadata/annotations/serinus.dev~1epoch", "7"),
        expect("/spec/rules/0/backendRefs/0/name", "other"),
        expect("/spec/rules/7/name", "x"),
        {"op": "remove", "path": "/spec/nothing"},
        {"op": "replace", "path": "/spec/rules/0/nothing/there", "value": 1},
        add("/spec/rules/7", {}),
        {"op": "unheard-of", "path": "/spec"},
    ],
)
async def test_a_patch_that_does_not_apply_is_a_conflict_and_does_nothing(
    server: Server, operation: Obj
) -> None:
    made = await server.made()
    with pytest.raises(Conflict, match="not as it was read"):
        await server.patched(add("/metadata/labels", {"a": "b"}), operation)
    assert await server.client.get(HTTP_ROUTES, server.namespace, "fraud") == made


@pytest.mark.parametrize("operation", [add("/metadata/name", "other"), add("/spec/rules", "none")])
async def test_an_invalid_object_is_no_conflict(server: Server, operation: Obj) -> None:
    if isinstance(server.client._transport, FakeApi):
        server.client._transport.validators[HTTP_ROUTES] = lambda obj: (
            None if isinstance(obj["spec"]["rules"], list) else "spec.rules: Invalid value"
        )
    made = await server.made()
    with pytest.raises(Rejected):
        await server.patched(operation)
    assert await server.client.get(HTTP_ROUTES, server.namespace, "fraud") == made


async def test_a_patch_to_another_version_is_a_conflict(server: Server) -> None:
    await server.made()
    with pytest.raises(Conflict):
        await server.patched(add(VERSION, "1"), add("/metadata/labels", {"a": "b"}))


async def test_a_patch_of_what_is_gone_says_so(server: Server) -> None:
    with pytest.raises(NotFound, match='"fraud" not found'):
        await server.patched(add("/spec", {}))


async def test_versions_and_generations(server: Server) -> None:
    made = await server.made()
    same = await server.patched(
        expect(VERSION, made["metadata"]["resourceVersion"]), add("/spec/rules", made["spec"]["rules"])
    )
    assert same == made
    labelled = await server.patched(add("/metadata/labels", {"a": "b"}))
    assert version(labelled) > version(made)
    assert labelled["metadata"]["generation"] == 1
    changed = await server.patched(add("/spec/rules/0/backendRefs/0/weight", 5))
    assert version(changed) > version(labelled)
    assert changed["metadata"]["generation"] == 2
    with_status = await server.patched(add("/status", {"parents": []}))
    assert "status" not in with_status
    assert with_status["metadata"]["generation"] == 2


async def test_the_status_has_a_door_of_its_own(server: Server) -> None:
    """A test of the annotation holds there too, and nothing else gets through."""
    made = await server.made(annotations={"serinus.dev/epoch": "7"})
    path = "/metadata/annotations/serinus.dev~1epoch"
    tests = [expect(VERSION, made["metadata"]["resourceVersion"]), expect(path, "7")]
    new = await server.patched(
        *tests, add("/status", {"parents": []}), add("/spec/rules", []), add(path, "8"), subresource="status"
    )
    assert new["status"] == {"parents": []}
    assert new["spec"] == made["spec"]
    assert new["metadata"]["annotations"] == {"serinus.dev/epoch": "7"}
    assert new["metadata"]["generation"] == 1
    with pytest.raises(Conflict):
        await server.patched(expect(path, "6"), add("/status", {"parents": []}), subresource="status")
    with pytest.raises(Conflict):
        await server.patched(*tests, add("/status", {"parents": []}), subresource="status")


async def test_a_deployment_is_scaled_by_its_subresource(server: Server) -> None:
    labels = {"app": "fraud"}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    }
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fraud"}, "spec": spec}
    await server.client.create(DEPLOYMENTS, server.namespace, body)
    scaled = await server.client.json_patch(
        DEPLOYMENTS,
        server.namespace,
        "fraud",
        [expect("/spec/replicas", 1), {"op": "replace", "path": "/spec/replicas", "value": 3}],
        subresource="scale",
    )
    assert (scaled["kind"], scaled["spec"]) == ("Scale", {"replicas": 3})
    found = await server.client.get(DEPLOYMENTS, server.namespace, "fraud")
    assert found is not None
    assert found["spec"]["replicas"] == 3
    assert found["metadata"]["generation"] == 2
    assert found["metadata"]["resourceVersion"] == scaled["metadata"]["resourceVersion"]


async def test_deleting(server: Server) -> None:
    made = await server.made()
    for wrong in ({"uid": "00000000-0000-0000-0000-000000000000"}, {"resource_version": "1"}):
        with pytest.raises(Conflict):
            await server.client.delete(HTTP_ROUTES, server.namespace, "fraud", **wrong)
    uid = made["metadata"]["uid"]
    await server.client.delete(HTTP_ROUTES, server.namespace, "fraud", uid=uid)
    assert await server.client.get(HTTP_ROUTES, server.namespace, "fraud") is None
    await server.client.delete(HTTP_ROUTES, server.namespace, "fraud", uid=uid)


async def test_what_has_a_finalizer_goes_when_the_finalizer_does(server: Server) -> None:
    made = await server.made(finalizers=["serinus.dev/rollout"])
    await server.client.delete(HTTP_ROUTES, server.namespace, "fraud")
    marked = await server.client.get(HTTP_ROUTES, server.namespace, "fraud")
    assert marked is not None
    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["generation"] == made["metadata"]["generation"] + 1
    await server.client.delete(HTTP_ROUTES, server.namespace, "fraud")
    await server.patched(add("/metadata/labels", {"a": "b"}))
    await server.patched({"op": "remove", "path": "/metadata/finalizers/0"})
    assert await server.client.get(HTTP_ROUTES, server.namespace, "fraud") is None


async def test_a_watch_tells_everything_in_order(server: Server) -> None:
    _, since = await server.client.list(HTTP_ROUTES, server.namespace)
    made = await server.made(labels={"a": "b"})
    await server.patched(add("/spec/rules/0/backendRefs/0/weight", 5))
    await server.patched(add("/metadata/labels", {"a": "c"}))
    await server.client.delete(HTTP_ROUTES, server.namespace, "fraud")
    everything = await seen(server, since)
    assert [event.type for event in everything] == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert everything[0].object == made
    versions = [version(event.object) for event in everything]
    assert versions == sorted(set(versions))
    assert await seen(server, versions[-1]) == []


async def seen(server: Server, since: int | str) -> list[WatchEvent]:
    """What a watch of a second tells."""
    events = server.client.watch(HTTP_ROUTES, server.namespace, resource_version=str(since), seconds=1)
    return [event async for event in events if event.type != "BOOKMARK"]


async def test_a_watch_from_before_the_history_has_expired(server: Server) -> None:
    await server.made()
    if isinstance(server.client._transport, FakeApi):
        server.client._transport.compact()
    with pytest.raises(Expired):
        async for _ in server.client.watch(HTTP_ROUTES, server.namespace, resource_version="1", seconds=5):
            pass


@pytest.mark.integration
async def test_what_is_not_allowed_is_said_with_the_rule_to_add(apiserver: ApiServer, namespace: str) -> None:
    client = await connect(apiserver.kubeconfig("nobody", namespace=namespace))
    assert client.namespace == namespace
    with pytest.raises(Forbidden, match="Add to the Role: ") as caught:
        await client.json_patch(HTTP_ROUTES, namespace, "fraud", [], subresource="status")
    rule = json.loads(str(caught.value).partition("Add to the Role: ")[2])
    group = "gateway.networking.k8s.io"
    assert rule == {"apiGroups": [group], "resources": ["httproutes/status"], "verbs": ["patch"]}
    await client.close()


@pytest.mark.integration
async def test_a_server_of_an_unknown_authority_is_not_talked_to(
    apiserver: ApiServer, tmp_path: Path
) -> None:
    config = json.loads(apiserver.kubeconfig("admin").read_text())
    del config["clusters"][0]["cluster"]["certificate-authority-data"]
    (tmp_path / "config").write_text(json.dumps(config))
    client = await connect(tmp_path / "config")
    with pytest.raises(TransientError, match=r"its certificate is not trusted \(self-signed"):
        await client.get(SERVICES, "default", "kubernetes")
    await client.close()


@pytest.mark.integration
async def test_a_credential_plugin_lets_us_in(apiserver: ApiServer, tmp_path: Path) -> None:
    config = json.loads(apiserver.kubeconfig("admin").read_text())
    version = "client.authentication.k8s.io/v1"
    status = {"token": apiserver.token("admin")}
    (tmp_path / "answer").write_text(
        json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
    )
    plugin = {"apiVersion": version, "command": "cat", "args": [str(tmp_path / "answer")]}
    config["users"][0]["user"] = {"exec": {**plugin, "interactiveMode": "Never"}}
    (tmp_path / "config").write_text(json.dumps(config))
    client = await connect(tmp_path / "config", "test")
    found = await client.get(SERVICES, "default", "kubernetes")
    assert found is not None
    await client.close()


@pytest.mark.integration
async def test_a_watch_is_left_at_once_though_nobody_answers_the_goodbye_of_tls(
    apiserver: ApiServer, namespace: str
) -> None:
    leaving, left = asyncio.Event(), asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, sink = await asyncio.open_connection("127.0.0.1", int(apiserver.url.rpartition(":")[2]))
        back = asyncio.create_task(_copy(upstream, writer, asyncio.Event()))
        await _copy(reader, sink, leaving)
        left.set()
        back.cancel()
        await asyncio.wait({back})
        sink.close()
        writer.close()

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as listener:
        address = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        client = await connect(apiserver.kubeconfig("admin", address))
        _, known = await client.list(SERVICES, namespace)
        metadata = {"name": "fraud", "namespace": namespace}
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"ports": [{"port": 80}]},
        }
        apiserver.admin.create(service)
        watched = client.watch(SERVICES, namespace, resource_version=known, seconds=60)
        async with asyncio.timeout(10), aclosing(watched) as events:
            assert (await anext(events)).type == "ADDED"
            leaving.set()
        async with asyncio.timeout(10):  # of the half minute that a goodbye may take
            await left.wait()
        await client.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, swallow: asyncio.Event) -> None:
    """Until the other side hangs up, by a word or by a reset."""
    try:
        while piece := await reader.read(65536):
            if not swallow.is_set():
                writer.write(piece)
    except ConnectionResetError:
        pass
