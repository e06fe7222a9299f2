"""The verbs of the Kubernetes API on plain JSON.

Objects come from the server as they are; the items of a list get the kind that the server leaves out.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path

from controller.adapters.kube.answers import (
    Call,
    WatchEvent,
    is_missing,
    page_of,
    parsed,
    refusal,
    watch_event,
)
from controller.adapters.kube.calls import Caller, CallLimits, Reply, within
from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.kube.served import Served
from controller.adapters.kube.transport import ApiRequest, Transport
from controller.adapters.kube.untrusted import mapping, sequence

__all__ = ["FIELD_MANAGER", "CallLimits", "KubeClient", "WatchEvent", "connect"]

FIELD_MANAGER = "serinus"


class KubeClient:
    """Reads and writes objects.

    Every method raises the errors of `controller.adapters.kube.errors`, and `Conflict`, and nothing else.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        namespace: str = "default",
        before_write: Callable[[], None] = lambda: None,
        count: Callable[[str, int], None] = lambda _verb, _status: None,
        limits: CallLimits | None = None,
        served: Served | None = None,
    ) -> None:
        """``namespace`` is the caller's own, by its kubeconfig's context or its pod.

        ``before_write`` raises to keep a write from being sent. ``count`` is told each call's verb and HTTP
        status, 0 when no answer came. ``served`` remembers for all clients on the same connections under
        which name the server knows a kind that was renamed.
        """
        self.namespace = namespace
        self._transport = transport
        self._count = count
        self._limits = limits or CallLimits()
        self._served = served or Served()
        self._caller = Caller(transport, before_write, count, self._limits)

    def guarded(self, before_write: Callable[[], None]) -> "KubeClient":
        """A client on the same connections whose writes ask first, with calls in flight of its own."""
        return KubeClient(
            self._transport,
            namespace=self.namespace,
            before_write=before_write,
            count=self._count,
            limits=self._limits,
            served=self._served,
        )

    async def close(self) -> None:
        """Close the connections, for all clients on them."""
        await self._transport.close()

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Obj | None:
        """The object; None when it does not exist. Raises `NotServed` when its kind does not."""
        resource = await self._served.choose(resource, self._knows)
        call = Call("get", resource, namespace, name)
        reply = await self._ask(call, ApiRequest("GET", resource.path(namespace, name)))
        return None if is_missing(reply.status, reply.body) else _object(call, reply)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        name: str = "",
        keep: Callable[[Obj], Obj] | None = None,
    ) -> tuple[list[Obj], str]:
        """All objects, and the resourceVersion to watch from; all namespaces when ``namespace`` is None.

        ``labels`` is a label selector, ``name`` the only object that is meant. ``keep`` slims each object as
        its page comes. Raises `Expired` when reading took so long that the server lost the rest.
        """
        resource = await self._served.choose(resource, self._knows)
        call = Call("list", resource, namespace)
        query = {"limit": str(self._limits.page), **_selected(labels, name)}
        found: list[Obj] = []
        following = ""
        async with within(call, self._limits.list_timeout):
            while True:
                where = {**query, "continue": following} if following else query
                request = ApiRequest("GET", resource.path(namespace), where)
                page = page_of(call, _object(call, await self._caller.ask(call, request)))
                found += page.items if keep is None else map(keep, page.items)
                following = page.following
                if not following:
                    return found, page.version

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        seconds: float,
        name: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """The changes since ``resource_version``, for ``seconds``; over when the server ends the stream.

        Raises `Expired` when the server does not know the version any more, and `TransientError` when the
        stream breaks or does not end. To be left by ``aclosing``.
        """
        resource = await self._served.choose(resource, self._knows)
        call = Call("watch", resource, namespace)
        whole_seconds = max(1, round(seconds))
        query = {
            "watch": "1",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(whole_seconds),
            "allowWatchBookmarks": "true",
            **_selected(name=name),
        }
        request = ApiRequest("GET", resource.path(namespace), query)
        async with aclosing(self._caller.follow(call, request, whole_seconds)) as lines:
            async for line in lines:
                yield watch_event(call, line)

    async def create(self, resource: Resource, namespace: str | None, body: Obj) -> Obj:
        """Create the object. Raises `Conflict` when it exists."""
        resource = await self._served.choose(resource, self._knows)
        call = Call("create", resource, namespace, body.get("metadata", {}).get("name"))
        request = ApiRequest("POST", resource.path(namespace), {"fieldManager": FIELD_MANAGER}, body)
        return _object(call, await self._ask(call, request))

    async def json_patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        operations: Sequence[Obj],
        *,
        subresource: str | None = None,
    ) -> Obj:
        """Apply the operations, all or none; the object as it is then.

        Raises `Conflict` when a ``test`` fails, `NotFound` when the object is gone. An operation that does
        not fit the object looks like a failed ``test``: a patch should test the version it was made for.
        """
        resource = await self._served.choose(resource, self._knows)
        call = Call("patch", resource, namespace, name, subresource)
        request = ApiRequest(
            "PATCH",
            resource.path(namespace, name, subresource),
            {"fieldManager": FIELD_MANAGER},
            list(operations),
            "application/json-patch+json",
        )
        return _object(call, await self._ask(call, request))

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete the object, its dependents in the background. That it is absent is fine.

        Raises `Conflict` when it has another ``uid``, or another ``resource_version``.
        """
        resource = await self._served.choose(resource, self._knows)
        call = Call("delete", resource, namespace, name)
        known = {"uid": uid, "resourceVersion": resource_version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {key: value for key, value in known.items() if value is not None},
        }
        reply = await self._ask(call, ApiRequest("DELETE", resource.path(namespace, name), body=body))
        if not is_missing(reply.status, reply.body):
            _object(call, reply)

    async def _knows(self, resource: Resource) -> bool:
        """Whether the server serves the kind, as it says itself."""
        call = Call("get", resource)
        reply = await self._ask(call, ApiRequest("GET", f"/apis/{resource.api_version}"))
        if reply.status == HTTPStatus.NOT_FOUND:
            return False
        kinds = map(mapping, sequence(_object(call, reply).get("resources")))
        return any(each.get("name") == resource.plural for each in kinds)

    async def _ask(self, call: Call, request: ApiRequest) -> Reply:
        async with within(call, self._limits.timeout):
            return await self._caller.ask(call, request)


def _selected(labels: str = "", name: str = "") -> dict[str, str]:
    by_label = {"labelSelector": labels} if labels else {}
    return {**by_label, "fieldSelector": f"metadata.name={name}"} if name else by_label


def _object(call: Call, reply: Reply) -> Obj:
    if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        raise refusal(call, reply.status, reply.headers, reply.body)
    return parsed(call, reply.body)


async def connect(
    kubeconfig: Path | None = None,
    context: str | None = None,
    *,
    server: str | None = None,
    count: Callable[[str, int], None] = lambda _verb, _status: None,
    limits: CallLimits | None = None,
) -> KubeClient:
    """A client of the cluster that ``kubeconfig`` names, or the default one, or the pod's own.

    ``context`` is one of the kubeconfig's; None is its current one. ``server`` alone is a URL without
    credentials, as ``kubectl proxy`` gives; with a kubeconfig it replaces the cluster's address. Raises
    `TargetError` when there is no cluster to talk to or the kubeconfig cannot be used.
    """
    # The library takes half a second and 50 MB to import: nobody who talks to no cluster pays for it.
    from controller.adapters.kube.connection import open_connection  # noqa: PLC0415

    transport, namespace = await open_connection(kubeconfig, context, server)
    return KubeClient(transport, namespace=namespace, count=count, limits=limits)
