"""Several processes that elect a leader, one API server, and everything that can go wrong between them.

Each process is a real `Elector` on an event loop of its own, whose clock is its own: it may go wrong by some
per cent, and only the world moves it. A frozen process does nothing at all, but its clock goes on. A message
takes its time, gets lost, or arrives after everybody gave it up. `World.judge` runs at every instant at which
something happens; what a process believes can only end in between, never begin.
"""

import asyncio
import heapq
import itertools
import selectors
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.elector import Clocks, Elector, LeaseRef, LeaseTiming
from controller.adapters.kube.errors import Deposed, LeaseLost
from controller.adapters.kube.lease import LeaseRecord, record_of
from controller.adapters.kube.resources import LEASES
from controller.adapters.kube.rivals import Rivals
from controller.adapters.kube.sharding import suffixed
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.domain.sharding import WHOLE, Shard
from tests.kube_fake import FakeApi

NAMESPACE = NAME = "serinus"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class _NoWait(selectors.SelectSelector):
    """A loop on it never waits: the world says when time has passed."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(0)


class ProcessLoop(asyncio.SelectorEventLoop):
    """The event loop of one process, run by hand."""

    # Of the standard loop, which does not show them to type checkers.
    _ready: "list[asyncio.Handle]"
    _scheduled: "list[asyncio.TimerHandle]"
    _clock_resolution: float

    def __init__(self, clock: Callable[[], float]) -> None:
        self._process_clock = clock
        super().__init__(_NoWait())

    def time(self) -> float:
        return self._process_clock()

    def next_timer(self) -> float | None:
        """When the next timer is due, by this loop's clock."""
        return self._scheduled[0].when() if self._scheduled else None

    def settle(self) -> bool:
        """Do all that is to be done by now; whether there was anything."""
        worked = False
        while self._ready or self._is_due():
            self.call_soon(self.stop)
            self.run_forever()
            worked = True
        return worked

    def _is_due(self) -> bool:
        timer = self.next_timer()
        return timer is not None and timer < self.time() + self._clock_resolution


@dataclass
class Network:
    """What happens to the messages of one process from now on."""

    up_seconds: float = 0.005
    down_seconds: float = 0.005
    loses_requests: bool = False
    loses_answers: bool = False


class Process:
    """One run of the daemon; its own transport to the server."""

    def __init__(
        self, world: "World", identity: str, rate: float, wall_is_off: timedelta, shard: Shard = WHOLE
    ) -> None:
        """``rate`` is how many seconds its clocks count in one."""
        self.identity = identity
        self.shard = shard
        self.lease_name = suffixed(NAME, shard)
        self.network = Network()
        self.frozen = False
        self.alive = True
        self._world = world
        self._born = world.now
        self._rate = rate
        self._stopping = asyncio.Event()
        self.loop = ProcessLoop(lambda: (world.now - self._born) * rate)
        clocks = Clocks(self.loop.time, lambda: NOON + timedelta(seconds=world.now) + wall_is_off)
        client, ref = KubeClient(self), LeaseRef(NAMESPACE, self.lease_name, identity)
        rivals = Rivals(client, NAMESPACE, NAME, shard, world.timing, self.loop.time)
        self.elector = Elector(client, ref, self._floor, world.timing, clocks, rivals.lead)
        self.task = self.loop.create_task(self.elector.run(self._lead))

    @property
    def believes(self) -> bool:
        """Whether it would write now, if it came to it."""
        with suppress(Deposed):
            self.elector.check()
            return True
        return False

    @property
    def next_timer(self) -> float:
        """When it will do something by itself, in the world's time."""
        timer = self.loop.next_timer()
        return float("inf") if timer is None or self.frozen else self._born + timer / self._rate

    def settle(self) -> bool:
        """Do all that is to be done by now; whether there was anything."""
        if self.frozen or not self.alive or not self.loop.settle():
            return False
        assert not self.elector.overdue or self.task.done(), f"{self.identity} did not notice its end"
        if self.task.done():
            error = None if self.task.cancelled() else self.task.exception()
            assert error is None or isinstance(error, LeaseLost), repr(error)
            self.end()
        return True

    def stop(self) -> None:
        """SIGTERM: a leader finishes, a candidate has nothing to finish."""
        if self.elector.epoch:
            self._stopping.set()
        else:
            self.loop.call_soon(self.task.cancel)

    def end(self) -> None:
        """It is gone: SIGKILL, or after its exit."""
        self.alive = False
        while tasks := asyncio.all_tasks(self.loop):
            for task in tasks:
                task.cancel()
            self.loop.settle()
        self.loop.close()

    async def _floor(self) -> int:
        """Every leader stamps its epoch on something as soon as it leads."""
        return self._world.highest_epochs.get(self.lease_name, 0)

    async def _lead(self) -> None:
        self._world.began(self)
        await self._stopping.wait()

    @asynccontextmanager
    async def send(self, request: ApiRequest) -> AsyncIterator[ApiAnswer]:
        """As `Transport` says."""
        answered: asyncio.Future[ApiAnswer] = self.loop.create_future()
        if self.alive:
            self._world.post(self, request, answered)
        yield await answered

    async def close(self) -> None:
        """As `Transport` says."""


class World:
    """Time, the server, the messages under way, and the judge."""

    def __init__(self, timing: LeaseTiming) -> None:
        self.now = 0.0
        self.timing = timing
        self.api = FakeApi()
        self.processes: list[Process] = []
        self.leases: dict[str, LeaseRecord] = {}
        self.deleted_at = float("-inf")
        self.highest_epochs: dict[str, int] = {}
        self.reigns = 0
        self._mail: list[tuple[float, int, Callable[[], object]]] = []
        self._number = itertools.count()

    def start(
        self,
        identity: str,
        rate: float = 1.0,
        wall_is_off: timedelta = timedelta(0),
        shard: Shard = WHOLE,
    ) -> Process:
        process = Process(self, identity, rate, wall_is_off, shard)
        self.processes.append(process)
        return process

    def delete_lease(self) -> None:
        if self.leases.pop(NAME, None) is not None:
            self.api.delete(LEASES, NAMESPACE, NAME)
            self.deleted_at = self.now

    def began(self, process: Process) -> None:
        name, epoch = process.lease_name, process.elector.epoch
        assert epoch > self.highest_epochs.get(name, 0), "epochs rise from leader to leader"
        self.highest_epochs[name] = epoch
        self.reigns += 1

    def post(self, process: Process, request: ApiRequest, answered: "asyncio.Future[ApiAnswer]") -> None:
        network = process.network
        loses_answers, down_seconds = network.loses_answers, network.down_seconds

        def arrive() -> None:
            answer = self.api.answer(request)
            if request.method != "GET":
                found = self.api.get(LEASES, NAMESPACE, process.lease_name)
                if found is not None:
                    self.leases[process.lease_name] = record_of(found)
            if not loses_answers:
                self.after(down_seconds, lambda: _received(process, answered, answer))

        if not network.loses_requests:
            self.after(network.up_seconds, arrive)

    def after(self, seconds: float, happens: Callable[[], object]) -> None:
        heapq.heappush(self._mail, (self.now + seconds, next(self._number), happens))

    def advance(self, seconds: float) -> None:
        """Let time pass, and all that happens in it."""
        end = self.now + seconds
        self._settle()
        while (instant := self._next_instant()) <= end:
            self.now = max(self.now, instant)
            while self._mail and self._mail[0][0] <= self.now:
                heapq.heappop(self._mail)[2]()
                self.judge()
            self._settle()
        self.now = end
        self.judge()

    def judge(self) -> None:
        """What must hold at every instant."""
        believers = [process for process in self.processes if process.believes]
        names = [process.identity for process in believers]
        assert len({process.shard for process in believers}) == len(believers), f"{names} both lead one shard"
        assert len({process.shard.count for process in believers}) <= 1, (
            f"{names} deal models out in two ways"
        )
        if self.now > self.deleted_at + self.timing.lease.total_seconds():
            # Nor does anybody hold it in the server whom nobody answered yet.
            for process in believers:
                lease = self.leases.get(process.lease_name)
                assert lease is not None, "nobody holds the lease"
                assert lease.holder == process.elector.leader, lease

    def close(self) -> None:
        for process in self.processes:
            if process.alive:
                process.end()

    def _settle(self) -> None:
        for process in self.processes:
            if process.settle():
                self.judge()
        if not all(process.alive for process in self.processes):
            self.processes = [process for process in self.processes if process.alive]

    def _next_instant(self) -> float:
        mail = self._mail[0][0] if self._mail else float("inf")
        return min([mail, *(process.next_timer for process in self.processes)])


def _received(process: Process, answered: "asyncio.Future[ApiAnswer]", answer: ApiAnswer) -> None:
    def wake() -> None:
        if not answered.done():
            answered.set_result(answer)

    if process.alive:
        process.loop.call_soon(wake)
