"""LoRA adapters, asked of real engines' servers on loopback: each pod has an address of its own there."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import INFERENCE_POOLS, MODEL_REWRITES, PODS
from controller.adapters.workload.kube_adapters import Unknown, adapter_readiness, loaded
from controller.adapters.workload.kube_pools import Engine, PoolPods, pool_pods
from controller.adapters.workload.served_models import ServedModels
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Phase, Reason
from tests.kube_fake import FakeApi
from tests.kube_workloads import meta, pod, ready
from tests.model_rewrites import CANARY, MODEL, STABLE, C, S, rewrite, rule, target
from tests.unit.workload.cluster import EVERYTHING, a_cluster, adapter, replicas, rollout
from tests.unit.workload.cluster import STABLE as SERVICE_BEFORE

Reply = bytes | None
BASE = "llama-3"


def answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def listing(*names: str) -> bytes:
    return answer(
        200, json.dumps({"object": "list", "data": [{"id": each} for each in (BASE, *names)]}).encode()
    )


class Pool:
    """A pool's pods, each with an engine on one port: pod n at 127.0.0.n+1."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.api = FakeApi()
        self.port = 0
        self.asked: list[str] = []
        self.most_open = 0
        self._answered = 0
        self._stack = stack
        self._replies: dict[str, Reply] = {}
        self.models = ServedModels(timeout=timedelta(seconds=5))
        stack.push_async_callback(self.models.close)
        self.api.put(MODEL_REWRITES, rewrite(rule(target(STABLE))))

    async def add(self, name: str, reply: Reply, *, is_ready: bool = True) -> None:
        """A pod whose engine gives this answer, or none at all for None."""
        address = f"127.0.0.{len(self._replies) + 1}"
        self._replies[name] = reply

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(f"{name} {b' '.join(head.split()[:2]).decode()}")
            self.most_open = max(self.most_open, len(self.asked) - self._answered)
            for _ in range(20):
                await asyncio.sleep(0)
            self._answered += 1
            now = self._replies[name]
            if now is None:
                await reader.read()  # until the other side gives up
            else:
                writer.write(now)
            writer.close()

        server = await asyncio.start_server(handle, address, self.port)
        self._stack.callback(server.close)
        self.port = server.sockets[0].getsockname()[1]
        status = ready(address) if is_ready else {"phase": "Running", "podIP": address}
        self.api.put(PODS, pod(name, {"app": "base"}, status=status))
        spec = {"selector": {"matchLabels": {"app": "base"}}, "targetPorts": [{"number": self.port}]}
        self.api.put(INFERENCE_POOLS, {"metadata": meta("base-pool"), "spec": spec})

    def now(self, name: str, reply: Reply) -> None:
        self._replies[name] = reply

    async def of(self, release: Release = C, **changes: Any) -> Readiness:
        return await adapter(self.api, models=self.models, **changes).readiness(of_route(), release)


def of_route(kind: str = "inferenceModelRewrite", **changes: Any) -> Rollout:
    found = rollout(C, stable=S, **changes)
    return replace(found, policy=replace(found.policy, model=MODEL, route=RouteRef(kind, MODEL)))


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with AsyncExitStack() as stack:
        yield Pool(stack)


async def test_an_adapter_is_ready_when_every_ready_pod_lists_it(pool: Pool) -> None:
    for name in ("chat-a", "chat-b", "chat-c"):
        await pool.add(name, listing(STABLE, CANARY))
    await pool.add("chat-starting", listing(), is_ready=False)
    found = await pool.of()
    assert found == Readiness(
        ready=True,
        message="3 of 3 pods list the adapter food-review-v2",
        endpoints=tuple(f"127.0.0.{number}:{pool.port}" for number in (1, 2, 3)),
    )
    assert sorted(pool.asked) == [f"chat-{letter} GET /v1/models" for letter in "abc"]


async def test_a_pod_without_it_is_named_with_what_to_do(pool: Pool) -> None:
    await pool.add("chat-1aa", listing(STABLE, CANARY))
    await pool.add("chat-2bb", listing(STABLE, CANARY))
    await pool.add("chat-7f9", listing(STABLE))
    found = await pool.of()
    assert (found.ready, found.problem, found.hopeless) == (False, Reason.ADAPTER_MISSING, False)
    assert found.message == (
        "2 of 3 pods list the adapter food-review-v2: chat-7f9 does not; "
        "load it there: POST /v1/load_lora_adapter"
    )
    pool.now("chat-7f9", listing(STABLE, CANARY))
    assert (await pool.of()).ready


async def test_a_pod_that_comes_while_the_canary_has_traffic_is_asked_too(pool: Pool) -> None:
    await pool.add("chat-a", listing(STABLE, CANARY))
    workload = adapter(pool.api, models=pool.models)
    serving = of_route(weight=250, phase=Phase.PROGRESSING)
    assert (await workload.readiness(serving, C)).ready
    await pool.add("chat-new", listing(STABLE))
    found = await workload.readiness(serving, C)
    assert (found.ready, found.problem) == (False, Reason.ADAPTER_MISSING)
    assert "1 of 2 pods list the adapter food-review-v2: chat-new does not" in found.message


async def test_for_stable_one_pod_is_enough(pool: Pool) -> None:
    await pool.add("chat-a", listing(STABLE))
    await pool.add("chat-b", listing(CANARY))
    found = await pool.of(S)
    assert (found.ready, found.endpoints) == (True, (f"127.0.0.1:{pool.port}",))
    pool.now("chat-a", answer(503, b""))
    assert not (await pool.of(S)).ready


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (answer(404, b""), "GET /v1/models is answered with 404"),
        (answer(401, b'{"detail": "key"}'), "is answered with 401: it must be open to Serinus"),
        (answer(302, b""), "is answered with 302"),
        (answer(200, b"<html>"), "its answer to GET /v1/models is no JSON"),
        (answer(200, b"[" * 100_000), "is no JSON"),
        (answer(200, b'{"data": 5}'), "lists no models"),
        (answer(200, b"[]"), "lists no models"),
        (b"HTTP/1.1 200 X\r\nContent-Length: 3000000\r\n\r\n" + b" " * 3_000_000, "is larger than 1024 KiB"),
        (b"nonsense\r\n\r\n", "not HTTP"),
    ],
)
async def test_an_answer_that_says_nothing_is_not_ready_and_no_missing_adapter(
    pool: Pool, reply: bytes, why: str
) -> None:
    await pool.add("chat-a", listing(CANARY))
    await pool.add("chat-b", reply)
    found = await pool.of()
    assert (found.ready, found.problem) == (False, None)
    assert found.message.startswith("1 of 2 pods list the adapter food-review-v2: chat-b: ")
    assert why in found.message
    assert "key" not in found.message


async def test_silence_ends_with_the_time_out(pool: Pool) -> None:
    await pool.add("chat-a", None)
    hasty = ServedModels(timeout=timedelta(milliseconds=50))
    try:
        found = await adapter(pool.api, models=hasty).readiness(of_route(), C)
    finally:
        await hasty.close()
    assert "chat-a: no answer within 0.05 s" in found.message


async def test_only_so_many_pods_are_asked_at_once(pool: Pool) -> None:
    for number in range(6):
        await pool.add(f"chat-{number}", listing(CANARY))
    few = ServedModels(timeout=timedelta(seconds=30), concurrency=2)
    try:
        assert (await adapter(pool.api, models=few).readiness(of_route(), C)).ready
    finally:
        await few.close()
    assert len(pool.asked) == 6
    assert pool.most_open <= 2


async def test_each_port_of_a_pod_is_an_engine_of_its_own() -> None:
    spec = {"selector": {"matchLabels": {"app": "base"}}, "targetPorts": [{"number": 8000}, {"number": 8001}]}
    pods = [
        pod("b", {"app": "base"}, status=ready("::1")),
        pod("a", {"app": "base"}, status=ready("10.0.0.1")),
    ]
    found = pool_pods(
        [*pods, pod("c", {"app": "other"}, status=ready()), pod("d", {"app": "base"})], {"spec": spec}
    )
    assert found == PoolPods(
        (
            Engine("a:8000", "10.0.0.1:8000"),
            Engine("a:8001", "10.0.0.1:8001"),
            Engine("b:8000", "[::1]:8000"),
            Engine("b:8001", "[::1]:8001"),
        ),
        ready=2,
        known=3,
    )
    names = {each.endpoint: frozenset({CANARY}) for each in found.engines[:-1]}
    verdict = adapter_readiness(CANARY, found.engines, {**names, "[::1]:8001": frozenset()}, everywhere=True)
    assert verdict.message.startswith("3 of 4 ports of pods list the adapter food-review-v2: b:8001 does not")


def test_many_pods_are_named_in_part() -> None:
    engines = [Engine(f"chat-{number}", f"10.0.0.{number}:80") for number in range(9)]
    found = {each.endpoint: frozenset[str]() for each in engines}
    message = adapter_readiness(
        CANARY, engines, {**found, "10.0.0.8:80": Unknown("gone")}, everywhere=True
    ).message
    assert "0 of 9 pods list the adapter" in message
    assert "chat-0, chat-1, chat-2 and 5 more do not; chat-8: gone; load it there" in message


def test_names_that_are_no_text_are_left_out() -> None:
    assert loaded(b'{"data": [{"id": "a"}, {"id": 5}, 7, null, {}]}') == frozenset({"a"})


async def test_without_a_ready_pod_nobody_is_asked(pool: Pool) -> None:
    await pool.add("chat-a", listing(CANARY), is_ready=False)
    found = await pool.of()
    assert (found.ready, found.message, pool.asked) == (
        False,
        "0 of 1 pods of InferencePool base-pool ready",
        [],
    )


async def test_without_its_pool_or_its_rewrite_an_adapter_is_nowhere(pool: Pool) -> None:
    found = await pool.of()
    assert (found.problem, found.message) == (
        Reason.BACKEND_NOT_FOUND,
        "InferencePool base-pool does not exist in ml: create it, or correct its name",
    )
    pool.api.delete(MODEL_REWRITES, "ml", MODEL)
    assert "there is none named food-review in ml" in (await pool.of()).message


async def test_the_pods_of_a_pool_may_be_looked_at_only_with_its_feature(pool: Pool) -> None:
    found = await pool.of(features=EVERYTHING - {Feature.INFERENCE_POOLS})
    assert (found.ready, found.hopeless) == (False, True)
    assert "add inferencePools to SERINUS_KUBERNETES__FEATURES" in found.message


async def test_no_copies_are_made_or_taken_away_for_an_adapter(pool: Pool) -> None:
    workload = adapter(pool.api, models=pool.models)
    await workload.supply(of_route(scale=True), 500)
    assert await workload.idle("ml", S)
    assert await workload.retire("ml", S, delete=False)
    assert await workload.retire("ml", S, delete=True, in_use=[Backend(BackendKind.LORA_ADAPTER, CANARY)])
    await workload.revive("ml", S, 3)
    await workload.settle("ml", C)
    assert pool.api.requests == []


async def test_a_version_that_was_a_service_is_retired_beside_an_adapter_that_serves() -> None:
    """A model that moved into a pool."""
    api = a_cluster()
    workload = adapter(api)
    assert await workload.retire("ml", SERVICE_BEFORE, delete=False, in_use=[adapter_of(S)])
    assert replicas(api, "fraud-v6") == 0


def adapter_of(release: Release) -> Backend:
    assert release.backend is not None
    return release.backend
