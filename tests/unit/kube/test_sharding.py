"""What a shard calls its own, and who waits for whom when the number of shards changes."""

import asyncio
from datetime import UTC, datetime

import pytest

from controller.adapters.kube.elector import Clocks, Elector, LeaseRef
from controller.adapters.kube.fencing import EPOCH_ANNOTATION, epoch_of, fence, latch_of, stamp, take_over
from controller.adapters.kube.lease import LeaseTiming, held, released
from controller.adapters.kube.resources import HTTP_ROUTES, LEASES, Obj
from controller.adapters.kube.rivals import Rivals
from controller.adapters.kube.sharding import count_in, highest_epoch, mark_on_routes, suffixed
from controller.domain.sharding import WHOLE, Shard
from controller.domain.vocabulary import Reason
from controller.errors import Conflict
from tests import virtual_time
from tests.json_patch import patched
from tests.kube_fake import FakeApi

ONE, TWO = Shard(1, 2), Shard(2, 2)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TIMING = LeaseTiming()


def test_without_shards_every_name_is_as_it_was() -> None:
    assert suffixed("serinus", WHOLE) == "serinus"
    assert mark_on_routes(WHOLE) == EPOCH_ANNOTATION
    assert suffixed("serinus", TWO) == "serinus-2-of-2"


@pytest.mark.parametrize(
    ("found", "count"),
    [
        ("serinus", 1),
        ("serinus-2-of-3", 3),
        ("serinus-leader", None),
        ("serinus-2-of-3-x", None),
        ("blue-serinus-2-of-3", None),
        ("blue", None),
    ],
)
def test_a_lease_tells_of_how_many_shards_it_is(found: str, count: int | None) -> None:
    assert count_in(found, "serinus") == count


def a_route(**annotations: str) -> Obj:
    named = {
        key.replace("_", "-").replace("epoch", EPOCH_ANNOTATION): text for key, text in annotations.items()
    }
    return {
        "kind": "HTTPRoute",
        "metadata": {"name": "r", "namespace": "ml", "resourceVersion": "7", "annotations": named},
    }


def test_a_shard_tests_and_writes_its_own_mark_only() -> None:
    obj = a_route(epoch_1_of_2="3", epoch_2_of_2="9 CheckFailed")
    mark = mark_on_routes(ONE)
    assert (epoch_of(obj, mark), latch_of(obj, mark)) == (3, None)
    assert latch_of(obj, mark_on_routes(TWO)) is Reason.CHECK_FAILED
    after = patched(obj, [*fence(obj, 3, mark), *stamp(obj, 3, Reason.METRICS_UNAVAILABLE, mark)])
    assert after["metadata"]["annotations"] == {
        mark: "3 MetricsUnavailable",
        mark_on_routes(TWO): "9 CheckFailed",
    }
    with pytest.raises(Conflict):
        fence(obj, 8, mark_on_routes(TWO))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"epoch": "40"}, {"epoch-1-of-2": "5"}),
        ({"epoch": "40 CheckFailed"}, {"epoch-1-of-2": "5 CheckFailed"}),
        ({"epoch-1-of-3": "8", "epoch-3-of-3": "7"}, {"epoch-1-of-2": "5"}),
        ({"epoch-2-of-2": "9 CheckFailed"}, {"epoch-1-of-2": "5", "epoch-2-of-2": "9 CheckFailed"}),
        ({"epoch-1-of-2": "4", "epoch-2-of-2": "9"}, {"epoch-1-of-2": "5", "epoch-2-of-2": "9"}),
    ],
)
async def test_taking_over_clears_the_marks_of_another_number_and_leaves_its_sisters(
    before: dict[str, str], after: dict[str, str]
) -> None:
    def named(short: dict[str, str]) -> dict[str, str]:
        return {f"serinus.dev/{key}": text for key, text in short.items()}

    api = FakeApi()
    obj = api.put(HTTP_ROUTES, {"metadata": {"name": "r", "namespace": "ml", "annotations": named(before)}})
    taken = await take_over(api.client(), HTTP_ROUTES, obj, 5, mark_on_routes(ONE))
    assert taken["metadata"]["annotations"] == named(after)


def test_epochs_are_counted_on_from_what_the_shards_own_objects_bear() -> None:
    mine = next(name for name in map(str, range(99)) if ONE.owns(name))
    other = next(name for name in map(str, range(99)) if TWO.owns(name))

    def rollout(model: str, epoch: int) -> Obj:
        return {"metadata": {"annotations": {EPOCH_ANNOTATION: str(epoch)}}, "spec": {"model": model}}

    rollouts = [rollout(mine, 4), rollout(other, 60)]
    assert highest_epoch(ONE, rollouts, [a_route(epoch_1_of_2="6", epoch_2_of_2="70", epoch="80")]) == 6
    assert highest_epoch(ONE, rollouts, []) == 4
    assert highest_epoch(WHOLE, rollouts, [a_route(epoch="80")]) == 80
    assert highest_epoch(ONE, [{"metadata": {}, "spec": None}], []) == 0


def a_lease(api: FakeApi, name: str, spec: Obj) -> None:
    api.put(LEASES, {"metadata": {"name": name, "namespace": "serinus"}, "spec": spec})


def now() -> float:
    return asyncio.get_running_loop().time()


def rivals(api: FakeApi, shard: Shard) -> Rivals:
    return Rivals(api.client(), "serinus", "serinus", shard, TIMING, now)


async def test_only_a_held_lease_of_another_number_is_a_rivals() -> None:
    api = FakeApi()
    a_lease(api, "serinus-2-of-2", held("sister", TIMING, 3, NOON))
    a_lease(api, "serinus", released(3, NOON))
    a_lease(api, "other", held("somebody", TIMING, 3, NOON))
    one = rivals(api, ONE)
    assert not await one.lead()
    a_lease(api, "serinus-1-of-3", held("pod-x", TIMING, 3, NOON))
    assert await one.lead()
    assert one.waits_for == ["serinus-1-of-3, held by pod-x"]
    assert await rivals(api, WHOLE).lead()


def test_a_lease_that_was_left_behind_is_waited_for_once() -> None:
    async def scenario() -> None:
        api = FakeApi()
        a_lease(api, "serinus", held("gone", TIMING, 3, NOON))
        one = rivals(api, ONE)
        assert await one.lead()
        await asyncio.sleep(14.9)
        assert await one.lead()
        await asyncio.sleep(0.2)
        assert not await one.lead()
        assert one.waits_for == []
        api.modify(LEASES, "serinus", "serinus", lambda obj: obj["spec"].update(renewTime="later"))
        assert await one.lead(), "it was renewed after all"

    virtual_time.run(scenario())


def test_who_finds_a_rival_after_it_took_its_lease_gives_it_back() -> None:
    async def scenario() -> None:
        api, looks = FakeApi(), 0

        async def there_is_one() -> bool:
            nonlocal looks
            looks += 1
            return looks == 3  # not at first, not before it takes the lease, but right afterwards

        async def floor() -> int:
            return 0

        led: list[float] = []

        async def lead() -> None:
            led.append(now())

        ref = LeaseRef("serinus", "serinus", "a")
        clocks = Clocks(now, lambda: NOON)
        elector = Elector(api.client(), ref, floor, TIMING, clocks, there_is_one)
        await elector.run(lead)
        assert looks == 5
        assert led
        assert led[0] > 1, "it waited before it tried again"
        found = api.get(LEASES, "serinus", "serinus")
        assert found is not None
        assert found["spec"]["leaseTransitions"] == 2

    virtual_time.run(scenario())
