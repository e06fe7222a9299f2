"""The test that knows both rates."""

import pytest

from bench.judge.arrivals import Traffic
from bench.judge.lane import Scene
from bench.judge.sprt import requests_to_detection
from bench.judge.versions import Version
from tests.unit.bench_judge.stage import by_hand, lane_of


def test_it_decides_at_the_scrape_that_brings_the_evidence() -> None:
    lane = by_hand([(10, 0), (20, 1), (30, 2), (40, 20)])
    assert requests_to_detection(lane, 0.001, 0.05, 900) == 32


def test_good_answers_speak_for_the_canary() -> None:
    lane = by_hand([(10, 0), (200, 2), (210, 3)])
    assert requests_to_detection(lane, 0.001, 0.05, 900) is None


def test_a_total_failure_is_ruled_out_by_one_good_answer() -> None:
    assert requests_to_detection(by_hand([(0, 1), (0, 2)]), 0.1, 1.0, 900) == 2
    assert requests_to_detection(by_hand([(1, 1), (1, 90)]), 0.1, 1.0, 900) is None


def test_it_goes_on_at_the_last_weight_when_the_run_was_over_too_early() -> None:
    lane = lane_of(Scene(Traffic(50.0), canary=Version(0.05)))
    lane.advance(lane.chance.start)
    lane.give(100)
    needed = requests_to_detection(lane, 0.001, 0.05, 3600)
    assert needed is not None
    assert 20 < needed < 1000
    assert lane.requests >= needed == pytest.approx(lane.requests, abs=200)
