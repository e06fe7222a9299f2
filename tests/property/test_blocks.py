"""Blocks are the same in one call or in many, and counts are whole whatever the samples are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.judge.blocks import assemble
from controller.domain.judge.counts import Block
from controller.domain.judge.series import Arm, Role, Series, Window, newcomers, patience
from controller.domain.policy import Check, CheckKind

T = 1_750_000_000
SCRAPE = timedelta(seconds=2)
BLOCK = timedelta(seconds=5)
PATIENCE = patience(SCRAPE)
CHECKS = [
    Check("errors", CheckKind.RATIO),
    Check("latency_p99", CheckKind.QUANTILE, quantile=0.99),
    Check("own", CheckKind.RATIO, measure="own"),
]


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(T, UTC) + timedelta(seconds=seconds)


@dataclass(frozen=True)
class World:
    """All that is ever scraped, from 100 s before the cursor to 100 s after it."""

    series: tuple[Series, ...]

    def read(self, cursor: datetime, now: datetime) -> tuple[Block, ...]:
        """What the metric source gives at ``now``, asked as the adapter asks it."""
        begin = cursor - PATIENCE - SCRAPE
        window = Window(begin, cursor, now, BLOCK, SCRAPE)
        seen = [self._between(one, begin, now) for one in self.series]
        seen = [one for one in seen if one.samples]
        late = newcomers(seen, window)
        seen = [self._with_last(one, begin) if one in late else one for one in seen]
        return assemble(seen, CHECKS, window).blocks

    def _between(self, one: Series, begin: datetime, end: datetime) -> Series:
        low, high = begin.timestamp(), end.timestamp()
        return replace(one, samples=tuple(pair for pair in one.samples if low <= pair[0] <= high))

    def _with_last(self, one: Series, begin: datetime) -> Series:
        whole = next(w for w in self.series if (w.identity, w.role, w.bound_seconds) == _key(one))
        before = [value for second, value in whole.samples if second < begin.timestamp()]
        front = ((begin.timestamp(), before[-1]),) if before else ()
        return replace(one, samples=(*front, *one.samples))


def _key(one: Series) -> tuple[str, Role, float]:
    return one.identity, one.role, one.bound_seconds


@st.composite
def worlds(draw: st.DrawFn) -> World:
    series: list[Series] = []
    for target in range(draw(st.integers(1, 3))):
        phase = draw(st.integers(0, 1999)) / 1000
        silences = draw(st.lists(st.tuples(st.integers(-100, 100), st.integers(1, 40)), max_size=2))
        instants = [
            T + second + phase
            for second in range(-100, 100, 2)
            if not any(begin <= second < begin + length for begin, length in silences)
        ]
        arm = draw(st.sampled_from(Arm))
        series.append(Series(f"pulse{target}", arm, Role.PULSE, [(instant, 1.0) for instant in instants]))
        roles = (Role.GOOD, Role.BAD, Role.BEYOND)
        series += [Series(f"{role}{target}", arm, role, draw(counters(instants))) for role in roles]
        low, extra = draw(counters(instants, births=[-1000])), draw(st.integers(0, 5))
        high = [(instant, value + extra) for instant, value in low]
        series.append(Series(f"histogram{target}", arm, Role.BUCKET, low, 0.25))
        series.append(Series(f"histogram{target}", arm, Role.BUCKET, high))
        if draw(st.booleans()):
            own = draw(counters(instants))
            series += [Series(f"own{target}", arm, role, own, measure="own") for role in (Role.ALL, Role.BAD)]
    known = draw(st.booleans())
    return World(tuple(replace(one, target=one.identity[-1] if known else "") for one in series))


@st.composite
def counters(
    draw: st.DrawFn, instants: Sequence[float], births: Sequence[int] = (-1000, -30, 0, 7, 21, 50)
) -> list[tuple[float, float]]:
    born = T + draw(st.sampled_from(births))
    resets = draw(st.sets(st.integers(0, len(instants)), max_size=2))
    step = draw(st.integers(0, 37))
    value, samples = float(draw(st.integers(0, 1000))), []
    for index, instant in enumerate(instants):
        value = float(index % 7) if index in resets else value + step * (index % 3)
        if instant >= born:
            samples.append((instant, value))
    return samples


@given(worlds(), st.integers(0, 20), st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_many_calls_give_the_blocks_of_one(world: World, cursor: int, waits: list[int]) -> None:
    blocks: list[Block] = []
    since, now = at(cursor + 0.5), at(cursor + 0.5)
    for wait in waits:
        now += timedelta(seconds=wait)
        blocks += world.read(since, now)
        since = blocks[-1].end if blocks else since
    assert tuple(blocks) == world.read(at(cursor + 0.5), now)


@given(worlds(), st.integers(1, 90))
def test_blocks_are_gapless_on_the_grid_and_bad_requests_are_requests(world: World, wait: int) -> None:
    blocks = world.read(at(0), at(wait))
    for index, block in enumerate(blocks):
        assert (block.start, block.end) == (at(0) + index * BLOCK, at(0) + (index + 1) * BLOCK)
        assert block.end <= at(wait)
        for counts in block.checks:
            for tally in (counts.canary, counts.stable):
                assert 0 <= tally.bad <= tally.requests
                assert all(count >= 0 for count in tally.buckets)
                assert sum(tally.buckets) in (tally.requests, 0)


@given(st.lists(st.integers(0, 50), min_size=12, max_size=12), st.integers(1, 9))
def test_increments_add_up_to_what_was_counted(steps: list[int], phase: int) -> None:
    samples, total = [], 0.0
    for index, step in enumerate(steps):
        total += step
        samples.append((T - 10 + 2.0 * index + phase / 10, total))
    window = Window(at(-10), at(0), at(14), timedelta(seconds=1), SCRAPE)
    counter = Series("a", Arm.CANARY, Role.GOOD, samples)
    blocks = assemble([counter], CHECKS, window).blocks
    level = {round(at - T, 1): value for at, value in samples}

    def floor_at(second: int) -> int:
        low = max(key for key in level if key <= second)
        high = min(key for key in level if key > second)
        return math.floor(level[low] + (level[high] - level[low]) * (second - low) / (high - low) + 1e-9)

    assert sum(block.canary_requests for block in blocks) == floor_at(len(blocks)) - floor_at(0)


@given(
    st.lists(
        st.builds(
            Series,
            st.sampled_from("ab"),
            st.sampled_from(Arm),
            st.sampled_from(Role),
            st.lists(st.tuples(st.floats(T - 20, T + 60) | st.floats(), st.floats()), max_size=8),
            st.sampled_from([0.1, 0.5, math.inf]),
        ),
        max_size=8,
    )
)
def test_no_samples_whatever_break_it(series: list[Series]) -> None:
    window = Window(at(-20), at(0), at(50), BLOCK, SCRAPE)
    newcomers(series, window)
    for block in assemble(series, CHECKS, window).blocks:
        assert block.canary_requests >= 0
        assert block.stable_requests >= 0
