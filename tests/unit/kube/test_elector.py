"""Electors on one Lease in memory, in virtual time, one event after the other.

What happens when everything goes wrong at once is in `tests.property.test_election`.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from controller.adapters.kube.elector import Clocks, Elector, LeaseRef, boot_seconds
from controller.adapters.kube.errors import Deposed, Forbidden, LeaseLost
from controller.adapters.kube.resources import LEASES, Obj
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.errors import InvariantError, TransientError
from tests import virtual_time
from tests.kube_fake import FakeApi, Serve

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LEASE, RENEW, RETRY = 15, 10, 2


class Candidate:
    """One process of an election, and its way to the API server."""

    def __init__(self, api: FakeApi, identity: str, *, wall: datetime = NOON, floor: int = 0) -> None:
        self.cut_off = self.hangs = self.loses_answers = False
        self.answers_after = self.frozen_at_first_write = 0.0
        self.began: float | None = None
        self.ended: float | None = None
        self.stopping = asyncio.Event()
        self.stubborn = False
        """Whether its work does not heed a cancellation."""
        self.defect: Exception | None = None
        self.wall = wall
        self._floor = floor
        self._api = FakeApi()
        self._api.objects, self._api.fault = api.objects, self._way
        self.elector = Elector(
            self._api.client(),
            LeaseRef("serinus", "serinus", identity),
            self._find_floor,
            clocks=Clocks(now, lambda: self.wall),
        )
        self.task = asyncio.create_task(self.elector.run(self._lead))
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    def leads(self) -> bool:
        with suppress(Deposed):
            self.elector.check()
            return True
        return False

    @property
    def requests(self) -> list[ApiRequest]:
        return self._api.requests

    async def outcome(self) -> BaseException | None:
        await asyncio.wait({self.task})
        return None if self.task.cancelled() else self.task.exception()

    async def _lead(self) -> None:
        self.began = now()
        try:
            await self.stopping.wait()
            if self.defect:
                raise self.defect
        except asyncio.CancelledError:
            if self.stubborn:
                await asyncio.sleep(1000)
            raise
        finally:
            self.ended = now()

    async def _find_floor(self) -> int:
        return self._floor

    async def _way(self, request: ApiRequest, serve: Serve) -> ApiAnswer:
        if self.cut_off:
            raise TransientError("connection refused")
        if self.hangs:
            await asyncio.sleep(1000)
        answered = serve(request)
        if request.method != "GET":
            frozen(self.frozen_at_first_write)
            self.frozen_at_first_write = 0.0
        await asyncio.sleep(self.answers_after)
        if self.loses_answers and request.method != "GET":
            raise TransientError("connection reset")
        return answered


def now() -> float:
    return asyncio.get_running_loop().time()


def frozen(seconds: float) -> None:
    """What a stopped process is: time passes and it does nothing, not even its event loop."""
    asyncio.get_running_loop()._selector.now += seconds  # type: ignore[attr-defined]


def spec_of(api: FakeApi) -> Obj:
    found = api.get(LEASES, "serinus", "serinus")
    assert found is not None
    spec: Obj = found["spec"]
    return spec


def in_virtual_time(scenario: Callable[[FakeApi], Awaitable[None]]) -> Callable[[], None]:
    """Runs the scenario with an API server, and cancels what it left."""

    async def whole() -> None:
        await scenario(FakeApi())
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)

    def test() -> None:
        virtual_time.run(whole())

    test.__name__ = test.__qualname__ = scenario.__name__
    return test


@in_virtual_time
async def test_the_only_candidate_leads_at_once_and_for_as_long_as_it_likes(api: FakeApi) -> None:
    a = Candidate(api, "a")
    assert not a.leads()
    assert a.elector.epoch == 0
    await asyncio.sleep(0.1)
    assert a.leads()
    assert a.elector.epoch == 1
    for _ in range(1000):
        await asyncio.sleep(1)
        assert a.leads()
    assert a.began is not None
    assert a.began < 0.1


@in_virtual_time
async def test_the_lease_tells_people_who_leads_since_when(api: FakeApi) -> None:
    a = Candidate(api, "pod-a")
    await asyncio.sleep(0.1)
    spec = spec_of(api)
    assert re.fullmatch(r"pod-a_[0-9a-f]{8}", spec["holderIdentity"])
    assert spec["leaseDurationSeconds"] == LEASE
    assert spec["acquireTime"] == spec["renewTime"] == "2026-11-23T12:00:00.000000Z"
    assert spec["leaseTransitions"] == 1
    a.wall += timedelta(seconds=60.5)
    await asyncio.sleep(3)
    assert spec_of(api)["acquireTime"] == "2026-11-23T12:00:00.000000Z"
    assert spec_of(api)["renewTime"] == "2026-11-23T12:01:00.500000Z"
    b = Candidate(api, "pod-b")
    await asyncio.sleep(3)
    assert b.elector.leader == a.elector.leader == spec["holderIdentity"]


@in_virtual_time
async def test_a_leader_asks_every_two_seconds_and_a_candidate_less_than_once_a_second(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    b = Candidate(api, "b")
    await asyncio.sleep(200)
    assert 95 <= len(a.requests) <= 105
    assert 130 <= len(b.requests) <= 185


@in_virtual_time
async def test_after_a_crash_the_next_one_leads_when_the_lease_is_over(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    b = Candidate(api, "b")
    await asyncio.sleep(20)
    assert not b.leads()
    a.hangs = True
    a.task.cancel()  # its release hangs as well
    crashed = now()
    await asyncio.sleep(25)
    assert b.leads()
    assert b.elector.epoch == 2
    assert b.began is not None
    assert LEASE - RETRY <= b.began - crashed <= LEASE + 2 * RETRY * 1.1


@in_virtual_time
async def test_after_a_release_the_next_one_leads_within_three_seconds(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    for _ in range(20):
        b = Candidate(api, "b")
        await asyncio.sleep(20)
        a.stopping.set()
        released = now()
        await asyncio.sleep(3)
        assert await a.outcome() is None
        assert not a.leads()
        assert b.leads()
        assert b.elector.epoch == a.elector.epoch + 1
        assert b.began is not None
        assert b.began - released < 3
        a = b


@in_virtual_time
async def test_a_cancelled_leader_releases_after_its_work_has_ended(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(5)
    a.task.cancel()
    await asyncio.wait({a.task})
    assert a.task.cancelled()
    assert a.ended is not None
    spec = spec_of(api)
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("", 1, 1)
    assert not a.leads()
    await asyncio.sleep(100)
    assert not a.elector.overdue


@in_virtual_time
async def test_a_leader_whose_work_fails_releases_and_says_why(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(5)
    a.defect = InvariantError("a defect")
    a.stopping.set()
    error = await a.outcome()
    assert isinstance(error, InvariantError)
    assert spec_of(api)["holderIdentity"] == ""


@in_virtual_time
async def test_a_leader_that_is_cut_off_stops_before_another_can_begin(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    b = Candidate(api, "b")
    await asyncio.sleep(19.5)
    a.cut_off = True
    cut = now()
    while a.leads():
        await asyncio.sleep(0.01)
        assert not b.leads()
    assert now() - cut <= RENEW
    error = await a.outcome()
    assert isinstance(error, LeaseLost)
    assert str(error) == "lease serinus/serinus is lost: it could not be renewed in time"
    assert a.ended is not None
    assert a.ended - cut <= RENEW
    await asyncio.sleep(10)
    assert b.leads()


@in_virtual_time
async def test_an_api_server_that_hangs_is_one_that_does_not_answer(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    a.hangs = True
    await asyncio.sleep(RENEW + 0.1)
    assert not a.leads()
    assert isinstance(await a.outcome(), LeaseLost)


@in_virtual_time
async def test_an_outage_that_is_shorter_than_the_deadline_is_survived(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    for outage in ("cut_off", "hangs", "loses_answers"):
        setattr(a, outage, True)
        await asyncio.sleep(RENEW - 2 * RETRY)
        setattr(a, outage, False)
        for _ in range(100):
            await asyncio.sleep(0.1)
            assert a.leads()
    assert a.elector.epoch == 1


@in_virtual_time
async def test_a_leader_whose_answers_get_lost_stops_though_it_renews(api: FakeApi) -> None:
    """Only what is answered counts: an unanswered renewal may not have been done."""
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    a.loses_answers = True
    await asyncio.sleep(RENEW + 0.1)
    assert not a.leads()
    assert isinstance(await a.outcome(), LeaseLost)


@in_virtual_time
async def test_a_candidate_whose_answer_got_lost_takes_what_is_its_own(api: FakeApi) -> None:
    a = Candidate(api, "a")
    a.loses_answers = True
    await asyncio.sleep(1)
    assert spec_of(api)["holderIdentity"].startswith("a_")
    assert not a.leads()
    a.loses_answers = False
    await asyncio.sleep(3)
    assert a.leads()
    assert a.elector.epoch == spec_of(api)["leaseTransitions"] == 2


@in_virtual_time
async def test_whatever_is_wrong_the_lease_is_not_renewed(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    a._api.denied.add(("patch", "leases"))
    await asyncio.sleep(RENEW - 2)
    assert a.leads()
    await asyncio.sleep(2)
    assert not a.leads()
    assert isinstance(await a.outcome(), LeaseLost)


@in_virtual_time
async def test_two_that_make_the_lease_at_once_are_one_leader(api: FakeApi) -> None:
    both = [Candidate(api, name) for name in ("a", "b")]
    for _ in range(100):
        await asyncio.sleep(0.5)
        assert sum(candidate.leads() for candidate in both) == 1
    assert spec_of(api)["leaseTransitions"] == 1


@in_virtual_time
async def test_many_that_wait_for_one_lease_are_one_leader(api: FakeApi) -> None:
    all_of_them = [Candidate(api, f"c{number}") for number in range(8)]
    for epoch in range(1, 9):
        await asyncio.sleep(20)
        (leader,) = [candidate for candidate in all_of_them if candidate.leads()]
        assert leader.elector.epoch == epoch
        all_of_them.remove(leader)
        leader.hangs = True


@in_virtual_time
async def test_no_wall_clock_decides_anything(api: FakeApi) -> None:
    a = Candidate(api, "a", wall=NOON - timedelta(days=3650))
    await asyncio.sleep(0.1)
    b = Candidate(api, "b", wall=NOON + timedelta(days=3650))
    await asyncio.sleep(60)
    assert a.leads()
    assert not b.leads()
    a.wall += timedelta(days=7300)
    b.wall -= timedelta(days=7300)
    await asyncio.sleep(60)
    assert a.leads()
    assert not b.leads()
    a.wall -= timedelta(hours=1)
    a.cut_off = True
    await asyncio.sleep(RENEW)
    assert not a.leads()


@in_virtual_time
async def test_a_process_of_the_same_name_waits_as_all_others_do(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(5)
    a.hangs = True
    again = Candidate(api, "a")
    begun = now()
    while not again.leads():
        assert now() - begun < LEASE + 3 * RETRY
        assert not (a.leads() and again.leads())
        await asyncio.sleep(0.1)
    assert not a.leads()
    assert again.elector.epoch == 2


@in_virtual_time
async def test_a_leader_whose_lease_is_deleted_ends(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(5)
    api.delete(LEASES, "serinus", "serinus")
    await asyncio.sleep(RETRY + 0.1)
    assert not a.leads()
    assert "somebody else took it, or deleted it" in str(await a.outcome())
    assert api.get(LEASES, "serinus", "serinus") is None


@in_virtual_time
async def test_who_saw_the_lease_waits_when_it_is_gone(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    b = Candidate(api, "b")
    await asyncio.sleep(5)
    a.cut_off = True
    api.delete(LEASES, "serinus", "serinus")
    deleted = now()
    while not b.leads():
        assert now() - deleted < LEASE + 3 * RETRY
        await asyncio.sleep(0.1)
    assert now() - deleted > LEASE
    assert not a.leads()
    assert b.elector.epoch == 2


@in_virtual_time
async def test_one_absence_is_not_taken_for_another(api: FakeApi) -> None:
    """Who saw no lease at first, and lost the race for it, does not count from then when it is deleted."""
    a = Candidate(api, "a")
    b = Candidate(api, "b")
    await asyncio.sleep(0.1)
    leader, other = (a, b) if a.leads() else (b, a)
    other.cut_off = True
    await asyncio.sleep(20)
    api.delete(LEASES, "serinus", "serinus")
    leader.cut_off, other.cut_off = True, False
    deleted = now()
    while not other.leads():
        assert now() - deleted < LEASE + 3 * RETRY
        await asyncio.sleep(0.1)
        assert not (leader.leads() and other.leads())
    assert now() - deleted > LEASE - 0.1


@in_virtual_time
async def test_an_absence_that_nobody_looked_at_begins_anew(api: FakeApi) -> None:
    a = Candidate(api, "a", floor=41)
    await asyncio.sleep(5)
    a.cut_off = True
    await asyncio.sleep(8)
    a.cut_off = False
    seen_again = now()
    await asyncio.sleep(LEASE - 0.1)
    assert not a.leads()
    await asyncio.sleep(3 * RETRY)
    assert a.leads()
    assert a.began is not None
    assert a.began - seen_again >= LEASE


@in_virtual_time
async def test_who_finds_an_epoch_but_no_lease_waits_and_goes_above_it(api: FakeApi) -> None:
    a = Candidate(api, "a", floor=41)
    await asyncio.sleep(LEASE - 1)
    assert not a.leads()
    await asyncio.sleep(1 + 2 * RETRY)
    assert a.leads()
    assert a.elector.epoch == 42


@in_virtual_time
async def test_epochs_go_above_what_objects_bear(api: FakeApi) -> None:
    """As when the Lease was restored from a backup, or came from elsewhere."""
    lease = {"metadata": {"name": "serinus", "namespace": "serinus"}, "spec": {"leaseTransitions": 7}}
    api.put(LEASES, lease)
    a = Candidate(api, "a", floor=41)
    await asyncio.sleep(0.1)
    assert a.elector.epoch == 42
    a.stopping.set()
    await asyncio.sleep(1)
    b = Candidate(api, "b", floor=3)
    await asyncio.sleep(1)
    assert b.elector.epoch == 43


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        "nonsense",
        {"holderIdentity": None, "leaseDurationSeconds": None, "leaseTransitions": None},
        {"holderIdentity": "", "leaseDurationSeconds": "x", "leaseTransitions": -3},
        {"holderIdentity": ["a"], "leaseTransitions": 1e300},
    ],
)
def test_an_odd_lease_is_one_that_nobody_has(spec: object) -> None:
    async def scenario(api: FakeApi) -> None:
        api.put(LEASES, {"metadata": {"name": "serinus", "namespace": "serinus"}, "spec": spec})
        a = Candidate(api, "a")
        await asyncio.sleep(0.1)
        assert a.leads()
        assert a.elector.epoch == 1

    in_virtual_time(scenario)()


@in_virtual_time
async def test_a_lease_of_another_make_is_waited_for_as_long_as_it_says(api: FakeApi) -> None:
    spec = {"holderIdentity": "other", "leaseDurationSeconds": 40, "leaseTransitions": 3}
    api.put(LEASES, {"metadata": {"name": "serinus", "namespace": "serinus"}, "spec": spec})
    a = Candidate(api, "a")
    await asyncio.sleep(39)
    assert not a.leads()
    await asyncio.sleep(1 + 2 * RETRY)
    assert a.leads()
    assert a.elector.epoch == 4


@in_virtual_time
async def test_a_lease_that_somebody_else_took_is_lost_at_once(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(5)
    api.modify(LEASES, "serinus", "serinus", lambda lease: lease["spec"].update(holderIdentity="b"))
    await asyncio.sleep(RETRY + 0.1)
    assert not a.leads()
    assert isinstance(await a.outcome(), LeaseLost)
    assert spec_of(api)["holderIdentity"] == "b"


@in_virtual_time
async def test_when_the_floor_cannot_be_found_the_lease_is_not_taken(api: FakeApi) -> None:
    async def unknown() -> int:
        raise Forbidden("list modelrollouts is not allowed")

    a = Candidate(api, "a")
    a.elector._floor = unknown
    await asyncio.sleep(60)
    assert not a.leads()
    assert api.get(LEASES, "serinus", "serinus") is None


@in_virtual_time
async def test_work_that_does_not_end_is_told_by_overdue(api: FakeApi) -> None:
    a = Candidate(api, "a")
    a.stubborn = True
    await asyncio.sleep(5)
    a.cut_off = True
    await asyncio.sleep(RENEW)
    seen = [a.elector.overdue]
    await asyncio.sleep(1.5)
    seen.append(a.elector.overdue)
    assert seen == [False, True]
    assert not a.task.done()


@in_virtual_time
async def test_a_renewal_counts_from_when_it_was_asked_for(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(0.1)
    a.answers_after = 4.5
    await asyncio.sleep(RETRY + 4.5)
    # Renewed at about 2.0, answered at about 6.5: valid until about 12.
    a.cut_off = True
    await asyncio.sleep(RENEW + RETRY - now() - 0.1)
    assert a.leads()
    await asyncio.sleep(0.2)
    assert not a.leads()


@in_virtual_time
async def test_the_first_reign_counts_from_when_it_was_asked_for(api: FakeApi) -> None:
    a = Candidate(api, "a")
    a.answers_after = 4.5
    await asyncio.sleep(9.5)
    assert a.leads()
    a.cut_off = True
    await asyncio.sleep(4.5 + RENEW - now() + 0.1)
    assert not a.leads()


@in_virtual_time
async def test_who_was_frozen_while_it_took_the_lease_does_not_lead(api: FakeApi) -> None:
    a = Candidate(api, "a")
    a.frozen_at_first_write = 30
    await asyncio.sleep(0.5)
    assert spec_of(api)["holderIdentity"].startswith("a_")
    assert not a.leads()
    assert a.began is None
    await asyncio.sleep(30 + 2 * RETRY)
    assert a.leads()
    assert a.elector.epoch == 2


@in_virtual_time
async def test_a_wall_clock_that_stands_still_does_not_hide_the_renewals(api: FakeApi) -> None:
    a = Candidate(api, "a")
    versions = set()
    for _ in range(10):
        await asyncio.sleep(RETRY + 0.01)
        found = api.get(LEASES, "serinus", "serinus")
        assert found is not None
        versions.add(found["metadata"]["resourceVersion"])
    assert len(versions) == 10
    assert a.leads()


@in_virtual_time
async def test_a_frozen_process_knows_when_it_wakes_that_it_leads_no_longer(api: FakeApi) -> None:
    a = Candidate(api, "a")
    await asyncio.sleep(5)
    assert a.leads()
    frozen(30)
    assert not a.leads()
    assert a.elector.overdue
    await asyncio.sleep(0.1)
    assert isinstance(await a.outcome(), LeaseLost)


def test_the_clock_of_decisions_goes_on() -> None:
    first = boot_seconds()
    assert boot_seconds() >= first > 0
