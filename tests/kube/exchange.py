"""One request through a faulty proxy: what each fault does to it."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.kube import wire
from tests.kube.fault_rules import Asked, Fault
from tests.kube.shim import Answer, Client, Request

if TYPE_CHECKING:
    from tests.kube.faults import FaultyProxy

_PAGE = b"<html><body><h1>500 Internal Server Error</h1><p>upstream went away</p></body></html>\n"
_TORN = wire.encode_chunk(b'{"type":"MODIFIED","object":{"kind":"HTTPRoute"}}\n')[:30]
_REFUSALS = {
    Fault.CONFLICT: (
        409,
        "Conflict",
        "Conflict",
        "the object has been modified; please apply your changes again",
    ),
    Fault.GONE: (410, "Gone", "Expired", "too old resource version: 1 (2)"),
    Fault.THROTTLED: (
        429,
        "Too Many Requests",
        "TooManyRequests",
        "too many requests, please try again later",
    ),
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """All methods raise wire.Closed when the connection is of no more use."""

    proxy: "FaultyProxy"
    request: Request
    client: Client
    asked: Asked
    number: int

    def note(self, **facts: Any) -> None:
        """Record what became known."""
        self.proxy.recorder.note(self.number, **facts)

    async def ask(self) -> Answer:
        """Send the request on."""
        answer = await self.proxy.ask(self.request, self.client)
        self.note(server_status=answer.status, server_body=answer.body if self.asked.write else b"")
        return answer

    async def relay(self, answer: Answer) -> None:
        """Tell the client. The record says so before the client can know."""
        self.note(status=answer.status)
        try:
            await self.proxy.relay(answer, self.client)
        except wire.Closed:
            if answer.lines is None:
                self.note(status=None)
            raise

    async def suffer(self, fault: Fault) -> None:
        """Let the fault befall the request."""
        match fault:
            case Fault.GONE_EVENT | Fault.DROPPED | Fault.SILENT:
                await self._watch(fault)
            case Fault.SILENT_AFTER | Fault.RESET_AFTER | Fault.BROKEN_AFTER:
                await self._after(fault)
            case Fault.LATE:
                await self.proxy.released(self.proxy.timings.hold_seconds)
                await self.relay(await self.ask())
            case Fault.DRIPPING:
                await self.proxy.while_there(self._drip(await self.ask()), self.client)
            case Fault.BROKEN:
                await self.relay(_broken())
            case Fault.RESET:
                raise wire.Closed(fault)
            case _:
                await self.relay(self._refusal(fault))

    async def _after(self, fault: Fault) -> None:
        await self.ask()
        if fault is Fault.BROKEN_AFTER:
            await self.relay(_broken())
            return
        if fault is Fault.SILENT_AFTER:
            await self.proxy.while_there(self._held(self.proxy.timings.hold_seconds), self.client)
        raise wire.Closed(fault)

    async def _watch(self, fault: Fault) -> None:
        answer = await self.ask()
        if answer.lines is None:
            await self.relay(answer)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.proxy.moment()):
                await self.relay(answer)
                return
        self.client.leave_server()  # it is in the middle of an answer
        if fault is Fault.GONE_EVENT:
            event = {"type": "ERROR", "object": _status(Fault.GONE)}
            await self.client.send(wire.encode_chunk(json.dumps(event).encode() + b"\n"))
            await self.client.send(wire.encode_chunk(b""))
            return
        if fault is Fault.SILENT:
            await self.proxy.while_there(self._held(None), self.client)
        elif self.proxy.tears():
            await self.client.send(_TORN)
        raise wire.Closed(fault)

    async def _held(self, seconds: float | None) -> None:
        await self.proxy.released(seconds)

    async def _drip(self, answer: Answer) -> None:
        head = wire.end_to_end(answer.head)
        self.note(status=answer.status)
        if answer.lines is None:
            length = {"content-length": str(len(answer.body))}
            await self.client.send(wire.encode_head(head.first, {**head.headers, **length}))
            await self._drip_bytes(answer.body)
            return
        await self.client.send(wire.encode_head(head.first, {**head.headers, **wire.CHUNKED}))
        async for line in answer.lines:
            await self._drip_bytes(wire.encode_chunk(line))
        await self.client.send(wire.encode_chunk(b""))

    async def _drip_bytes(self, data: bytes) -> None:
        for byte in data:
            await self.client.send(bytes((byte,)))
            if await self.proxy.released(self.proxy.timings.drip_seconds):
                raise wire.Closed(Fault.DRIPPING)

    def _refusal(self, fault: Fault) -> Answer:
        code, phrase, _, _ = _REFUSALS[fault]
        headers = {"content-type": "application/json"}
        if fault is Fault.THROTTLED:
            headers["retry-after"] = str(self.proxy.timings.retry_after_seconds)
        head = wire.Head(("HTTP/1.1", str(code), phrase), headers)
        return Answer(code, head, json.dumps(_status(fault)).encode())


def _status(fault: Fault) -> dict[str, Any]:
    code, _, reason, message = _REFUSALS[fault]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def _broken() -> Answer:
    head = wire.Head(("HTTP/1.1", "500", "Internal Server Error"), {"content-type": "text/html"})
    return Answer(500, head, _PAGE)
