"""The router against a real Envoy, with real requests through it."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.traffic.envoy import EnvoyRouter
from controller.domain.policy import RouteRef
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import TargetError, TransientError
from deploy.local.http_client import Connection, Reply
from deploy.local.stack import Service, Stack

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PATH = "/v2/models/m"
REF = RouteRef("envoy", PATH)


class Backend:
    """Answers each request with its own name and the path that it was asked for, after ``delay_seconds``.

    If it ``streams``, the answer begins at once, and only its end waits.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.delay_seconds = 0.0
        self.streams = False
        self.requests = 0
        self.heads: set[bytes] = set()
        self._server: asyncio.Server | None = None

    @property
    def endpoint(self) -> str:
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                self.heads |= {line for line in head.lower().split(b"\r\n") if line.startswith(b"host:")}
                body = f"{self.name} {head.split()[1].decode()}".encode()
                answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
                begun = len(answer) - 1 if self.streams else 0
                writer.write(answer[:begun])
                await asyncio.sleep(self.delay_seconds)
                writer.write(answer[begun:])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()


class World:
    """One Envoy, one router, two backends, and the two versions that they are."""

    def __init__(self, stack: Stack, one: Backend, two: Backend) -> None:
        self.stack, self.one, self.two = stack, one, two
        self.gateway: Service = stack.envoy()
        self.router = self.new_router()
        self.v1, self.v2 = Release("1.0", (one.endpoint,)), Release("2.0", (two.endpoint,))

    def new_router(self, grace: timedelta = timedelta(hours=1)) -> EnvoyRouter:
        return EnvoyRouter(
            self.stack.xds,
            f"http://127.0.0.1:{self.gateway.metrics_port}",
            acknowledgement_deadline=timedelta(seconds=10),
            removal_grace=grace,
        )

    def split(self, weight_permille: int) -> Split:
        return Split(self.v1, self.v2, weight_permille)

    async def get(self, path: str) -> Reply:
        connection = await Connection.open("127.0.0.1", self.gateway.port)
        try:
            return await connection.send(request(path))
        finally:
            connection.close()

    async def count(self, requests: int, path: str = PATH) -> Counter[str]:
        """Versions that answered, on eight connections; a failed request counts as its status."""
        found: Counter[str] = Counter()

        async def ask() -> None:
            connection = await Connection.open("127.0.0.1", self.gateway.port)
            for _ in range(requests // 8):
                found[said(await connection.send(request(path)))] += 1
            connection.close()

        await asyncio.gather(*(ask() for _ in range(8)))
        return found

    @asynccontextmanager
    async def traffic(self) -> AsyncIterator[Counter[str]]:
        """Requests without a pause on two connections while the context lasts."""
        found: Counter[str] = Counter()
        over = asyncio.Event()

        async def ask() -> None:
            connection = await Connection.open("127.0.0.1", self.gateway.port)
            while not over.is_set():
                found[said(await connection.send(request(PATH)))] += 1
            connection.close()

        asking = [asyncio.create_task(ask()) for _ in range(2)]
        try:
            yield found
        finally:
            over.set()
            await asyncio.gather(*asking)


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: models\r\n\r\n".encode()


def said(reply: Reply) -> str:
    return reply.headers[b"x-serinus-version"].decode() if reply.status == 200 else str(reply.status)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - a file has no event to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def a_world(tmp_path: Path) -> AsyncIterator[World]:
    """Two backends, an Envoy, and a router that is open."""
    one, two = Backend("one"), Backend("two")
    await one.start()
    await two.start()
    with Stack(tmp_path) as stack:
        made = World(stack, one, two)
        await made.router.open()
        yield made
        await made.router.close()
    await one.stop()
    await two.stop()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        yield made


async def test_the_split_is_honoured_and_zero_is_exactly_zero(world: World) -> None:
    old = Split()
    for weight in (0, 10, 200, 1000):
        await world.router.apply(RoutedModel("m", REF), world.split(weight), old)
        seen = await world.router.observe(RoutedModel("m", REF))
        assert (seen.split, seen.accepted, seen.problem) == (world.split(weight), True, None)
        found = await world.count(4000)
        assert found.keys() <= {"1.0", "2.0"}
        expected, spread = 4 * weight, (4000 * weight / 1000 * (1 - weight / 1000)) ** 0.5
        assert abs(found["2.0"] - expected) <= 5 * spread
        old = world.split(weight)
    assert world.one.requests > 0


async def test_after_a_rollback_not_one_request_reaches_the_canary(world: World) -> None:
    await world.router.apply(RoutedModel("m", REF), world.split(500), Split())
    await world.count(400)
    await world.router.apply(RoutedModel("m", REF), Split(world.v1), world.split(500))
    before = world.two.requests
    assert before > 0
    assert await world.count(4000) == {"1.0": 4000}
    assert world.two.requests == before


@pytest.mark.parametrize("share", [1000, 200, 1])
async def test_the_share_of_copies_is_honoured_and_every_user_is_answered_by_stable(
    world: World, share: int
) -> None:
    split = Split(world.v1, world.v2, mirror_permille=share)
    await world.router.apply(RoutedModel("m", REF), split, Split())
    seen = await world.router.observe(RoutedModel("m", REF))
    assert (seen.split, seen.accepted, seen.problem) == (split, True, None)
    sent = 8000
    assert await world.count(sent) == {"1.0": sent}
    expected, spread = sent * share / 1000, (sent * share / 1000 * (1 - share / 1000)) ** 0.5
    await eventually(lambda: world.two.requests >= expected - 5 * spread)
    assert abs(world.two.requests - expected) <= 5 * spread
    assert world.two.heads <= {b"host: models"}
    await world.router.apply(RoutedModel("m", REF), Split(world.v1), split)
    before = world.two.requests
    assert await world.count(800) == {"1.0": 800}
    assert world.two.requests == before


async def test_copies_that_nobody_answers_delay_and_fail_no_user(world: World) -> None:
    world.two.delay_seconds = 3600.0
    split = Split(world.v1, world.v2, mirror_permille=1000)
    await world.router.apply(RoutedModel("m", REF), split, Split())
    async with asyncio.timeout(60):
        assert await world.count(400) == {"1.0": 400}
    await eventually(lambda: world.two.requests > 0)


async def test_an_emergency_ends_the_copies_by_one_write(world: World) -> None:
    split = Split(world.v1, world.v2, mirror_permille=1000)
    await world.router.apply(RoutedModel("m", REF), split, Split())
    await world.router.roll_back_unrecorded(RoutedModel("m", REF), Reason.CHECK_FAILED)
    seen = await world.router.observe(RoutedModel("m", REF))
    assert (seen.split, seen.latched) == (Split(world.v1, world.v2), Reason.CHECK_FAILED)


async def test_fifty_changes_of_weight_fail_no_request(world: World) -> None:
    weights = [0, *random.Random(7).sample(range(1, 1000), 48), 1000]
    await world.router.apply(RoutedModel("m", REF), Split(world.v1), Split())
    old = Split(world.v1)
    async with world.traffic() as found:
        for weight in weights:
            await world.router.apply(RoutedModel("m", REF), world.split(weight), old)
            old = world.split(weight)
        await eventually(lambda: found["2.0"] > 10)
    assert found.keys() <= {"1.0", "2.0"}
    assert (await world.count(80)) == {"2.0": 80}


@pytest.mark.parametrize("streams", [False, True])
async def test_a_cluster_is_removed_with_requests_in_flight_and_none_fails(
    world: World, streams: bool
) -> None:
    world.two.streams = streams
    await world.router.apply(RoutedModel("m", REF), world.split(1000), Split())
    await world.router.close()
    world.two.delay_seconds = 1.0
    asking = [asyncio.create_task(world.get(PATH)) for _ in range(5)]
    await eventually(lambda: world.two.requests == 5)
    hasty = world.new_router(grace=timedelta(milliseconds=1))
    await hasty.open()
    await hasty.apply(RoutedModel("m", REF), Split(world.v1), world.split(1000))
    cds = world.stack.xds / "cds.json"
    await eventually(lambda: "2%2E0" not in cds.read_text())
    assert not any(task.done() for task in asking)
    replies = await asyncio.gather(*asking)
    assert [said(reply) for reply in replies] == ["2.0"] * 5
    assert await world.count(80) == {"1.0": 80}
    await hasty.close()


async def test_envoy_killed_and_started_again_runs_the_same_split(world: World) -> None:
    await world.router.apply(RoutedModel("m", REF), world.split(300), Split())
    os.kill(world.gateway.pid, signal.SIGKILL)
    world.gateway.process.wait()
    seen = await world.router.observe(RoutedModel("m", REF))
    assert (seen.split, seen.accepted, seen.problem) == (world.split(300), False, Reason.GATEWAY_UNAVAILABLE)
    await world.router.apply(RoutedModel("m", REF), world.split(1000), world.split(300))
    world.gateway = world.stack.envoy(world.gateway.port, world.gateway.metrics_port)
    seen = await world.router.observe(RoutedModel("m", REF))
    assert (seen.split, seen.accepted, seen.problem) == (world.split(1000), True, None)
    assert await world.count(80) == {"2.0": 80}


async def test_the_refused_model_is_left_out_and_the_rest_goes_through(world: World) -> None:
    # A rewrite with a line break passes Serinus' own checks, not Envoy's.
    refused = RouteRef("envoy", "/bad", rewrite="/a\nb")
    names = [f"m{index}" for index in range(6)]
    answers = await asyncio.gather(
        world.router.apply(RoutedModel("bad", refused), Split(world.v1), Split()),
        *(
            world.router.apply(RoutedModel(n, RouteRef("envoy", f"/{n}")), Split(world.v1), Split())
            for n in names
        ),
        return_exceptions=True,
    )
    assert isinstance(answers[0], TargetError)
    assert answers[1:] == [None] * 6
    assert (await world.router.observe(RoutedModel("bad", refused))).split == Split()
    for name in names:
        assert (await world.router.observe(RoutedModel(name, REF))).accepted
        assert said(await world.get(f"/{name}")) == "1.0"
    assert "bad" not in (world.stack.xds / "rds.json").read_text()


async def test_a_cluster_that_envoy_refuses_stops_its_own_model_only(world: World) -> None:
    # Python takes an address with a scope for an address, Envoy does not.
    odd = Split(Release("1", ("[fe80::1%none]:80",)))
    answers = await asyncio.gather(
        world.router.apply(RoutedModel("odd", RouteRef("envoy", "/odd")), odd, Split()),
        world.router.apply(RoutedModel("m", REF), Split(world.v1), Split()),
        return_exceptions=True,
    )
    assert isinstance(answers[0], TargetError)
    assert answers[1] is None
    assert await world.count(8) == {"1.0": 8}


async def test_an_edit_by_hand_is_seen_as_another_split(world: World) -> None:
    await world.router.apply(RoutedModel("m", REF), world.split(100), Split())
    path = world.stack.xds / "rds.json"
    text = path.read_text()
    edited = text.replace('"weight":900}', '"weight":0}')
    assert edited != text
    (path.parent / "edited").write_text(edited)
    (path.parent / "edited").rename(path)
    seen = await world.router.observe(RoutedModel("m", REF))
    assert (seen.split, seen.accepted) == (world.split(1000), False)
    async with asyncio.timeout(10):
        while await world.count(80) != {"2.0": 80}:
            pass


async def test_paths_end_at_a_segment_and_the_longest_prefix_wins(world: World) -> None:
    routes = {
        "a": RouteRef("envoy", "/v2/models/a", rewrite="/v2/models/served"),
        "ab": RouteRef("envoy", "/v2/models/ab/"),
        "a.c": RouteRef("envoy", "/v2/models/a.c", rewrite="/"),
        "all": RouteRef("envoy", "/v2"),
    }
    for index, (model, route) in enumerate(routes.items()):
        release = Release(model, ((world.one if index % 2 else world.two).endpoint,))
        await world.router.apply(RoutedModel(model, route), Split(release), Split())
    expected = {
        "/v2/models/a": ("a", "/v2/models/served"),
        "/v2/models/a/": ("a", "/v2/models/served/"),
        "/v2/models/a/infer?x=/v2/models/ab": ("a", "/v2/models/served/infer?x=/v2/models/ab"),
        "/v2/models/a?x=1": ("a", "/v2/models/served?x=1"),
        "/v2/models/ab": ("ab", "/v2/models/ab"),
        "/v2/models/ab/infer": ("ab", "/v2/models/ab/infer"),
        "/v2/models/abc/infer": ("all", "/v2/models/abc/infer"),
        "/v2/models/a.c": ("a.c", "/"),
        "/v2/models/a.c/infer?q": ("a.c", "/infer?q"),
        "/v2/models/a-c/infer": ("all", "/v2/models/a-c/infer"),
        "/v2": ("all", "/v2"),
    }
    for path, (model, asked) in expected.items():
        reply = await world.get(path)
        assert (said(reply), reply.body.split()[1].decode()) == (model, asked), path
    for path in ("/v2x", "/", "/v1/models/a"):
        assert (await world.get(path)).status == 404


async def test_a_model_at_the_root_takes_what_nobody_else_does(world: World) -> None:
    await world.router.apply(RoutedModel("m", REF), Split(world.v1), Split())
    await world.router.apply(
        RoutedModel("root", RouteRef("envoy", "/", rewrite="/v1")), Split(world.v2), Split()
    )
    assert said(await world.get(PATH + "/infer")) == "1.0"
    reply = await world.get("/v2/models/mm")
    assert (said(reply), reply.body.split()[1]) == ("2.0", b"/v1/v2/models/mm")


async def test_a_canary_alone_gets_nothing_until_it_has_a_weight(world: World) -> None:
    alone = Split(None, world.v2, 0)
    await world.router.apply(RoutedModel("m", REF), alone, Split())
    reply = await world.get(PATH)
    assert reply.status == 503
    assert b"No version of m" in reply.body
    assert world.two.requests == 0
    await world.router.apply(RoutedModel("m", REF), Split(None, world.v2, 1000), alone)
    assert await world.count(8) == {"2.0": 8}


async def test_host_names_are_resolved_before_their_cluster_gets_a_request(world: World) -> None:
    named = Release("3", (world.two.endpoint.replace("127.0.0.1", "localhost"),))
    await world.router.apply(RoutedModel("m", REF), Split(world.v1), Split())
    async with world.traffic() as found:
        await world.router.apply(RoutedModel("m", REF), Split(world.v1, named, 500), Split(world.v1))
        await eventually(lambda: found["3"] > 10)
    assert found.keys() == {"1.0", "3"}


# Moves all traffic from one version to the other and back for as long as it lives.
_WRITER = """
import asyncio, sys
from pathlib import Path
from controller.adapters.traffic.envoy import EnvoyRouter
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.policy import RouteRef

async def main():
    folder, admin, one, two = sys.argv[1:]
    router = EnvoyRouter(Path(folder), admin)
    await router.open()
    print("open", flush=True)
    route = RouteRef("envoy", "/v2/models/m")
    wanted = [Split(Release("1.0", (one,))), Split(Release("1.0", (one,)), Release("2.0", (two,)), 1000)]
    while True:
        seen = await router.observe(RoutedModel("m", route))
        await router.apply(RoutedModel("m", route), wanted[seen.split == wanted[0]], seen.split)

asyncio.run(main())
"""


async def test_the_writer_killed_at_random_moments_fails_no_request(world: World) -> None:
    await world.router.apply(RoutedModel("m", REF), Split(world.v1), Split())
    await world.router.close()
    moments = random.Random(11)
    arguments = (
        str(world.stack.xds),
        f"http://127.0.0.1:{world.gateway.metrics_port}",
        world.one.endpoint,
        world.two.endpoint,
    )
    async with world.traffic() as found:
        for _ in range(6):
            writer = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _WRITER, *arguments, stdout=subprocess.PIPE, cwd=ROOT
            )
            assert writer.stdout is not None
            assert await asyncio.wait_for(writer.stdout.readline(), 20) == b"open\n"
            await asyncio.sleep(moments.uniform(0.02, 0.3))
            writer.kill()
            assert await writer.wait() == -signal.SIGKILL
            for name in ("cds.json", "rds.json"):
                json.loads((world.stack.xds / name).read_bytes())
    assert found.keys() == {"1.0", "2.0"}
    again = world.new_router()
    await again.open()
    seen = await again.observe(RoutedModel("m", REF))
    assert (seen.accepted, seen.problem) == (True, None)
    assert seen.split in (Split(world.v1), world.split(1000))
    await again.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder for a stack whose ``xds`` is a file system of 256 KiB."""
    disk = tmp_path / "small" / "xds"
    disk.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root and the right to mount a small file system")
    yield disk.parent
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> None:
    """Leave not one block free."""
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    assert os.statvfs(disk).f_bavail == 0


async def test_rollbacks_go_through_on_a_full_disk(world: World, small_disk: Path) -> None:
    with Stack(small_disk) as stack:
        full = World(stack, world.one, world.two)
        await full.router.open()
        names = [f"m{index}" for index in range(20)]
        await asyncio.gather(
            *(
                full.router.apply(RoutedModel(n, RouteRef("envoy", f"/{n}")), full.split(500), Split())
                for n in names
            )
        )
        fill(stack.xds)
        await full.router.apply(RoutedModel("m0", RouteRef("envoy", "/m0")), Split(full.v1), full.split(500))
        for name in names[1:]:
            await full.router.roll_back_unrecorded(
                RoutedModel(name, RouteRef("envoy", f"/{name}")), Reason.ROLLOUT_DEADLINE_EXCEEDED
            )
        for name in names:
            assert await full.count(80, f"/{name}") == {"1.0": 80}
        big = Split(Release("big", (full.one.endpoint,) * 400))
        with pytest.raises(TransientError, match="No space left"):
            await full.router.apply(RoutedModel("big", RouteRef("envoy", "/big")), big, Split())
        await full.router.close()
        # The latch holds, and the next daemon takes the folder, on the disk that is still full.
        full.router = full.new_router()
        await full.router.open()
        seen = await full.router.observe(RoutedModel("m1", REF))
        assert (seen.split, seen.latched) == (full.split(0), Reason.ROLLOUT_DEADLINE_EXCEEDED)
        assert seen.accepted
        await full.router.close()
