"""Lanes for the tests: real ones over little traffic, and ones whose scrapes are written by hand."""

from collections.abc import Sequence

from numpy.random import SeedSequence

from bench.judge.arrivals import Traffic
from bench.judge.lane import CLIENT_BOUNDS, Lane, Sample, Scene, drawn

SECONDS = 3600.0


def lane_of(scene: Scene, seed: int = 1) -> Lane:
    return Lane(scene, drawn(scene, SeedSequence(seed), seconds=SECONDS))


def by_hand(counts: Sequence[tuple[int, int]], slow: int = 0, *, spacing: float = 15.0) -> Lane:
    """A lane whose canary was scraped with these cumulative (good, bad) counts, the last time now.

    ``slow`` answers of each scrape took between a half and one second, the others up to 5 milliseconds.
    """
    lane = lane_of(Scene(Traffic(0.0)))
    lane.now = 1000.0
    first = lane.now - spacing * (len(counts) - 1)
    for number, (good, bad) in enumerate(counts):
        total, late = good + bad, slow * (number + 1)
        buckets = tuple(total - late if bound < 1 else total for bound in (*CLIENT_BOUNDS, float("inf")))
        lane.canary[0].samples.append(Sample(first + spacing * number, good, bad, buckets))
    return lane
