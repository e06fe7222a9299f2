"""A rollout to tell of, receivers on loopback that misbehave, and an outbox in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.domain.judge.base import Assessment, CheckResult
from controller.domain.model import Entry, Rollout
from controller.domain.policy import Check, CheckKind, Policy, RouteRef
from controller.domain.release import Release
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.errors import StoreUnavailable
from controller.ports import Posting

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ERROR = b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"

Behaviour = bytes | None
ERRORS = Check("errors", CheckKind.RATIO, max=0.01)
FAILED = CheckResult(
    "errors", Verdict.FAIL, Reason.ABOVE_LIMIT, value=0.031, limit=0.01, requests=200, failures=1
)


def rollout(*names: str, name: str = "r-1") -> Rollout:
    policy = Policy("fraud", "ml", RouteRef("envoy", "/f"), "envoy", steps=(), checks=(ERRORS,), notify=names)
    stable = Release("v1", ())
    return Rollout(name, "fraud", Release("v2", ()), policy, NOW, "ann", stable, phase=Phase.ROLLED_BACK)


def entry(seq: int = 7, message: str = "errors 3.1 % > 1 %", *, notable: bool = True) -> Entry:
    return Entry(
        seq=seq,
        at=NOW,
        actor="serinus",
        event="rollback_started",
        phase_before=Phase.PROGRESSING,
        phase=Phase.ROLLING_BACK,
        reason=Reason.CHECK_FAILED,
        message=message,
        step=0,
        weight_permille=5,
        assessment=Assessment(Verdict.FAIL, (FAILED,)),
        notable=notable,
    )


def posting(seq: int = 7, to: str = "team", **changes: Any) -> Posting:
    return Posting(rollout(to), replace(entry(seq), **changes), to)


@dataclass
class Receiver:
    """A server that answers with what is next in its list, the last for ever; None is silence."""

    behaviours: list[Behaviour]
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    url: str = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers, body))
        self.arrived.put_nowait(json.loads(body))
        behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        if behaviour is None:
            await reader.read()
        else:
            writer.write(behaviour)
        writer.close()

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self.arrived.get()


Receive = Callable[..., Awaitable[Receiver]]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receive]:
    servers: list[asyncio.Server] = []

    async def start(*behaviours: Behaviour) -> Receiver:
        receiver = Receiver(list(behaviours))
        servers.append(await asyncio.start_server(receiver.handle, "127.0.0.1", 0))
        receiver.url = f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/hook/T0KEN"
        return receiver

    yield start
    for server in servers:
        server.close()


class Shelf:
    """An outbox that a crash does not empty. ``down`` makes it unavailable."""

    def __init__(self, *postings: Posting) -> None:
        self.waiting = list(postings)
        self.memos: dict[tuple[str, str], str] = {}
        self.settled: list[tuple[str, str]] = []
        self.down = 0
        self.changed = asyncio.Event()

    def commit(self, rollout: Rollout, entry: Entry) -> None:
        if entry.notable:
            self.waiting += [Posting(rollout, entry, name) for name in dict.fromkeys(rollout.policy.notify)]

    async def destinations(self) -> Sequence[str]:
        self._reach()
        return sorted({each.destination for each in self.waiting})

    async def postings(self, destination: str, limit: int) -> Sequence[Posting]:
        self._reach()
        return [each for each in self.waiting if each.destination == destination][:limit]

    async def memo(self, rollout_id: str, destination: str) -> str:
        return self.memos.get((rollout_id, destination), "")

    async def settle(self, posting: Posting, memo: str) -> None:
        self._reach()
        gone = (posting.id, posting.destination)
        self.waiting = [each for each in self.waiting if (each.id, each.destination) != gone]
        self.settled.append(gone)
        if memo:
            self.memos[posting.rollout.id, posting.destination] = memo
        self.changed.set()

    async def reach(self, number: int) -> list[tuple[str, str]]:
        async with asyncio.timeout(10):
            while len(self.settled) < number:
                self.changed.clear()
                await self.changed.wait()
        return self.settled

    def _reach(self) -> None:
        if self.down:
            self.down -= 1
            raise StoreUnavailable("the disk is full")


@dataclass
class HandClock:
    """A wall clock that a test moves."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += by
