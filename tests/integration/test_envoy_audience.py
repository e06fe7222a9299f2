"""Who gets the canary at a real Envoy: testers by header and cookie, users who keep their version."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from controller.domain.audience import Audience, Carrier, Key, Match, Sticky
from controller.domain.policy import RouteRef
from controller.domain.release import RoutedModel, Split
from controller.domain.vocabulary import Reason
from deploy.local.http_client import Connection
from tests.integration.test_envoy_router import World, a_world, said

pytestmark = pytest.mark.integration

USERS = 4000
TESTERS = (
    Match(Key(Carrier.HEADER, "X-Tester"), "1"),
    Match(Key(Carrier.COOKIE, "beta"), "yes"),
)
STICKY = Sticky(Key(Carrier.HEADER, "x-user-id"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        yield made


class Gateway:
    """The router's Envoy with one model at a path."""

    def __init__(self, world: World, path: str, model: str = "m") -> None:
        self.world, self.path = world, path
        self.routed = RoutedModel(model, RouteRef("envoy", path))
        self.held = Split()

    async def run(self, split: Split) -> None:
        await self.world.router.apply(self.routed, split, self.held)
        seen = await self.world.router.observe(self.routed)
        assert (seen.split, seen.accepted, seen.message) == (split, True, "")
        self.held = split

    def split(self, weight: int, *testers: Match, sticky: Sticky | None = None) -> Split:
        return Split(self.world.v1, self.world.v2, weight, audience=Audience(testers, sticky))

    async def ask(self, *headers: str) -> str:
        return (await self.each([headers]))[0]

    async def each(self, requests: list[tuple[str, ...]]) -> list[str]:
        """The versions that answer requests with these headers, in order, on one connection."""
        connection = await Connection.open("127.0.0.1", self.world.gateway.port)
        try:
            lines = ["".join(f"{header}\r\n" for header in headers) for headers in requests]
            sent = [f"GET {self.path} HTTP/1.1\r\nhost: models\r\n{each}\r\n".encode() for each in lines]
            return [said(await connection.send(each)) for each in sent]
        finally:
            connection.close()

    async def canary_users(self, header: Callable[[int], str]) -> set[int]:
        versions = await self.each([(header(user),) for user in range(USERS)])
        assert set(versions) <= {"1.0", "2.0"}
        return {user for user, version in enumerate(versions) if version == "2.0"}


NOT_TESTERS = (
    (),
    ("x-tester: 0",),
    ("x-tester: 11",),
    ("x-tester: 1", "x-tester: 1"),
    ("cookie: beta=no",),
    ("cookie: alphabeta=yes",),
    ("cookie: beta=yesterday",),
    ("cookie: a=beta=yes",),
    ("cookie: BETA=yes",),
    ("x-other: 1",),
)
ARE_TESTERS = (
    ("x-tester: 1",),
    ("X-TESTER: 1",),
    ("cookie: beta=yes",),
    ("cookie: a=b; beta=yes; c=d",),
    ("cookie: a=b;beta=yes",),
    ("x-tester: 1", "cookie: beta=no"),
)


@pytest.mark.parametrize("path", ["/", "/v2/models/m"])
async def test_testers_alone_get_the_canary_and_nobody_else_ever(world: World, path: str) -> None:
    gateway = Gateway(world, path)
    await gateway.run(Split(world.v1))
    await gateway.run(gateway.split(0, *TESTERS))
    assert await gateway.each([*ARE_TESTERS]) == ["2.0"] * len(ARE_TESTERS)
    assert await gateway.each([*NOT_TESTERS] * 20) == ["1.0"] * len(NOT_TESTERS) * 20


async def test_testers_are_counted_apart_from_everybody_else(world: World) -> None:
    """At a weight the canary's own cluster has those alone whom chance gave it."""
    gateway = Gateway(world, "/v2/models/m")
    await gateway.run(gateway.split(0, *TESTERS))
    seen = await world.router.observe(gateway.routed)
    assert seen.series == (("2.0", "m@2%2E0@testers"),)
    await gateway.run(gateway.split(200, *TESTERS))
    assert (await world.router.observe(gateway.routed)).series == ()
    assert await gateway.each([*ARE_TESTERS] * 10) == ["2.0"] * 10 * len(ARE_TESTERS)
    others = await gateway.each([()] * 500)
    assert 50 < others.count("2.0") < 160
    counted = await world.router._admin._client.get(
        f"http://127.0.0.1:{world.gateway.metrics_port}/stats?filter=upstream_rq_completed&format=json"
    )
    stats = {each["name"]: each["value"] for each in counted.json()["stats"] if "name" in each}
    of_all = {name.split(".")[1]: value for name, value in stats.items() if name.endswith("rq_completed")}
    assert of_all["m@2%2E0@testers"] == 10 * len(ARE_TESTERS)
    assert of_all["m@2%2E0"] == others.count("2.0")


@pytest.mark.parametrize(
    ("sticky", "header"),
    [
        (STICKY, lambda user: f"x-user-id: user-{user}"),
        (Sticky(Key(Carrier.COOKIE, "session")), lambda user: f"cookie: a=b; session=s{user}"),
    ],
)
async def test_cohorts_only_grow_with_the_weight_and_end_with_a_rollback(
    world: World, sticky: Sticky, header: Callable[[int], str]
) -> None:
    gateway = Gateway(world, "/v2/models/m")
    await gateway.run(Split(world.v1))
    before: set[int] = set()
    for weight in (50, 250, 500):
        await gateway.run(gateway.split(weight, sticky=sticky))
        cohort = await gateway.canary_users(header)
        assert cohort == await gateway.canary_users(header), "they keep it"
        assert before < cohort, "and nobody gives it back"
        assert abs(len(cohort) / USERS - weight / 1000) < 4 * (weight * (1000 - weight) / USERS) ** 0.5 / 1000
        before = cohort
    await gateway.run(gateway.split(250, sticky=sticky))
    assert await gateway.canary_users(header) < before, "a smaller weight takes from the same users"
    await gateway.run(Split(world.v1))
    assert await gateway.canary_users(header) == set()


async def test_two_models_do_not_begin_with_the_same_users(world: World) -> None:
    one, two = Gateway(world, "/one", "one"), Gateway(world, "/two", "two")
    cohorts = []
    for gateway in (one, two):
        await gateway.run(gateway.split(100, sticky=STICKY))
        cohorts.append(await gateway.canary_users(lambda user: f"x-user-id: user-{user}"))
    both = len(cohorts[0] & cohorts[1])
    assert 0.002 * USERS < both < 0.02 * USERS  # 1% by chance


async def test_without_the_header_it_is_chance(world: World) -> None:
    gateway = Gateway(world, "/v2/models/m")
    await gateway.run(gateway.split(500, sticky=STICKY))
    assert set(await gateway.each([()] * 60)) == {"1.0", "2.0"}


async def test_a_rollback_without_a_record_takes_testers_and_cohorts_as_well(world: World) -> None:
    gateway = Gateway(world, "/v2/models/m")
    await gateway.run(gateway.split(300, *TESTERS, sticky=STICKY))
    await world.router.roll_back_unrecorded(gateway.routed, Reason.CHECK_FAILED)
    seen = await world.router.observe(gateway.routed)
    while not seen.accepted:
        seen = await world.router.observe(gateway.routed)
    assert (seen.split, seen.latched) == (Split(world.v1, world.v2, 0), Reason.CHECK_FAILED)
    assert set(await gateway.each([*ARE_TESTERS])) == {"1.0"}
    assert await gateway.canary_users(lambda user: f"x-user-id: user-{user}") == set()


async def test_a_rule_that_somebody_edits_is_drift_and_is_never_written_over_unseen(world: World) -> None:
    gateway = Gateway(world, "/v2/models/m")
    split = gateway.split(300, *TESTERS, sticky=STICKY)
    await gateway.run(split)
    file = world.stack.xds / "rds.json"
    for old, new in (
        ("beta=yes", "beta=no"),
        ('"exact":"1"', '"exact":"2"'),
        ('"header_name":"x-user-id"', '"header_name":"x-group-id"'),
    ):
        was = file.read_text()
        assert old in was
        document = json.loads(was.replace(old, new))
        edited = file.with_suffix(".edited")
        edited.write_text(json.dumps(document, separators=(",", ":")).ljust(len(was)))
        edited.rename(file)
        seen = await world.router.observe(gateway.routed)
        assert seen.split != split
        assert "edited by hand" in seen.message
        await world.router.apply(gateway.routed, split, seen.split)
        assert (await world.router.observe(gateway.routed)).split == split
