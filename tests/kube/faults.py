"""A proxy before the API server that does to requests what networks and busy servers do, and records it all.

    with FaultyProxy(apiserver) as proxy:
        proxy.inject(at_random(seed, {Fault.CONFLICT: 0.3}))
        ...
        proxy.calm()

It is a `Shim`: the server behind it looks like one of today. Faults are chosen when a request has come whole.
"""

import asyncio
import base64
import binascii
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.kube import wire
from tests.kube.exchange import Exchange
from tests.kube.fault_rules import Asked, Decide, Fault, no_faults
from tests.kube.recording import Recorded, Recorder
from tests.kube.shim import Client, Request, Shim

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

_READS = ("GET", "HEAD", "OPTIONS")
_REVIEWS = ("/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/")


@dataclass(frozen=True, slots=True)
class Timings:
    """How long faults take."""

    retry_after_seconds: int = 1
    hold_seconds: float = 30
    """An answer kept back, or a late write, is held so long."""
    watch_within_seconds: float = 5
    """What befalls a watch befalls it at a random time within this."""
    drip_seconds: float = 1
    """From byte to byte."""


class FaultyProxy(Shim):
    """Serves at ``url``; passes everything on until faults are injected."""

    def __init__(self, server: "ApiServer", *, seed: int = 0, timings: Timings | None = None) -> None:
        self.recorder = Recorder()
        self._identities = dict(server.identities)
        self.timings = timings or Timings()
        self._random = random.Random(seed)
        self._decide: Decide = no_faults
        self._cuts: dict[str | None, bool] = {}
        self._healed = asyncio.Event()
        self._released = asyncio.Event()
        super().__init__(server.port, server.ca_file, server.key_file)

    # what tests say

    @property
    def recorded(self) -> list[Recorded]:
        """Every request so far, in the order of arrival."""
        return self.recorder.all()

    def inject(self, decide: Decide) -> None:
        """Choose faults so from the next request on."""
        self._decide = decide

    def calm(self, *, release: bool = True) -> None:
        """No more faults. What is held is let go, if it shall be: answers are dropped, late writes sent."""
        self._decide = no_faults
        if release:
            self._in_loop(self._release)

    def cut(self, identity: str | None = None, *, refuse: bool = False) -> None:
        """No byte passes in either direction, of one identity or of all, on connections old and new.

        Connections stay open, unless ``refuse`` is set: then they are reset, at once and at each request.
        """
        self._in_loop(lambda: self._begin_cut(identity, refuse=refuse))

    def heal(self) -> None:
        """Everything passes again; what was held, also of clients that gave up, reaches the server."""
        self._in_loop(self._end_cuts)

    # one request

    async def answer(self, request: Request, client: Client) -> None:
        asked = self._asked(request)
        client.identity = asked.identity
        client.gate = lambda: self._passage(asked.identity)
        exchange = Exchange(self, request, client, asked, self._begin(request, asked))
        try:
            if self._is_cut(asked.identity):
                exchange.note(fault=Fault.CUT)
            await client.gate()
            fault = self._decide(asked)
            if fault is None:
                await exchange.relay(await exchange.ask())
            else:
                exchange.note(fault=fault)
                await exchange.suffer(fault)
        finally:
            exchange.note(ended=time.monotonic())

    def _asked(self, request: Request) -> Asked:
        path = request.url.path
        token = request.head.headers.get("authorization", "").removeprefix("Bearer ")
        write = request.method not in _READS and not path.startswith(_REVIEWS) and not path.endswith("/token")
        identity = self._identities.get(token) or subject(token) or "anonymous"
        return Asked(identity, request.method, path, request.watch, write)

    def _begin(self, request: Request, asked: Asked) -> int:
        return self.recorder.begin(
            at=time.monotonic(),
            identity=asked.identity,
            method=asked.method,
            path=asked.path,
            query=request.url.query,
            write=asked.write,
            body=request.body if asked.write else b"",
        )

    # what faults ask

    def moment(self) -> float:
        """Seconds after which something befalls a watch."""
        return self._random.uniform(0, self.timings.watch_within_seconds)

    def tears(self) -> bool:
        """Whether a dropped watch ends in the middle of an event."""
        return self._random.random() < 0.5

    async def released(self, seconds: float | None) -> bool:
        """Wait so long (None: for ever), or until the proxy lets go of all that is held; then it is true."""
        try:
            await asyncio.wait_for(self._released.wait(), seconds)
        except TimeoutError:
            return False
        return True

    # cuts and releases

    def _is_cut(self, identity: str) -> bool:
        return None in self._cuts or identity in self._cuts

    async def _passage(self, identity: str) -> None:
        while self._is_cut(identity):
            if self._cuts.get(identity, self._cuts.get(None)):
                raise wire.Closed("cut")
            await self._healed.wait()

    def _begin_cut(self, identity: str | None, *, refuse: bool) -> None:
        self._cuts[identity] = refuse
        self._healed.clear()
        for client in self._clients.values():
            if refuse and identity in (None, client.identity):
                client.abort()

    def _end_cuts(self) -> None:
        self._cuts.clear()
        self._healed.set()

    def _release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    def _in_loop(self, act: Callable[[], None]) -> None:
        async def acting() -> None:
            act()

        asyncio.run_coroutine_threadsafe(acting(), self.loop).result(10)


def subject(token: str) -> str | None:
    """Whom a service account's token speaks for; None if it is no such token. The server checks it."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    found = claims.get("sub") if isinstance(claims, dict) else None
    return found if isinstance(found, str) else None
