"""Stable's last hour before the canary, as the product reads it: by copy, minute and check."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from numpy.random import SeedSequence

from bench.judge.lane import SCRAPE_SECONDS, Copy, Lane, Sample, Scene, drawn
from bench.judge.versions import MINUTE
from controller.domain.judge.calibration import Calibration, PodHistory, PodMinute, calibrate
from controller.domain.judge.counts import Tally
from controller.domain.policy import Check, CheckKind

PAST_SECONDS = 3600.0
_SCRAPES_A_MINUTE = round(MINUTE / SCRAPE_SECONDS)


def calibration_of(scene: Scene, seed: SeedSequence, checks: Sequence[Check]) -> Calibration:
    """What an hour of stable alone says; without outages, and not the hour that the rollout is in."""
    return calibrate(history(scene, seed, checks), checks)


def history(scene: Scene, seed: SeedSequence, checks: Sequence[Check]) -> PodHistory:
    """An hour of stable alone."""
    calm = replace(scene, surroundings=replace(scene.surroundings, outages=None))
    lane = Lane(calm, drawn(calm, seed, seconds=PAST_SECONDS))
    lane.advance(PAST_SECONDS)
    minutes = [
        one
        for copy in lane.stable
        for check in checks
        if check.kind is not CheckKind.GAUGE
        for one in _minutes(copy, check, scene.bounds)
    ]
    requests = sum(copy.samples[-1].good + copy.samples[-1].bad for copy in lane.stable)
    return PodHistory(timedelta(seconds=PAST_SECONDS), minutes, requests)


def _minutes(copy: Copy, check: Check, bounds: tuple[float, ...]) -> list[PodMinute]:
    edges = copy.samples[::_SCRAPES_A_MINUTE]
    tallies = (_tally(a, b, check, bounds) for a, b in pairwise(edges))
    pod = f"stable-{copy.number}"
    return [
        PodMinute(check.name, pod, minute, tally) for minute, tally in enumerate(tallies) if tally.requests
    ]


def _tally(before: Sample, after: Sample, check: Check, bounds: tuple[float, ...]) -> Tally:
    if check.kind is CheckKind.RATIO:
        bad = after.bad - before.bad
        return Tally(after.good - before.good + bad, bad)
    grown = [new - old for old, new in zip(before.buckets, after.buckets, strict=True)]
    buckets = tuple(high - low for low, high in zip((0, *grown), grown, strict=False))
    return Tally(grown[-1], bounds=bounds, buckets=buckets)
