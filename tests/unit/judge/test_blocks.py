"""The edge cases of counters: resets, births, gaps, foreign samples, silence."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from controller.domain.judge.blocks import Assembly, assemble
from controller.domain.judge.counts import Block, Tally
from controller.domain.judge.series import (
    Arm,
    Role,
    Series,
    Window,
    block_length,
    fresh,
    newcomers,
    patience,
    scrape_interval,
)
from controller.domain.policy import Check, CheckKind

T = 1_750_000_000  # a multiple of every block length used here
SECOND = timedelta(seconds=1)
ERRORS = Check("errors", CheckKind.RATIO, max=0.01)
LATENCY = Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99)
GAUGE = Check("gpu", CheckKind.GAUGE, max=1.0, query="gpu")


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(T + seconds, UTC)


def series(
    role: Role,
    samples: Sequence[tuple[float, float]],
    arm: Arm = Arm.CANARY,
    name: str = "a",
    le: float = math.inf,
    measure: str = "",
) -> Series:
    pairs = [(T + second, value) for second, value in samples]
    return Series(name, arm, role, pairs, le, measure=measure)


def steady(count: Callable[[int], float], first: int = -30, last: int = 20) -> list[tuple[float, float]]:
    return [(second, count(second)) for second in range(first, last + 1)]


def pulse(last: int = 20) -> Series:
    return series(Role.PULSE, steady(lambda _: 1, last=last), name="pulse")


def window(server: float = 20, cursor: float = 0, block: timedelta = 5 * SECOND) -> Window:
    return Window(at(-30), at(cursor), at(server), block, SECOND)


def built(*given: Series, server: float = 20, cursor: float = 0) -> Assembly:
    return assemble(given, [ERRORS, LATENCY, GAUGE], window(server, cursor))


def requests(blocks: Sequence[Block]) -> list[int]:
    return [block.canary_requests for block in blocks]


def bad(blocks: Sequence[Block]) -> list[int]:
    return [block.checks[0].canary.bad for block in blocks]


def test_blocks_lie_on_a_fixed_grid_from_the_first_point_after_the_cursor() -> None:
    blocks = built(series(Role.GOOD, steady(lambda s: 10 * s + 1000)), cursor=3.2).blocks
    assert [(block.start, block.end) for block in blocks] == [
        (at(5), at(10)),
        (at(10), at(15)),
        (at(15), at(20)),
    ]
    assert requests(blocks) == [50, 50, 50]


def test_both_versions_cover_the_same_seconds_however_they_are_scraped() -> None:
    canary = series(Role.GOOD, [(s + 0.25, 100 * (s + 0.25) + 9000) for s in range(-30, 21)])
    stable = series(Role.GOOD, [(s + 0.75, 100 * (s + 0.75) + 9000) for s in range(-30, 21)], Arm.STABLE, "b")
    blocks = built(canary, stable, server=21).blocks
    assert [(b.canary_requests, b.stable_requests) for b in blocks] == [(500, 500)] * 4


@pytest.mark.parametrize(
    ("interval", "scrape", "length"),
    [(15, 15, 15), (15, 5, 15), (15, 60, 60), (15, 59.8, 60), (15, 30.2, 30), (1, 1.4, 1), (20, 30, 40)],
)
def test_a_block_is_no_shorter_than_a_scrape(interval: float, scrape: float, length: float) -> None:
    assert block_length(interval * SECOND, scrape * SECOND) == length * SECOND


def test_blocks_that_are_longer_than_the_grid_go_on_from_the_cursor() -> None:
    good = series(Role.GOOD, steady(lambda s: 10 * s + 1000))
    whole = replace(window(), block=10 * SECOND, grid=5 * SECOND)
    found = assemble([good], [ERRORS], replace(whole, cursor=at(3))).blocks
    assert [(block.start, block.end) for block in found] == [(at(5), at(15))]
    longer = assemble([good], [ERRORS], replace(whole, cursor=found[-1].end, block=5 * SECOND)).blocks
    assert [(block.start, block.end) for block in longer] == [(at(15), at(20))]


def test_interpolated_counts_are_whole_and_add_up() -> None:
    blocks = built(series(Role.GOOD, [(-1, 0), (1.5, 1), (6.1, 4), (13, 5), (20, 9)], name="x")).blocks
    assert requests(blocks) == [3, 1, 2, 3]
    assert sum(requests(blocks)) == 9


def test_edge_case_1_a_counter_reset_counts_from_zero_and_is_told() -> None:
    restarted = steady(lambda s: 1000 + 10 * s if s < 7 else 10 * (s - 7) + 4)
    found = built(series(Role.GOOD, restarted))
    assert requests(found.blocks) == [50, 10 + 4 + 30, 50, 50]
    assert found.warnings == ("1 counter resets",)


def test_edge_case_1_a_reset_is_told_by_the_reading_whose_blocks_have_it() -> None:
    told = []
    for cursor, server in ((0, 14), (10, 20)):
        seen = steady(lambda s: 1000 + 10 * s if s < 12 else 10 * (s - 12), last=server)
        told.append(built(series(Role.GOOD, seen), server=server, cursor=cursor).warnings)
    assert told == [(), ("1 counter resets",)]


def test_edge_case_1_a_reset_of_one_bucket_is_a_reset_of_the_histogram() -> None:
    low = series(Role.BUCKET, [(-8, 90), (-1, 100), (6, 20), (10, 20)], le=0.1)
    high = series(Role.BUCKET, [(-8, 95), (-1, 105), (6, 130), (10, 130)])
    (first, second) = built(low, high, server=10).blocks
    counts = [block.checks[1].canary for block in (first, second)]
    assert sum(tally.buckets[0] for tally in counts) == 20 - 20 // 7
    assert sum(tally.buckets[1] for tally in counts) == 110 - 110 // 7


def test_edge_case_2_the_first_increment_of_a_newborn_series_is_counted() -> None:
    good = series(Role.GOOD, steady(lambda s: 100 * s + 10_000))
    errors = series(Role.BAD, steady(lambda _: 60, first=8), name="5xx")
    blocks = built(good, errors, pulse()).blocks
    assert bad(blocks) == [0, 60, 0, 0]
    assert requests(blocks) == [500, 560, 500, 500]


def test_edge_case_2_the_very_first_traffic_is_counted_where_the_target_was_scraped_before() -> None:
    errors = series(Role.BAD, steady(lambda _: 60, first=8), name="5xx")
    assert bad(built(errors, pulse()).blocks) == [0, 60, 0, 0]


def test_each_measure_is_counted_by_itself() -> None:
    checks = [
        ERRORS,
        replace(ERRORS, name="cut", measure="cut"),
        replace(LATENCY, name="wait", measure="wait"),
    ]
    given = [
        series(Role.GOOD, steady(lambda s: 100 * s + 9000)),
        series(Role.ALL, steady(lambda s: 8 * s + 900), measure="cut"),
        series(Role.BAD, steady(lambda s: 2 * s + 900), measure="cut"),
        series(Role.BUCKET, steady(lambda s: 3 * s + 900), le=0.1),
        series(Role.BUCKET, steady(lambda s: 5 * s + 900)),
        series(Role.BUCKET, steady(lambda s: 6 * s + 900), le=0.2, measure="wait"),
        series(Role.BUCKET, steady(lambda s: 7 * s + 900), measure="wait"),
    ]
    for block in assemble(given, checks, window()).blocks:
        errors, cut, wait = (each.canary for each in block.checks)
        assert block.canary_requests == errors.requests == 500
        assert (errors.bad, cut.requests, cut.bad) == (0, 40, 10)
        assert (wait.bounds, wait.buckets) == ((0.2,), (30, 5))


def test_a_bad_one_that_shows_before_all_of_them_is_one_of_them() -> None:
    late = series(Role.ALL, steady(lambda s: 900 if s < 12 else 910), measure="cut")
    bad_ones = series(Role.BAD, steady(lambda s: 900 if s < 7 else 904), measure="cut")
    cut = replace(ERRORS, measure="cut")
    tallies = [b.checks[0].canary for b in assemble([late, bad_ones], [cut], window()).blocks]
    assert [(tally.requests, tally.bad) for tally in tallies] == [(0, 0), (4, 4), (10, 0), (0, 0)]


def test_a_series_that_merely_enters_the_window_is_not_born() -> None:
    old = series(Role.BAD, steady(lambda _: 5000, first=-24), name="5xx")
    assert bad(built(old, pulse()).blocks) == [0, 0, 0, 0]


def test_nothing_is_born_when_recording_itself_began_late() -> None:
    late = series(Role.GOOD, steady(lambda s: 1_000_000 + s, first=8))
    errors = series(Role.BAD, steady(lambda _: 5000, first=9), name="5xx")
    blocks = built(late, errors).blocks
    assert bad(blocks) == [0, 0, 0, 0]
    assert requests(blocks) == [0, 2, 5, 5]


def test_a_series_that_was_missing_in_a_scrape_of_its_target_is_born_even_if_recording_began_late() -> None:
    late = series(Role.GOOD, steady(lambda s: 1_000_000 + s, first=8))
    errors = series(Role.BAD, steady(lambda _: 5000, first=9), name="5xx")
    blocks = built(replace(late, target="gateway"), replace(errors, target="gateway")).blocks
    assert bad(blocks) == [0, 5000, 0, 0]
    assert requests(blocks) == [0, 5002, 5, 5]


def test_a_series_whose_first_sample_is_no_count_is_not_born_with_its_second() -> None:
    good = series(Role.GOOD, steady(lambda s: s + 1000))
    odd = series(Role.BAD, steady(lambda s: math.nan if s < 3 else 5000), name="5xx")
    blocks = built(replace(good, target="gateway"), replace(odd, target="gateway")).blocks
    assert bad(blocks) == [0, 0, 0, 0]


def test_a_returning_series_counts_from_the_value_put_in_front_of_it() -> None:
    back = series(Role.BAD, [(-30, 4990), *steady(lambda s: 5000 + s, first=8)], name="5xx")
    assert bad(built(back, pulse()).blocks) == [0, 20, 5, 5]


def test_late_series_are_newcomers_once_one_comes_after_the_cursor() -> None:
    old = series(Role.GOOD, steady(lambda s: s))
    before = series(Role.GOOD, steady(lambda s: s, first=-2), name="before")
    new = series(Role.BAD, steady(lambda s: s, first=2), name="new")
    assert newcomers([old, before, new, pulse()], window()) == (before, new)
    assert newcomers([old, before, pulse()], window()) == ()


def test_edge_case_3_a_missing_scrape_closes_the_block_late() -> None:
    counter = steady(lambda s: 10 * s + 1000, last=9)
    assert requests(built(series(Role.GOOD, counter), pulse(), server=12).blocks) == [50]
    back = [*counter, (13, 1130)]
    assert requests(built(series(Role.GOOD, back), pulse(), server=13).blocks) == [50, 50]


def test_edge_case_3_a_silent_series_is_frozen_and_no_longer_waited_for() -> None:
    silent = series(Role.GOOD, steady(lambda s: 10 * s + 1000, last=7))
    other = series(Role.GOOD, steady(lambda s: 10 * s + 1000), Arm.STABLE, "b")
    patient = built(silent, other, server=14.5).blocks
    assert requests(patient) == [50]
    frozen = built(silent, other).blocks
    assert [(b.canary_requests, b.stable_requests) for b in frozen] == [(50, 50), (20, 50), (0, 50), (0, 50)]


def test_edge_case_3_what_a_frozen_series_brings_back_counts_when_it_returns() -> None:
    gap = [*steady(lambda s: 10 * s + 1000, last=-4), (8, 1080), (9, 1090)]
    silent = series(Role.GOOD, [*gap, *steady(lambda s: 10 * s + 1000, first=10)])
    assert requests(built(silent, pulse()).blocks) == [0, 100 + 40, 50, 50]


def test_edge_case_3_no_block_closes_after_the_last_sample_of_all() -> None:
    early = series(Role.GOOD, steady(lambda s: s, last=2))
    late = series(Role.GOOD, steady(lambda s: s, last=9), Arm.STABLE, "b")
    assert built(early, server=30).blocks == ()
    assert [block.end for block in built(early, late, server=30).blocks] == [at(5)]
    assert built().blocks == ()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 1e300])
def test_edge_case_4_values_that_are_not_counts_are_ignored_and_told(value: float) -> None:
    samples = steady(lambda s: value if s == 6 else 10 * s + 1000)
    found = built(series(Role.GOOD, samples))
    assert requests(found.blocks) == [50, 50, 50, 50]
    assert found.warnings == ("1 samples that are not a count were ignored",)


@pytest.mark.parametrize("odd", [(6, 1500), (4.5, 900), (900, 2000), (math.nan, 3)])
def test_edge_case_4_duplicate_and_disordered_samples_are_ignored_and_told(odd: tuple[float, float]) -> None:
    samples = steady(lambda s: 10 * s + 1000)
    samples.insert(samples.index((6, 1060)) + 1, odd)
    found = built(series(Role.GOOD, samples))
    assert requests(found.blocks) == [50, 50, 50, 50]
    assert len(found.warnings) == 1


def test_edge_case_4_a_fault_before_the_cursor_was_told_before() -> None:
    samples = steady(lambda s: math.nan if s == -3 else 10 * s + 1000)
    assert built(series(Role.GOOD, samples)).warnings == ()


def test_edge_case_4_the_same_call_twice_gives_the_same_blocks() -> None:
    counter = series(Role.GOOD, steady(lambda s: 7 * s + 1000))
    assert built(counter, pulse()) == built(counter, pulse())


def test_edge_case_5_blocks_without_requests_are_blocks_with_empty_tallies() -> None:
    blocks = built(pulse()).blocks
    assert len(blocks) == 4
    assert {block.checks[1].canary for block in blocks} == {Tally()}
    assert [(block.canary_requests, block.stable_requests) for block in blocks] == [(0, 0)] * 4


def test_buckets_are_counted_each_by_itself_with_the_unmeasured_above_the_last_bound() -> None:
    histogram = [
        series(Role.BUCKET, steady(lambda s: 2 * s + 100), le=0.1, name="h"),
        series(Role.BUCKET, steady(lambda s: 3 * s + 150), le=0.5, name="h"),
        series(Role.BUCKET, steady(lambda s: 3 * s + 150), name="h"),
    ]
    timeouts = series(Role.BEYOND, steady(lambda s: s + 50), name="t")
    blocks = built(*histogram, timeouts).blocks
    assert {block.checks[1].canary for block in blocks} == {
        Tally(requests=20, bounds=(0.1, 0.5), buckets=(10, 5, 5))
    }


def test_timeouts_alone_are_read_with_the_bounds_of_the_other_version() -> None:
    histogram = [
        series(Role.BUCKET, steady(lambda s: s + 100), Arm.STABLE, "h", le) for le in (0.1, math.inf)
    ]
    timeouts = series(Role.BEYOND, steady(lambda s: s + 50), name="t")
    first = built(*histogram, timeouts).blocks[0].checks[1]
    assert first.canary == Tally(requests=5, bounds=(0.1,), buckets=(0, 5))
    assert built(timeouts).blocks[0].checks[1].canary == Tally()


def test_copies_with_different_buckets_are_added_up_over_the_bounds_they_share() -> None:
    def copy(name: str, bounds: Sequence[float]) -> list[Series]:
        return [series(Role.BUCKET, steady(lambda s: s + 100), le=bound, name=name) for bound in bounds]

    given = [*copy("a", [0.1, 0.2, math.inf]), *copy("b", [0.2, 0.4, math.inf])]
    tally = built(*given).blocks[0].checks[1].canary
    assert (tally.bounds, tally.buckets) == ((0.2,), (10, 0))


def test_a_histogram_with_falling_or_missing_buckets_is_ignored_and_told() -> None:
    low = series(Role.BUCKET, steady(lambda s: 9999 if s == 3 else s + 100), le=0.1)
    high = series(Role.BUCKET, [pair for pair in steady(lambda s: s + 100) if pair[0] != 4])
    found = built(low, high)
    assert [block.checks[1].canary.requests for block in found.blocks] == [5, 5, 5, 5]
    assert found.warnings == ("1 histogram samples with missing or falling buckets were ignored",)
    assert built(low).warnings == ("histograms without a last bucket were ignored",)


def test_gauges_have_no_counts() -> None:
    assert [count.check for count in built(pulse()).blocks[0].checks] == ["errors", "latency_p99"]


def test_the_scrape_interval_is_the_usual_time_between_samples() -> None:
    assert scrape_interval([]) is None
    assert scrape_interval([series(Role.GOOD, [(0, 1)])]) is None
    assert scrape_interval([series(Role.GOOD, [(0, 1), (15.01, 2)])]) == 15 * SECOND
    gap = series(Role.GOOD, [(0, 1), (1, 1), (61, 2), (62, 2)])
    lone = series(Role.GOOD, [(0, 1), (60, 1)])
    assert scrape_interval([gap, lone]) == SECOND
    slow = series(Role.GOOD, [(0, 1), (60, 2), (120, 2)])
    assert scrape_interval([gap, slow]) == 60 * SECOND


def test_series_are_fresh_while_a_usable_sample_is_younger_than_the_patience() -> None:
    assert patience(SECOND) == timedelta(seconds=7.5)
    assert fresh([series(Role.GOOD, [(12.5, 1)])], window())
    assert not fresh([series(Role.GOOD, [(12.4, 1)])], window())
    assert not fresh([series(Role.GOOD, [(19, math.nan)])], window())
    assert not fresh([], window())
