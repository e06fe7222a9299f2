"""Where notifications go in the tests: one HTTP server that plays a webhook receiver, and Slack with its API.

What goes wrong is decided for each request by ``fault``, which is asked before anything else. The server
runs on the loop of the test (`Receiver.open`), whose clock may be virtual, or in a thread (`receiving`).
"""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.slack_server import Answered, Slack

Event = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What arrived; the names of ``headers`` are in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Event
    raw: bytes


@dataclass(frozen=True)
class Fault:
    """What goes wrong. ``took``: the message was taken all the same; ``cut``: the answer ends too early."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    took: bool = True
    cut: bool = False
    after_seconds: float = 0.0


TEN_SECONDS_SLOW = Fault(after_seconds=10)
LIMITED = Fault(429, {"Retry-After": "30"}, took=False)
REDIRECT = Fault(302, {"Location": "http://169.254.169.254/latest/meta-data/"}, took=False)
LOST = Fault(500)
CUT = Fault(cut=True)

_API = "/api/"


def _nothing(_: Request) -> None:
    pass


class Receiver:
    """``requests`` are all that arrived, repeats included, in order; ``taken`` those that were not refused.

    A webhook is answered with ``status``, ``headers`` and ``answer``. ``before`` is called when a request was
    taken and is not answered yet, ``after`` when it is.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.taken: list[Request] = []
        self.slack = Slack()
        self.fault: Callable[[Request], Fault | None] = lambda _: None
        self.before: Callable[[Request], object] = _nothing
        self.after: Callable[[Request], object] = _nothing
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self.answer = b""
        self._server: asyncio.Server | None = None
        # Holds the port while nobody listens, so that connections to it are refused and nobody else gets it.
        self._port = socket.socket()
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._port.getsockname()
        self.url = "http://{}:{}/".format(*self.address)
        self.slack.url = f"{self.url}api/"

    async def open(self) -> None:
        """Listen, on the running loop."""
        self._server = await asyncio.start_server(self._serve, *self.address)

    async def close(self) -> None:
        """Be down: connections are refused. It can be opened again."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def leave(self) -> None:
        """Give the port back."""
        self._port.close()

    @property
    def events(self) -> list[Event]:
        """The bodies that came to webhooks."""
        return [each.body for each in self.requests if not each.path.startswith(_API)]

    def of(self, rollout: str) -> list[Event]:
        return [event for event in self.events if event.get("subject") == rollout]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The sender may be dead by now; and who still waits for an answer at the end is left without.
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            request = await _read(reader)
            self.requests.append(request)
            fault = self.fault(request) or Fault()
            status, headers, body = self._answered(request, fault)
            await asyncio.sleep(fault.after_seconds)
            length = len(body) + (100 if fault.cut else 0)
            lines = [f"HTTP/1.1 {status} X", f"Content-Length: {length}", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await writer.drain()
            self.after(request)
        writer.close()

    def _answered(self, request: Request, fault: Fault) -> Answered:
        """What is answered. Slack took it before `before` is called, which may change a webhook's answer."""
        status, headers, body = fault.status, fault.headers, b""
        if fault.took:
            self.taken.append(request)
        played = self._played(request) if fault.took and request.path.startswith(_API) else None
        self.before(request)
        if fault.status == 200:
            status, own, body = played or (self.status, self.headers, self.answer)
            headers = {**own, **headers}
        elif fault.status == 429:
            body = Slack.no("ratelimited")[2]
        return status, headers, body

    def _played(self, request: Request) -> Answered:
        self.slack.tokens.add(request.headers.get("authorization", ""))
        status, headers, body = self.slack.play(request.path.removeprefix(_API), request.body)
        return status, {"Content-Type": "application/json; charset=utf-8", **headers, **self.headers}, body


async def _read(reader: asyncio.StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(raw or b"{}"), raw)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """One in a thread of its own."""
    receiver, ending = Receiver(), Future[Callable[[], object]]()

    async def serve() -> None:
        await receiver.open()
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        ending.set_result(lambda: loop.call_soon_threadsafe(over.set))
        await over.wait()
        await receiver.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    end = ending.result(10)
    try:
        yield receiver
    finally:
        end()
        thread.join()
        receiver.leave()


@contextmanager
def serving() -> Iterator[Slack]:
    """Slack's API alone, at ``url``."""
    with receiving() as receiver:
        yield receiver.slack
