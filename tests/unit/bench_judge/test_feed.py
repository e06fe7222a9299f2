"""Scrapes as blocks: the product's own assembly loses and invents nothing."""

from datetime import timedelta

from numpy.random import SeedSequence

from bench.judge.arrivals import Traffic
from bench.judge.feed import blocks, instant
from bench.judge.lane import Lane, Scene
from bench.judge.past import history
from bench.judge.policies import Limits, policy_for
from bench.judge.versions import Version
from controller.domain.judge.counts import Block
from tests.unit.bench_judge.stage import lane_of

SCENE = Scene(Traffic(40.0), canary=Version(errors=0.2), stable_copies=2)
CHECKS = policy_for("threshold", Limits()).checks
LENGTH = timedelta(seconds=15)


def _followed(lane: Lane, every: float, until: float) -> list[Block]:
    cursor = instant(120)
    found: list[Block] = []
    while lane.now < until:
        lane.advance(lane.now + every)
        closed = blocks(lane, CHECKS, cursor, LENGTH)
        found += closed
        cursor = closed[-1].end if closed else cursor
    return found


def _lane() -> Lane:
    lane = lane_of(SCENE)
    lane.advance(120)
    lane.give(250)
    return lane


def test_blocks_follow_each_other_and_are_the_same_in_many_polls_or_few() -> None:
    often, seldom = _followed(_lane(), 5, 600), _followed(_lane(), 48, 600)
    assert [block.start for block in often[1:]] == [block.end for block in often[:-1]]
    assert often[: len(seldom)] == seldom
    assert len(seldom) >= len(often) - 3


def test_blocks_add_up_to_what_the_copies_counted() -> None:
    lane = _lane()
    found = _followed(lane, 15, 900)
    errors = [counts for block in found for counts in block.checks if counts.check == "errors"]
    bad, requests = (sum(getattr(one.canary, key) for one in errors) for key in ("bad", "requests"))
    earlier, last = lane.canary[0].samples[-4], lane.canary[0].samples[-1]
    assert earlier.bad <= bad <= last.bad
    assert earlier.good + earlier.bad <= requests <= last.good + last.bad
    timed = [counts.canary for block in found for counts in block.checks if counts.check == "latency_p99"]
    assert abs(sum(sum(one.buckets) for one in timed) - requests) <= 20 * len(found)


def test_the_past_is_an_hour_of_stable_by_copy_and_minute() -> None:
    past = history(SCENE, SeedSequence(1), CHECKS)
    assert past.span == timedelta(hours=1)
    assert {one.pod for one in past.minutes} == {"stable-1", "stable-2"}
    assert {one.check for one in past.minutes} == {check.name for check in CHECKS}
    errors = [one for one in past.minutes if one.check == "errors"]
    assert len(errors) == len({(one.pod, one.minute) for one in errors}) >= 2 * 58
    assert all(sum(one.tally.buckets) == one.tally.requests for one in past.minutes if one.tally.bounds)
    assert 0.95 < sum(one.tally.requests for one in errors) / past.requests <= 1
