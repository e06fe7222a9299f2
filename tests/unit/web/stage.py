"""The application in a world of fakes, called in its own process as a server calls it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from starlette.types import ASGIApp, Message

from controller.control.board import Board
from controller.control.doors import MACHINE, READ
from controller.control.library import MachineLibrary
from controller.control.steering import MachineReleasing, MachineSteering, Person
from controller.control.views import status_view
from controller.domain.model import Rollout
from controller.web.admission import Admission
from controller.web.application import Pages, create_app
from controller.web.origins import Origins
from controller.web.parts import Parts
from controller.web.streaming import Beats
from tests.unit.control.stage import Stage, progressing

MARKER = "M4RKER0of0a0secret"
ANN, BEN, CY = (f"{name}-{MARKER}" for name in ("ann", "ben", "cy"))
"""The tokens of who may do everything, of who may read, and of who may do nothing here."""
STRANGE = f"made-for-others-{MARKER}"
"""A token that is good, and was made for somebody else."""
ORIGIN = "http://serinus.test"


@dataclass
class FakeDoorman:
    """Knows people by their tokens; ``rights`` are their verbs, in the one place that there is."""

    people: dict[str, Person] = field(
        default_factory=lambda: {ANN: Person("ann(1000)"), BEN: Person("ben"), CY: Person("cy")}
    )
    rights: dict[str, set[str]] = field(
        default_factory=lambda: {
            "ann(1000)": {
                READ,
                "create",
                "promote",
                "abort",
                "pause",
                "resume",
                "retry",
                "approve",
                "deny",
            },
            "ben": {READ},
        }
    )
    fault: Exception | None = None
    asked: Counter[str] = field(default_factory=Counter)
    gate: asyncio.Event | None = None

    async def person(self, token: str) -> Person | None:
        self.asked["person"] += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return self.people.get(token)

    async def may(self, person: Person, verb: str, namespace: str, name: str = "") -> bool:
        self.asked[verb] += 1
        if self.fault is not None:
            raise self.fault
        return verb in self.rights.get(person.name, set())


class Shelf:
    """The stage's policies with files; ``validity`` is changed by tests."""

    def __init__(self, stage: Stage) -> None:
        self._policies = stage.policies
        self.valid = dict.fromkeys(stage.policies.current(), True)
        self.current = stage.policies.current
        self.problems = stage.policies.problems

    def validity(self) -> Mapping[str, bool]:
        return self.valid

    def origins(self) -> Mapping[str, str]:
        return {model: f"/etc/serinus/policies/{model}.yaml" for model in self._policies.current()}


class Site:
    """The application; ``seconds`` is its monotonic clock."""

    def __init__(self, origins: Origins | None = None, pages: Pages | None = None) -> None:
        self.stage = Stage()
        self.doorman = FakeDoorman()
        self.board = Board()
        self.seconds = 0.0
        self.counted: Counter[int] = Counter()
        self.shelf = Shelf(self.stage)
        service, store, clock = self.stage.service, self.stage.store, self.stage.clock
        self.steering = MachineSteering(service, store)
        parts = Parts(
            library=MachineLibrary(store, self.stage.policies, clock),
            shelf=self.shelf,
            steering=self.steering,
            releasing=MachineReleasing(service),
            board=self.board,
            clock=clock,
            admission=Admission(self.doorman, lambda: self.seconds),
            made_by="serinus 0",
        )
        self.app: ASGIApp = create_app(
            parts,
            origins or Origins(),
            count=self._count,
            pages=pages or Pages(),
            beats=Beats(monotonic=lambda: self.seconds),
        )

    def _count(self, status: int) -> None:
        self.counted[status] += 1

    def begin(self, rollout: Rollout | None = None) -> Rollout:
        return self.stage.begin(rollout or progressing())

    def show(self, rollout: Rollout) -> None:
        """Put a change on the board."""
        self.board.put(MACHINE, rollout.model, rollout.id, lambda now: status_view(rollout, now))

    @asynccontextmanager
    async def client(self, token: str | None = ANN, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
        """A caller; redirections are not followed."""
        bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url=ORIGIN, headers={**bearer, **headers}
        ) as client:
            yield client

    async def ask(self, method: str, path: str, *, token: str | None = ANN, **more: Any) -> httpx2.Response:
        """One request."""
        async with self.client(token) as client:
            return await client.request(method, path, **more)

    @property
    def state(self) -> tuple[object, ...]:
        """All that a word could change."""
        records = {name: stored.version for name, stored in self.stage.store.records.items()}
        return (records, self.stage.store.writes, len(self.stage.wakes), dict(self.stage.router.splits))


class Stream:
    """One open request for events, read as they come."""

    def __init__(self, app: ASGIApp, query: str = "", token: str = ANN, last: str | None = None) -> None:
        self.sent: asyncio.Queue[Message] = asyncio.Queue()
        self.hung_up = asyncio.Event()
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"host", b"serinus.test")]
        if last is not None:
            headers.append((b"last-event-id", last.encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/api/v1/events",
            "raw_path": b"/api/v1/events",
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
            "client": ("203.0.113.1", 1),
            "server": ("serinus.test", 80),
        }

        async def serve() -> None:
            await app(scope, self._receive, self._send)

        self.task = asyncio.create_task(serve())

    async def _receive(self) -> Message:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self.sent.put(message)

    async def start(self) -> Message:
        """The head of the answer."""
        async with asyncio.timeout(5):
            return await self.sent.get()

    async def next(self) -> tuple[str, Any, str]:
        """The next event: kind, data, id. Comments are passed over; ``end`` is the end."""
        while True:
            async with asyncio.timeout(5):
                message = await self.sent.get()
            if not message.get("more_body"):
                return "end", None, ""
            lines = [line for line in message["body"].decode().splitlines() if line.partition(": ")[1]]
            fields = dict(line.split(": ", 1) for line in lines)
            if "event" in fields:
                return fields["event"], json.loads(fields["data"]), fields.get("id", "")

    async def close(self) -> None:
        """Hang up; the application lets go."""
        self.hung_up.set()
        async with asyncio.timeout(5):
            await self.task
