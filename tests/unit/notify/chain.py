"""The whole way of a notification: a store's outbox in a file, the courier, a destination, a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from controller.adapters.notify.courier import Courier, Office
from controller.adapters.registry import destinations
from controller.adapters.store.sqlite import SqliteStore
from controller.adapters.telemetry import PrometheusTelemetry
from controller.domain.observation import Tick
from controller.domain.vocabulary import Phase
from controller.ports import Stored
from controller.settings import DestinationSettings
from tests.receiver import Receiver
from tests.store_records import NOW, entry, rollout

NAME = "team"
TOKEN = "xoxb-T0KEN"
ENDS = (Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.NOT_DEPLOYED, Phase.ABORTED)
WAY = (Phase.PENDING, Phase.PREPARING, Phase.PROGRESSING)
"""What comes before each end."""


class LoopClock:
    """Both clocks, as the loop's time goes."""

    def now(self) -> datetime:
        return NOW + timedelta(seconds=asyncio.get_running_loop().time())

    def tick(self) -> Tick:
        return Tick("process-1", asyncio.get_running_loop().time())


@dataclass
class Chain:
    """``told`` are the ids of all that is to be told, in the order of their commits."""

    store: SqliteStore
    courier: Courier
    receiver: Receiver
    telemetry: PrometheusTelemetry
    settled: list[str]
    moved: asyncio.Event
    told: list[str] = field(default_factory=list)
    clock: LoopClock = field(default_factory=LoopClock)

    async def play(self, *ends: Phase, name: str = "r") -> None:
        """Commit and tell the rollouts of so many models, one step of each in turn."""
        open_ones: list[Stored | None] = [None] * len(ends)
        for step in range(len(WAY) + 1):
            for place, end in enumerate(ends):
                phase = WAY[step] if step < len(WAY) else end
                open_ones[place] = await self._go(f"{name}{place}", phase, open_ones[place])

    async def _go(self, name: str, phase: Phase, read: Stored | None) -> Stored:
        record = read.rollout if read else rollout(name, model=name)
        policy = replace(record.policy, notify=(NAME,))
        after = replace(record, phase=phase, policy=policy, seq=record.seq + (1 if read else 0))
        word = replace(entry(after), at=self.clock.now(), notable=True, message=f"{name} is {phase}")
        stored = await (self.store.commit(read, after, word) if read else self.store.create(after, word))
        self.told.append(f"{name}-{word.seq}")
        self.courier.tell(after, word)
        return stored

    async def until_settled(self) -> None:
        """Until everything that was told so far is sent or given up, and out of the outbox."""
        while len(self.settled) < len(self.told):
            self.moved.clear()
            await self.moved.wait()
        await asyncio.sleep(1)  # the last is settled after it is counted
        assert await self.store.destinations() == []

    def counted(self, result: str) -> float:
        labels = {"result": result}
        return self.telemetry.registry.get_sample_value("serinus_notifications_total", labels) or 0.0


def settings(kind: str, receiver: Receiver, folder: Path) -> DestinationSettings:
    if kind == "slack":
        (folder / "token").write_text(TOKEN)
        more = {"channel": "#ml", "token_file": folder / "token", "url": receiver.slack.url}
    else:
        more = {"url": f"{receiver.url}hook", "private_addresses": True}
    return DestinationSettings.model_validate({"kind": kind, "plain_http": True, **more})


@asynccontextmanager
async def chain(kind: str, folder: Path, prepare: Callable[[Receiver], None]) -> AsyncIterator[Chain]:
    """One with one destination. ``prepare`` decides what goes wrong; nobody listens yet."""
    receiver, telemetry = Receiver(), PrometheusTelemetry()
    settled, moved = list[str](), asyncio.Event()
    prepare(receiver)
    store = SqliteStore(folder / "serinus.sqlite")

    def count(result: str) -> None:
        settled.append(result)
        moved.set()
        telemetry.notified(result)

    office = Office(store, LoopClock(), count)
    courier = Courier(office, destinations({NAME: settings(kind, receiver, folder)}))
    courier.start()
    try:
        yield Chain(store, courier, receiver, telemetry, settled, moved)
    finally:
        await courier.close()
        await receiver.close()
        receiver.leave()
        await store.close()
