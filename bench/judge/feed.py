"""Scrapes as the product's own blocks: `controller.domain.judge.blocks.assemble` over the last samples."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import inf

from bench.judge.lane import SCRAPE_SECONDS, Copy, Lane, Sample
from controller.domain.judge.blocks import assemble
from controller.domain.judge.counts import Block
from controller.domain.judge.series import Arm, Role, Series, Window, patience
from controller.domain.policy import Check

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Second 0 of every simulation; a multiple of every block."""
EPOCH_SECONDS = START.timestamp()
SCRAPE = timedelta(seconds=SCRAPE_SECONDS)
REACH = patience(SCRAPE) + SCRAPE
"""How far before the cursor the product asks for samples (`controller.adapters.metrics.batch`)."""


def instant(seconds: float) -> datetime:
    """A second of the simulation on the metric source's clock."""
    return START + timedelta(seconds=seconds)


def blocks(lane: Lane, checks: Sequence[Check], cursor: datetime, length: timedelta) -> tuple[Block, ...]:
    """The blocks that have closed since ``cursor``."""
    begin = cursor - REACH
    window = Window(begin, cursor, instant(lane.now), length, SCRAPE)
    return assemble(series(lane, (begin - START).total_seconds()), checks, window).blocks


def series(lane: Lane, begin: float) -> list[Series]:
    """Every counter of every copy, from a second of the simulation on."""
    arms = ((Arm.CANARY, lane.canary), (Arm.STABLE, lane.stable))
    bounds = (*lane.scene.bounds, inf)
    return [one for arm, copies in arms for copy in copies for one in _of_copy(arm, copy, bounds, begin)]


def _of_copy(arm: Arm, copy: Copy, bounds: tuple[float, ...], begin: float) -> list[Series]:
    name = f"{arm}-{copy.number}"
    recent = copy.samples[bisect_left(copy.samples, begin, key=_at) :]
    times = [EPOCH_SECONDS + sample.at for sample in recent]
    good = [(at, float(sample.good)) for at, sample in zip(times, recent, strict=True)]
    bad = [(at, float(sample.bad)) for at, sample in zip(times, recent, strict=True)]
    buckets = zip(*(sample.buckets for sample in recent), strict=True)
    return [
        Series(name, arm, Role.GOOD, good, target=name),
        Series(name, arm, Role.BAD, bad, target=name),
        *(
            Series(name, arm, Role.BUCKET, list(zip(times, counts, strict=True)), bound, name)
            for bound, counts in zip(bounds, buckets, strict=True)
        ),
    ]


def _at(sample: Sample) -> float:
    return sample.at
