"""The simulated controllers' own way to the API server: JSON in, JSON out.

It shares no code with Serinus, so that a fault of one cannot hide a fault of the other.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

Obj = dict[str, Any]

_TIMEOUT_SECONDS = 10.0
_WATCH_SECONDS = 300
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource; ``group_version`` is ``v1`` for the core group."""

    group_version: str
    plural: str
    kind: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        base = "/api/v1" if self.group_version == "v1" else f"/apis/{self.group_version}"
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{base}{middle}/{self.plural}" + (f"/{name}" if name else "")


DEPLOYMENTS = Kind("apps/v1", "deployments", "Deployment")
STATEFUL_SETS = Kind("apps/v1", "statefulsets", "StatefulSet")
REPLICA_SETS = Kind("apps/v1", "replicasets", "ReplicaSet")
PODS = Kind("v1", "pods", "Pod")
SERVICES = Kind("v1", "services", "Service")
NODES = Kind("v1", "nodes", "Node", namespaced=False)
SLICES = Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
HTTP_ROUTES = Kind("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute")
INFERENCE_POOLS = Kind("inference.networking.k8s.io/v1", "inferencepools", "InferencePool")


class ApiError(Exception):
    """The server refused; ``status`` is the HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:500]}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is and who asks; ``ca`` is the file of its certificate's authority."""

    url: str
    token: str
    ca: Path | None = None


class Api:
    """Open only inside the event loop that uses it."""

    def __init__(self, access: Access) -> None:
        context = ssl.create_default_context(cafile=str(access.ca)) if access.ca else False
        self._client = httpx2.AsyncClient(
            base_url=access.url,
            headers={"Authorization": f"Bearer {access.token}", "User-Agent": "simulated-cluster"},
            verify=context,
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def list(self, kind: Kind) -> tuple[list[Obj], str]:
        """All objects of all namespaces, and the version of the list."""
        body = await self._ask("GET", kind.path())
        items = [{"apiVersion": kind.group_version, "kind": kind.kind, **item} for item in body["items"]]
        return items, body["metadata"]["resourceVersion"]

    async def watch(self, kind: Kind, version: str) -> AsyncIterator[tuple[str, Obj]]:
        """Type and object of each event, until the server ends the stream. Raises ApiError, also 410."""
        query = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        timeout = httpx2.Timeout(_TIMEOUT_SECONDS, read=_WATCH_SECONDS + 30)
        async with self._client.stream("GET", kind.path(), params=query, timeout=timeout) as answer:
            if answer.is_error:
                raise ApiError(answer.status_code, (await answer.aread()).decode(errors="replace"))
            async for line in answer.aiter_lines():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiError(event["object"].get("code", 500), line)
                yield event["type"], event["object"]

    async def create(self, kind: Kind, body: Obj) -> Obj:
        path = kind.path(body["metadata"].get("namespace"))
        return await self._ask("POST", path, {"apiVersion": kind.group_version, "kind": kind.kind, **body})

    async def merge(self, kind: Kind, old: Obj, change: Obj, *, status: bool = False) -> Obj:
        """A merge patch of an object that was read."""
        meta = old["metadata"]
        path = kind.path(meta.get("namespace"), meta["name"]) + ("/status" if status else "")
        return await self._ask("PATCH", path, change, "application/merge-patch+json")

    async def bind(self, pod: Obj, node: str) -> None:
        """Give a pod its node, as the scheduler does."""
        meta = pod["metadata"]
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": target}
        await self._ask("POST", PODS.path(meta["namespace"], meta["name"]) + "/binding", body)

    async def delete(self, kind: Kind, old: Obj) -> None:
        """Delete at once; what is gone already is fine."""
        meta = old["metadata"]
        try:
            await self._ask(
                "DELETE", kind.path(meta.get("namespace"), meta["name"]), {"gracePeriodSeconds": 0}
            )
        except ApiError as error:
            if error.status != httpx2.codes.NOT_FOUND:
                raise

    async def _ask(
        self, method: str, path: str, body: Obj | None = None, content_type: str = "application/json"
    ) -> Obj:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type}
        answer = await self._client.request(method, path, content=content, headers=headers)
        if answer.is_error:
            raise ApiError(answer.status_code, answer.text)
        found: Obj = answer.json()
        return found


class Mirror:
    """The wanted objects of a kind, kept in memory by a list and a watch."""

    def __init__(
        self, api: Api, kind: Kind, wanted: Callable[[Obj], bool], changed: Callable[[], None]
    ) -> None:
        self._api = api
        self._kind = kind
        self._wanted = wanted
        self._changed = changed
        self._objects: dict[tuple[str, str], Obj] = {}
        self.synced = asyncio.Event()

    def all(self) -> list[Obj]:
        """By namespace and name."""
        return [self._objects[key] for key in sorted(self._objects)]

    def get(self, namespace: str, name: str) -> Obj | None:
        return self._objects.get((namespace, name))

    def put(self, obj: Obj) -> None:
        """What a write of ours was answered with, unless something newer is there."""
        old = self._objects.get(_key(obj))
        if old is None or _version(old) <= _version(obj):
            self._objects[_key(obj)] = obj

    def drop(self, obj: Obj) -> None:
        """What we deleted."""
        self._objects.pop(_key(obj), None)

    async def run(self) -> None:
        """List and watch for ever, whatever fails."""
        while True:
            try:
                items, version = await self._api.list(self._kind)
                self._objects = {_key(item): item for item in items if self._wanted(item)}
                self.synced.set()
                self._changed()
                while True:
                    version = await self._follow(version)
            except (ApiError, httpx2.HTTPError, ValueError, KeyError):
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _follow(self, version: str) -> str:
        async for kind, obj in self._api.watch(self._kind, version):
            version = obj["metadata"]["resourceVersion"]
            if not self._wanted(obj):
                continue
            if kind == "DELETED":
                self.drop(obj)
            else:
                self.put(obj)
            self._changed()
        return version


def _key(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])
