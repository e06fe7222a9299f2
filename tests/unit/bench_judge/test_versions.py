"""What becomes of requests: failures, clusters of them, slowness, outages."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.random import default_rng

from bench.judge.versions import Failing, Outages, Surroundings, Version, drawn_weather

ONE = np.ones(1)


def test_clustered_errors_keep_their_share_and_come_in_rows() -> None:
    luck = default_rng(1).random(200_000)
    bad = Failing(cluster=10).bad(np.full(len(luck), 0.02), luck)
    assert bad.mean() == pytest.approx(0.02, rel=0.1)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], bad, [False])).astype(int)))
    assert (edges[1::2] - edges[::2])[:-1].min() == 10


def test_clusters_go_on_from_one_call_to_the_next() -> None:
    luck = default_rng(1).random(1000)
    share = np.full(1000, 0.05)
    whole = Failing(cluster=10).bad(share, luck)
    pieces = Failing(cluster=10)
    cuts = (0, 3, 3, 4, 500, 1000)
    parts = [pieces.bad(share[a:b], luck[a:b]) for a, b in pairwise(cuts)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_without_clusters_the_luck_alone_decides() -> None:
    bad = Failing(cluster=1).bad(np.array([0.1, 0.1, 1.0]), np.array([0.05, 0.2, 0.999]))
    assert bad.tolist() == [True, False, True]


def test_a_cold_version_warms_up() -> None:
    version = Version(slower=1.5, cold=5.0, cold_seconds=20.0)
    assert version.multiple(0 * ONE)[0] == pytest.approx(7.5)
    assert version.multiple(200 * ONE)[0] == pytest.approx(1.5, rel=0.01)


def test_a_leak_grows_with_age() -> None:
    version = Version(errors=0.01, leak_errors=0.1, leak_slower=2.0)
    assert version.share(1800 * ONE)[0] == pytest.approx(0.06)
    assert version.multiple(3600 * ONE)[0] == pytest.approx(3.0)
    assert version.share(1e6 * ONE)[0] == 1.0


def test_an_outage_hits_whoever_has_requests_then() -> None:
    around = Surroundings(outages=Outages(0.5, 20, within=100, count=3, spacing=60))
    weather = drawn_weather(around, default_rng(1), copies=2, start=120, seconds=1000)
    assert len(weather.outages) == 3
    assert 120 <= weather.outages[0] <= 220
    assert np.all(np.diff(weather.outages) >= 20)
    at = np.array([weather.outages[0] - 1, weather.outages[1] + 1, weather.outages[2] + 21])
    assert weather.share(np.full(3, 0.2), at).tolist() == pytest.approx([0.2, 0.6, 0.2])


def test_errors_swing_with_the_time_of_day() -> None:
    weather = drawn_weather(
        Surroundings(swing=0.8, period_seconds=400), default_rng(1), copies=2, start=0, seconds=1
    )
    assert weather.share(np.full(3, 0.1), np.array([0.0, 100.0, 300.0])) == pytest.approx([0.1, 0.18, 0.02])


def test_each_copy_has_a_speed_of_its_own_every_minute() -> None:
    weather = drawn_weather(Surroundings(jitter=0.1), default_rng(1), copies=2, start=0, seconds=60_000)
    speeds = weather.speed(0, np.arange(0, 60_000, 60.0))
    assert np.log(speeds).std() == pytest.approx(0.1, rel=0.1)
    assert weather.speed(0, 59 * ONE) == weather.speed(0, ONE) != weather.speed(1, ONE)
