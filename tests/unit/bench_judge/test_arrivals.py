"""The stream of requests: the same for everybody, and as random as it says."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.random import default_rng

from bench.judge.arrivals import BLOCK_SECONDS, Floats, Lognormal, Requests, Stream, Tokens, Traffic


def _times(stream: Stream, *edges: float) -> Floats:
    pieces: list[Requests] = []
    for start, end in pairwise(edges):
        pieces += stream.between(start, end)
    return np.concatenate([piece.at for piece in pieces])


def test_the_stream_does_not_depend_on_how_it_is_asked_for() -> None:
    whole = _times(Stream(Traffic(20.0), default_rng(1)), 0, 300)
    pieces = _times(Stream(Traffic(20.0), default_rng(1)), 0, 7.5, 15, 15.2, 61, 150, 300)
    late = Stream(Traffic(20.0), default_rng(1))
    _times(late, 200, 300)
    assert np.array_equal(whole, pieces)
    assert np.array_equal(whole, _times(late, 0, 300))
    assert np.all(np.diff(whole) >= 0)
    assert not np.array_equal(whole, _times(Stream(Traffic(20.0), default_rng(2)), 0, 300))


@pytest.mark.parametrize(("burstiness", "low", "high"), [(0.0, 0.8, 1.2), (2.0, 15.0, 27.0)])
def test_poisson_counts_vary_as_their_mean_bursts_more(burstiness: float, low: float, high: float) -> None:
    at = _times(Stream(Traffic(10.0, burstiness=burstiness), default_rng(1)), 0, 6000)
    counts = np.bincount(at.astype(np.int64), minlength=6000)
    assert counts.mean() == pytest.approx(10, rel=0.1)
    assert low < counts.var() / counts.mean() < high


def test_a_swinging_rate_comes_back_to_its_mean() -> None:
    at = _times(Stream(Traffic(20.0, swing=0.5, period_seconds=600), default_rng(1)), 0, 1200)
    counts = np.bincount((at // 60).astype(np.int64), minlength=20)
    assert counts.sum() == pytest.approx(24_000, rel=0.05)
    assert counts.max() > 1.3 * 1200
    assert counts.min() < 0.7 * 1200


def test_what_was_forgotten_cannot_be_asked_for() -> None:
    stream = Stream(Traffic(20.0), default_rng(1))
    stream.between(0, 10 * BLOCK_SECONDS)
    stream.forget_before(5 * BLOCK_SECONDS + 1)
    assert stream.between(5 * BLOCK_SECONDS, 6 * BLOCK_SECONDS)
    with pytest.raises(AssertionError):
        stream.between(4 * BLOCK_SECONDS, 5 * BLOCK_SECONDS)


def test_latencies_have_the_median_and_the_spread_that_they_say() -> None:
    seconds = Lognormal().draw(default_rng(1), 20_000)
    assert np.median(seconds) == pytest.approx(0.12, rel=0.02)
    assert np.log(seconds).std() == pytest.approx(0.5, rel=0.02)
    heavy = Lognormal(tail=0.05).draw(default_rng(1), 20_000)
    assert np.quantile(heavy, 0.999) > 2 * np.quantile(seconds, 0.999)


def test_a_language_model_has_short_and_long_answers() -> None:
    seconds = Tokens().draw(default_rng(1), 20_000)
    assert 1.5 < np.median(seconds) < 4
    assert np.quantile(seconds, 0.95) > 15
