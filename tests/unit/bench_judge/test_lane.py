"""One rule's road: every request is routed once and counted once."""

from itertools import pairwise

import pytest

from bench.judge.arrivals import Lognormal, Traffic
from bench.judge.lane import LEAD_SECONDS, SCRAPE_SECONDS, Lane, Scene
from bench.judge.versions import Version
from tests.unit.bench_judge.stage import lane_of

SCENE = Scene(Traffic(50.0), canary=Version(errors=0.2), stable_copies=3, canary_copies=2)


def _total(lane: Lane, until: float) -> int:
    return sum(len(piece.at) for piece in lane.chance.stream.between(0, until))


@pytest.mark.parametrize("permille", [0, 10, 300, 1000])
def test_every_request_goes_to_one_copy(permille: int) -> None:
    lane = lane_of(SCENE)
    lane.give(permille)
    lane.advance(300)
    routed = [copy.routed for copy in (*lane.canary, *lane.stable)]
    assert sum(routed) == _total(lane, 300)
    assert lane.requests == sum(routed[:2])
    assert lane.requests == pytest.approx(_total(lane, 300) * permille / 1000, rel=0.1)


def test_what_was_routed_is_counted_once_it_is_complete() -> None:
    lane = lane_of(SCENE)
    lane.give(300)
    lane.advance(300)
    lane.give(0)
    lane.advance(400)
    for copy in lane.canary:
        last = copy.samples[-1]
        assert (last.good, last.bad) == (copy.routed - copy.failed, copy.failed)
        assert last.buckets[-1] == copy.routed
    assert (
        lane.bad == sum(copy.failed for copy in lane.canary) == pytest.approx(0.2 * lane.requests, rel=0.15)
    )


def test_counters_never_fall_and_buckets_are_cumulative() -> None:
    lane = lane_of(SCENE)
    lane.give(500)
    lane.advance(600)
    samples = lane.stable[0].samples
    for before, after in pairwise(samples):
        assert after.at - before.at == pytest.approx(SCRAPE_SECONDS)
        assert after.good >= before.good
        assert all(old <= new for old, new in zip(before.buckets, after.buckets, strict=True))
        assert list(after.buckets) == sorted(after.buckets)


def test_copies_are_scraped_at_phases_of_their_own() -> None:
    lane = lane_of(SCENE)
    lane.advance(100)
    phases = {round(copy.samples[0].at, 6) for copy in (*lane.canary, *lane.stable)}
    assert len(phases) == 5
    assert all(0 <= phase < SCRAPE_SECONDS for phase in phases)
    assert LEAD_SECONDS <= lane.chance.start < LEAD_SECONDS + SCRAPE_SECONDS


def test_long_requests_are_counted_when_they_are_complete() -> None:
    lane = lane_of(Scene(Traffic(10.0, shape=Lognormal(40.0, 0.01))))
    lane.give(500)
    lane.advance(35)
    assert lane.requests > 100
    assert lane.canary[0].samples[-1].buckets[-1] == 0
    lane.advance(80)
    assert 100 < lane.canary[0].samples[-1].buckets[-1] < lane.requests


def test_a_request_meets_the_canary_at_every_weight_above_its_place() -> None:
    chance = lane_of(SCENE).chance
    requests = {}
    for permille in (100, 200):
        lane = Lane(SCENE, chance)
        lane.give(permille)
        lane.advance(100)
        requests[permille] = lane.requests
    places = [place for piece in chance.stream.between(0, 100) for place in piece.place]
    assert requests == {p: sum(place < p / 1000 for place in places) for p in (100, 200)}


def test_the_same_seed_gives_the_same_scrapes_whatever_the_passes() -> None:
    lanes = [lane_of(SCENE), lane_of(SCENE)]
    for lane, steps in zip(lanes, (1, 600), strict=True):
        lane.give(300)
        for step in range(steps):
            lane.advance(600 * (step + 1) / steps)
    assert lanes[0].canary[1].samples == lanes[1].canary[1].samples
    assert lane_of(SCENE, seed=2).chance.phases.tolist() != lanes[0].chance.phases.tolist()
