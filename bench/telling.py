"""From a decision's commit to the gateway's taking the weight, with and without destinations that are bad.

Run: ``python -m bench telling``. Takes half a minute. A real store, courier and Envoy in one process, as the
daemon has them. Writes alternate: after one, nobody is told; after the next, a webhook and a Slack channel
that answer after longer than they are waited for, an address at which nobody listens, and a healthy webhook.
"""

import asyncio
import logging
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from bench.machine import quantile
from controller.adapters.notify.courier import Courier, Office
from controller.adapters.registry import destinations
from controller.adapters.store.sqlite import SqliteStore
from controller.adapters.traffic.envoy import EnvoyRouter
from controller.app.clock import SystemClock
from controller.domain.commands import announce
from controller.domain.model import Rollout, Route
from controller.domain.policy import Policy, RouteRef, Step
from controller.domain.release import Release, Split
from controller.ports import Stored
from controller.settings import DestinationSettings
from deploy.local.stack import Stack
from tests.receiver import Fault, Receiver, receiving

CHANGES = 200
APART_SECONDS = 0.05
GOAL_MS = 100
"""What destinations may add."""


@dataclass
class Line:
    """The parts that a weight write passes through."""

    store: SqliteStore
    courier: Courier
    router: EnvoyRouter

    async def begin(self, rollout: Rollout) -> Stored:
        await self.router.apply(rollout.routed, rollout.route.intended, Split())
        first = announce(rollout)
        assert first.entry is not None
        return await self.store.create(first.rollout, first.entry)

    async def change(self, read: Stored, weight_permille: int) -> tuple[Stored, float]:
        """Commit another weight, tell of it, give it; the seconds from the commit to the end."""
        before, seq = read.rollout.route.intended, read.rollout.seq + 1
        split = replace(before, canary=read.rollout.release, weight_permille=weight_permille)
        after = replace(read.rollout, seq=seq, route=Route(before, split))
        first = announce(replace(read.rollout, seq=0)).entry
        assert first is not None
        entry = replace(first, seq=seq, event="step_advanced", at=datetime.now(UTC))
        stored = await self.store.commit(read, after, entry)
        began = time.monotonic()
        self.courier.tell(after, entry)
        await self.router.apply(after.routed, split, before)
        return stored, time.monotonic() - began


def _rollout(model: str, notify: tuple[str, ...]) -> Rollout:
    step = Step(weight_permille=50, hold=timedelta(minutes=1), min_requests=10, deadline=timedelta(hours=1))
    route = RouteRef("envoy", f"/v2/models/{model}")
    policy = Policy(model, "ml", route, "envoy", steps=(step,), checks=(), notify=notify)
    stable, canary = (Release(version, ("127.0.0.1:1",)) for version in ("v1", "v2"))
    split = Split(stable)
    return Rollout(
        model, model, canary, policy, datetime.now(UTC), "bench", stable, route=Route(split, split)
    )


def _destinations(receiver: Receiver, folder: Path) -> dict[str, DestinationSettings]:
    (folder / "token").write_text("xoxb-bench")
    dead = Receiver()  # holds its port, and never listens
    ours = {"private_addresses": True, "plain_http": True}
    slack = {"kind": "slack", "channel": "ml", "token_file": folder / "token", "plain_http": True}
    found = {
        "slow": {"url": f"{receiver.url}slow", **ours},
        "dead": {"url": dead.url, **ours},
        "team": {"url": receiver.slack.url, **slack},
        "audit": {"url": f"{receiver.url}audit", **ours},
    }
    return {name: DestinationSettings.model_validate(fields) for name, fields in found.items()}


async def _measure(receiver: Receiver, folder: Path) -> None:
    settings = _destinations(receiver, folder)
    with Stack(folder / "stack") as stack:
        gateway = await asyncio.to_thread(stack.envoy)
        store = SqliteStore(folder / "serinus.sqlite")
        router = EnvoyRouter(stack.xds, f"http://127.0.0.1:{gateway.metrics_port}")
        await router.open()
        courier = Courier(Office(store, SystemClock()), destinations(settings))
        line = Line(store, courier, router)
        records = [
            await line.begin(_rollout("plain", ())),
            await line.begin(_rollout("told", tuple(settings))),
        ]
        courier.start()
        waits: tuple[list[float], list[float]] = ([], [])
        for number in range(CHANGES):
            for place, mine in enumerate(waits):
                records[place], seconds = await line.change(records[place], 50 + 10 * (number % 2))
                mine.append(seconds)
                await asyncio.sleep(APART_SECONDS)
        pending = dict(courier.pending)
        await courier.close()
        await router.close()
        await store.close()
    _show(waits, pending)


def _show(waits: tuple[list[float], list[float]], pending: dict[str, int]) -> None:
    print(f"commit to weight in force, {CHANGES} writes each (goal: at most {GOAL_MS} ms more)")
    for name, mine in zip(("nobody told", "bad destinations"), waits, strict=True):
        shown = (f"{label} {quantile(mine, q) * 1e3:.1f} ms" for label, q in (("p50", 0.5), ("p99", 0.99)))
        print(f"  {name:<16} {', '.join(shown)}, at most {max(mine) * 1e3:.1f} ms")
    print("  left to tell     " + ", ".join(f"{name} {count}" for name, count in pending.items()))


def main() -> None:
    """Print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="serinus-bench-") as folder, receiving() as receiver:
        receiver.fault = lambda request: (
            None if request.path == "/audit" else Fault(after_seconds=11)  # longer than is waited
        )
        asyncio.run(_measure(receiver, Path(folder)))


if __name__ == "__main__":
    main()
