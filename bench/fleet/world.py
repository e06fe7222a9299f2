"""A fleet on one machine: every model has a policy file, a route in a real Envoy, and a version that serves.

**Invariant**: an idle model differs in nothing from one whose first version was rolled out by the daemon,
whether it was (``first="real"``) or its record and route were written beforehand through the adapters' own
code (``first="seeded"``), because thousands of first rollouts take longer than all that is to be measured.
"""

import asyncio
import hashlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.machine import resident_bytes
from controller.adapters.registry import catalogue
from controller.adapters.store.sqlite import SqliteStore
from controller.adapters.traffic.envoy import EnvoyRouter
from controller.control.client import ControlClient
from controller.control.interface import Order
from controller.domain.commands import announce
from controller.domain.model import Decision, Rollout, Route
from controller.domain.policy import Policy, RouteRef
from controller.domain.release import Release, Split
from controller.domain.vocabulary import Phase, Reason
from controller.policy.loader import load_policy
from deploy.local.stack import Service, Stack, free_port, wait_until_ready

INTERVAL_SECONDS = 15
SCRAPE_SECONDS = 5
PATIENCE_SECONDS = 600
DAEMON_CORE = 0
VICTIMS = 5
"""Models besides, whose next version will be a bad one."""
_POLICY = """\
model: {model}
route: {{envoy: /v2/models/{model}}}
metrics: envoy
bake: 1s
checks:
  errors: {{max: 5%}}
  latency_p50: {{max: 1s}}
  latency_p95: {{max: 2s}}
  latency_p99: {{max: 3s}}
"""
HOLDING = f"{_POLICY}steps: [{{{{weight: 50%, for: 3h, min_requests: 20}}}}]\n"
"""Four checks, each 15 s, by the default judge; a rollout stays at its step while it is watched."""
STEPPING = f"{_POLICY}judge: threshold\nsteps:\n" + "".join(
    f"  - {{{{weight: {percent}%, for: 30s, min_requests: 1}}}}\n" for percent in range(20, 80, 2)
)
"""The same by the classic judge, which steps up whenever two checks were good."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many models there are, and how many of them roll at once."""

    models: int
    rolling: int

    def __str__(self) -> str:
        return f"{self.models:,} models, {self.rolling:,} rolling"


class Fleet:
    """The parts, and what people would do with them. The daemon has one core, all else the others."""

    def __init__(self, stack: Stack, size: Size, stable: str, canary: str, policy: str) -> None:
        self.stack = stack
        self.size = size
        self.rolling = [f"m{number}" for number in range(size.rolling)]
        self.victims = [f"victim{number}" for number in range(VICTIMS)]
        idle = [f"m{number}" for number in range(size.rolling, size.models)]
        self.models = [*self.rolling, *idle, *self.victims]
        self._stable, self._canary = stable, canary
        self._policy = policy
        self._policies = stack.folder / "policies"
        self._state = stack.folder / "state"
        self._log_read = 0
        self.client = ControlClient(stack.folder / "serinus.sock")
        self.gateway: Service
        self.prometheus: Service
        self.daemon: Service

    async def build(self, *, seeded: bool) -> float:
        """Policies, Envoy with its routes, records, Prometheus; the seconds that it took."""
        began = time.monotonic()
        for folder in (self._policies, self._state):
            folder.mkdir()
        for model in self.models:
            (self._policies / f"{model}.yaml").write_text(self._policy.format(model=model))
        self.gateway = await asyncio.to_thread(self.stack.envoy)
        if seeded:
            await self._seed()
        self.prometheus = await asyncio.to_thread(
            lambda: self.stack.prometheus(self.gateway.metrics_port, scrape_interval_seconds=SCRAPE_SECONDS)
        )
        return time.monotonic() - began

    async def start(self, prometheus_port: int = 0, sampled: Path | None = None) -> float:
        """Start the daemon on a core of its own; the seconds until it is ready."""
        port, began = free_port(), time.monotonic()
        env = {
            "SERINUS_STATE_DIR": str(self._state),
            "SERINUS_POLICIES_DIR": str(self._policies),
            "SERINUS_SOCKET": str(self.stack.folder / "serinus.sock"),
            "SERINUS_HTTP_PORT": str(port),
            "SERINUS_ENVOY__FOLDER": str(self.stack.xds),
            "SERINUS_ENVOY__ADMIN_URL": f"http://127.0.0.1:{self.gateway.metrics_port}",
            "SERINUS_PROMETHEUS__URL": f"http://127.0.0.1:{prometheus_port or self.prometheus.port}",
        }
        module = ("bench.fleet.sampled", str(sampled)) if sampled else ("controller", "run")
        self.daemon = self.stack.launch("serinus", (sys.executable, "-m", *module), port, env)
        os.sched_setaffinity(self.daemon.pid, {DAEMON_CORE})  # before it has threads, which inherit it
        await asyncio.to_thread(wait_until_ready, self.daemon, port, "/readyz", PATIENCE_SECONDS)
        return time.monotonic() - began

    async def deploy(self, models: Sequence[str], version: str) -> float:
        """A release for each model, one order after the other; the seconds that it took."""
        began = time.monotonic()
        endpoint = self._stable if version == "v1" else self._canary
        for model in models:
            await asyncio.to_thread(self.client.deploy, Order(model, version, [endpoint]))
        return time.monotonic() - began

    async def until(self, phase: Phase, models: Sequence[str]) -> float:
        """Until all these models' newest rollouts are in a phase; the seconds that it took."""
        wanted = set(models)

        def fact() -> bool:
            found = {each.model for each in self.client.get().items if each.phase is phase}
            return wanted <= found

        return await until(fact, f"{len(models)} models are {phase}", pause=1 + len(self.models) / 500)

    async def weight_0(self, models: Sequence[str]) -> dict[str, datetime]:
        """When each model's route was handed over that gives the canary nothing."""
        found: dict[str, datetime] = {}

        def fact() -> bool:
            for entry in self._news():
                if entry["event"] == "weight_set" and entry["weight_percent"] == 0:
                    found.setdefault(entry["model"], datetime.fromisoformat(entry["timestamp"]))
            return set(models) <= found.keys()

        await until(fact, f"the canaries of {len(models)} models get nothing", pause=0.2)
        return {model: found[model] for model in models}

    def events(self) -> Counter[str]:
        """What the daemon has logged since it was last looked at, by event."""
        return Counter(entry["event"] for entry in self._news())

    def models_of(self, event: str) -> set[str]:
        """The models of which it has logged this since then."""
        return {entry["model"] for entry in self._news() if entry["event"] == event}

    def skip_log(self) -> None:
        """What the daemon has logged so far is of no interest."""
        self._log_read = self.daemon.log.stat().st_size

    def _news(self) -> Iterator[dict[str, Any]]:
        with self.daemon.log.open("rb") as log:
            log.seek(self._log_read)
            news = log.read()
        whole = news[: news.rfind(b"\n") + 1]
        self._log_read += len(whole)
        return (json.loads(line) for line in whole.splitlines() if line.startswith(b"{"))

    async def _seed(self) -> None:
        """Records and routes as they are after each model's first rollout."""
        model = self.models[0]
        policy = load_policy(self._policies / f"{model}.yaml", catalogue())
        assert isinstance(policy, Policy), policy
        first = Release("v1", (self._stable,))
        store = SqliteStore(self._state / "serinus.sqlite")
        router = EnvoyRouter(self.stack.xds, f"http://127.0.0.1:{self.gateway.metrics_port}")
        await router.open()
        rollouts = [_succeeded(self._policy_of(each, policy), first) for each in self.models]
        for begun, over in rollouts:
            assert begun.entry is not None
            assert over.entry is not None
            stored = await store.create(begun.rollout, begun.entry)
            await store.commit(stored, over.rollout, over.entry)
        await asyncio.gather(
            *(router.apply(over.rollout.routed, Split(first), Split()) for _, over in rollouts)
        )
        await router.close()
        await store.close()

    def _policy_of(self, model: str, like: Policy) -> Policy:
        digest = hashlib.sha256(self._policy.format(model=model).encode()).hexdigest()
        return replace(like, model=model, route=RouteRef("envoy", f"/v2/models/{model}"), digest=digest)

    def memory_bytes(self) -> dict[str, int]:
        """What each part has resident."""
        return {each.name: resident_bytes(each.pid) for each in self.stack.services}


async def until(fact: Callable[[], bool], what: str, *, pause: float) -> float:
    """Wait for a fact; the seconds that it took. Raises TimeoutError."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_SECONDS:
        if await asyncio.to_thread(fact):
            return time.monotonic() - began
        await asyncio.sleep(pause)
    msg = f"not within {PATIENCE_SECONDS} s: {what}"
    raise TimeoutError(msg)


def _succeeded(policy: Policy, release: Release) -> tuple[Decision, Decision]:
    """The first and the last decision of a model's first rollout."""
    now, model = datetime.now(UTC), policy.model
    begun = announce(Rollout(f"{model}-1", model, release, policy, created_at=now, created_by="bench"))
    assert begun.entry is not None
    over = replace(
        begun.rollout,
        phase=Phase.SUCCEEDED,
        reason=Reason.PROMOTED,
        message=f"{release.version} serves everyone",
        route=Route(intended=Split(stable=release), in_force=True),
        seq=2,
        updated_at=now,
    )
    entry = replace(
        begun.entry,
        seq=2,
        event="promoted",
        phase_before=Phase.BAKING,
        phase=over.phase,
        reason=over.reason,
        message=over.message,
        notable=True,
    )
    return begun, Decision(over, entry=entry)
