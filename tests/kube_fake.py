"""A Kubernetes API server in memory, for unit tests of everything that uses a `KubeClient`.

    api = FakeApi()
    api.put(HTTP_ROUTES, {"metadata": {"name": "fraud", "namespace": "ml"}, "spec": {...}})
    client = api.client()                       # a real KubeClient, with api for its network
    await client.json_patch(HTTP_ROUTES, "ml", "fraud", [...])
    api.get(HTTP_ROUTES, "ml", "fraud")
    api.requests[-1].method

It serves get, list (paged, with label selectors), watch (with bookmarks), create, JSON Patch (also of
``status`` and ``scale``) and delete of the kinds in `controller.adapters.kube.resources`;
`tests.kube_fake_objects` says what writes do. It has no defaulting, no schema, no admission, no garbage
collection and no permissions but what a test sets: ``validators``, ``denied``, ``unserved``. Faults go into
``fault``, around the serving:

    async def lost(request, serve):             # the server did it, and the answer got lost
        serve(request)
        raise TransientError("connection reset")
    api.fault = lost

Watches and time-outs go by the event loop's clock: with `tests.virtual_time` no test waits.
"""

import asyncio
import copy
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from controller.adapters.kube.calls import CallLimits
from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.errors import TransientError
from tests.json_patch import NotApplicableError, patched
from tests.kube_fake_objects import WITHOUT_STATUS, Key, Objects, RefusedError
from tests.kube_fake_requests import Asked, discovered, event_of, seen, selector, understood

NOT_APPLICABLE = "the server rejected our request due to an error in our request"
Serve = Callable[[ApiRequest], ApiAnswer]
Fault = Callable[[ApiRequest, Serve], Awaitable[ApiAnswer]]


def answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> ApiAnswer:
    """An answer: JSON, or a text or bytes as they are."""
    content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else _line(body)

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    return ApiAnswer(status, headers or {}, chunks())


def failure(status: int, reason: str, message: str, **details: Any) -> ApiAnswer:
    """A Status of the API server."""
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return answer(status, {**body, "message": message, "reason": reason, "details": details, "code": status})


class FakeApi:
    """The server: a `Transport` to itself."""

    def __init__(self) -> None:
        self.objects = Objects()
        self.requests: list[ApiRequest] = []
        self.fault: Fault | None = None
        self.denied: set[tuple[str, str]] = set()
        """Verbs that RBAC does not allow, by ``(verb, plural)``; of a subresource ``plural/status``."""
        self.unserved: set[Resource] = set()
        """Kinds whose CRD is not installed."""
        self.watching = 0
        """How many watches are open."""
        self._news = asyncio.Event()
        self._drops = 0
        self._oldest = 0
        self._pages: dict[str, list[Obj]] = {}

    # for tests: what others do

    def client(self, **more: Any) -> KubeClient:
        """A client of this server; the arguments are those of `KubeClient`."""
        return KubeClient(self, **{"limits": CallLimits(page=3), **more})

    @property
    def validators(self) -> dict[Resource, Callable[[Obj], str | None]]:
        """Say why an object is invalid, None if it is not."""
        return self.objects.validators

    @property
    def writes(self) -> list[ApiRequest]:
        """The requests that would change something, refused or not."""
        return [request for request in self.requests if request.method != "GET"]

    def get(self, resource: Resource, namespace: str | None, name: str) -> Obj | None:
        return self.objects.get((resource, namespace or "", name))

    def put(self, resource: Resource, obj: Obj, manager: str = "tests") -> Obj:
        """Create the object, or replace it with status and all, whatever its version."""
        namespace = obj["metadata"].get("namespace", "default") if resource.namespaced else ""
        key = (resource, namespace, obj["metadata"]["name"])
        found = self.objects.get(key)
        if found is None:
            stored = self.objects.create(resource, namespace, obj, manager, whole=True)
        else:
            stored = self._replaced(key, found, obj, manager)
        self._tell()
        return stored

    def modify(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        change: Callable[[Obj], None],
        manager: str = "tests",
    ) -> Obj:
        """Change the object, status or not, as somebody else."""
        obj = self.objects.get((resource, namespace or "", name))
        assert obj is not None, f"{resource} {namespace}/{name} does not exist"
        change(obj)
        return self.put(resource, obj, manager)

    def rewrite(self, resource: Resource, namespace: str | None, name: str) -> None:
        """Store the object anew as it is."""
        self.objects.rewrite((resource, namespace or "", name))
        self._tell()

    def delete(self, resource: Resource, namespace: str | None, name: str) -> None:
        self.objects.delete((resource, namespace or "", name))
        self._tell()

    def drop_watches(self) -> None:
        """Break every open watch, as a lost connection does."""
        self._drops += 1
        self._tell()

    def compact(self) -> None:
        """Forget the history: watches from before, and pages to come, are answered with 410."""
        self._oldest = self.objects.version
        self._pages.clear()

    # the transport

    @asynccontextmanager
    async def send(self, request: ApiRequest) -> AsyncIterator[ApiAnswer]:
        """As `Transport` says."""
        self.requests.append(copy.deepcopy(request))
        await asyncio.sleep(0)
        answered = self.answer(request) if self.fault is None else await self.fault(request, self.answer)
        try:
            yield answered
        finally:
            if isinstance(answered.chunks, AsyncGenerator):
                await answered.chunks.aclose()

    async def close(self) -> None:
        """As `Transport` says."""

    def answer(self, request: ApiRequest) -> ApiAnswer:
        """What the server answers, at once: the serving itself."""
        group = discovered(request)
        if group is not None:
            served = sorted(each.plural for each in group - self.unserved)
            found = {"kind": "APIResourceList", "resources": [{"name": each} for each in served]}
            return answer(200, found) if served else answer(404, "404 page not found\n")
        asked = understood(request)
        if asked is None or asked.resource in self.unserved:
            return answer(404, "404 page not found\n")
        target = (
            f"{asked.resource.plural}/{asked.subresource}" if asked.subresource else asked.resource.plural
        )
        if (asked.verb, target) in self.denied:
            text = f'{asked.resource} is forbidden: User "tests" cannot {asked.verb} resource "{target}"'
            return failure(403, "Forbidden", text, kind=asked.resource.plural)
        try:
            return self._served(asked, request)
        except RefusedError as refused:
            details: Obj = {"name": asked.name, "kind": asked.resource.plural}
            if refused.causes:
                details["causes"] = [
                    {"reason": "FieldValueInvalid", "message": why} for why in refused.causes
                ]
            return failure(refused.status, refused.reason, str(refused), **details)
        except NotApplicableError:
            return failure(422, "Invalid", NOT_APPLICABLE)

    def _served(self, asked: Asked, request: ApiRequest) -> ApiAnswer:
        manager = request.query.get("fieldManager", "unknown")
        match asked.verb:
            case "get":
                return answer(200, seen(asked, self._existing(asked)))
            case "list":
                return self._listed(asked, request.query)
            case "watch":
                return self._watched(asked, request.query)
            case "create":
                created = self.objects.create(asked.resource, asked.namespace or "", request.body, manager)
                return self._told(201, created)
            case "patch":
                now = seen(asked, self._existing(asked))
                new = patched(now, request.body)
                return self._told(
                    200, seen(asked, self.objects.update(asked.key, new, manager, asked.subresource))
                )
            case "delete":
                return self._deleted(asked, request.body or {})
        return failure(
            405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
        )

    def _existing(self, asked: Asked) -> Obj:
        found = self.objects.get(asked.key)
        if found is None:
            raise RefusedError(404, "NotFound", f'{asked.resource} "{asked.name}" not found')
        return found

    def _deleted(self, asked: Asked, options: Obj) -> ApiAnswer:
        found = self._existing(asked)
        for name, wanted in (options.get("preconditions") or {}).items():
            if found["metadata"].get(name) != wanted:
                raise RefusedError(409, "Conflict", f"Precondition failed: {name}")
        return self._told(200, self.objects.delete(asked.key))

    def _listed(self, asked: Asked, query: Mapping[str, str]) -> ApiAnswer:
        token = query.get("continue", "")
        if token and token not in self._pages:
            raise RefusedError(410, "Expired", "The provided continue parameter is too old")
        if token:
            version, found = token.partition("-")[0], self._pages[token]
        else:
            matches = selector(query.get("labelSelector", ""), query.get("fieldSelector", ""))
            version = str(self.objects.version)
            found = [obj for obj in self.objects.all(asked.resource, asked.namespace) if matches(obj)]
        limit = int(query.get("limit", "0")) or len(found)
        metadata: Obj = {"resourceVersion": version}
        if len(found) > limit:
            metadata["continue"] = f"{version}-{len(self._pages)}"
            self._pages[metadata["continue"]] = found[limit:]
        items = [
            {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}
            for obj in found[:limit]
        ]
        kind = {"kind": f"{asked.resource.kind}List", "apiVersion": asked.resource.api_version}
        return answer(200, {**kind, "metadata": metadata, "items": items})

    def _watched(self, asked: Asked, query: Mapping[str, str]) -> ApiAnswer:
        since = int(query.get("resourceVersion") or self.objects.version)
        if since < self._oldest:
            raise RefusedError(410, "Expired", f"too old resource version: {since} ({self._oldest})")
        return ApiAnswer(200, {}, self._events(asked, query, since))

    async def _events(self, asked: Asked, query: Mapping[str, str], since: int) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + float(query.get("timeoutSeconds", "3600"))
        drops, chosen = self._drops, selector("", query.get("fieldSelector", ""))
        self.watching += 1
        try:
            while True:
                news = self._news
                for change in [change for change in self.objects.history if change.version > since]:
                    since = change.version
                    event = event_of(asked, change)
                    if event is not None and chosen(event["object"]):
                        yield _line(event)
                if self._drops != drops:
                    raise TransientError("the connection was reset")
                try:
                    async with asyncio.timeout_at(deadline):
                        await news.wait()
                except TimeoutError:
                    break
            if query.get("allowWatchBookmarks") == "true":
                now = {"metadata": {"resourceVersion": str(self.objects.version)}}
                yield _line({"type": "BOOKMARK", "object": {"kind": asked.resource.kind, **now}})
        finally:
            self.watching -= 1

    def _told(self, status: int, obj: Obj) -> ApiAnswer:
        self._tell()
        return answer(status, obj)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _replaced(self, key: Key, found: Obj, obj: Obj, manager: str) -> Obj:
        new = copy.deepcopy(obj)
        new["metadata"] = {**new["metadata"], "resourceVersion": found["metadata"]["resourceVersion"]}
        new.setdefault("apiVersion", found["apiVersion"])
        new.setdefault("kind", found["kind"])
        if new.get("status") != found.get("status") and key[0] not in WITHOUT_STATUS:
            stored = self.objects.update(key, new, manager, "status")
            new["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
        return self.objects.update(key, new, manager)


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"
