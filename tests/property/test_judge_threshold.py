"""The threshold judge on whatever counts there may be."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.judge.base import Terms
from controller.domain.judge.counts import Block, CheckCounts, GaugeSample, Tally
from controller.domain.judge.threshold import ThresholdJudge
from controller.domain.policy import Check, CheckKind
from controller.domain.vocabulary import Verdict

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
BOUNDS = (0.1, 0.5, 1.0)

limits = st.none() | st.floats(0, 2)
checks = st.lists(
    st.builds(
        Check,
        name=st.sampled_from(["a", "b", "c"]),
        kind=st.sampled_from([CheckKind.RATIO, CheckKind.QUANTILE, CheckKind.GAUGE]),
        max=limits,
        worse_by_ratio=limits,
        quantile=st.sampled_from([0.5, 0.95, 0.99]),
        failures=st.integers(1, 4),
        critical=st.booleans(),
        report_only=st.booleans(),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda check: check.name,
)
terms = st.builds(Terms, min_requests=st.integers(0, 200), compare=st.booleans())


@st.composite
def tallies(draw: st.DrawFn, kind: CheckKind) -> Tally:
    if kind is CheckKind.QUANTILE:
        buckets = draw(st.tuples(*[st.integers(0, 100)] * (len(BOUNDS) + 1)))
        return Tally(sum(buckets), 0, BOUNDS, buckets) if sum(buckets) else Tally()
    requests = draw(st.integers(0, 300))
    return Tally(requests, draw(st.integers(0, requests)))


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Check], list[Block], Terms]:
    chosen = draw(checks)
    blocks = []
    for number in range(draw(st.integers(0, 6))):
        start = EPOCH + number * timedelta(seconds=5)
        counts = tuple(
            CheckCounts(check.name, draw(tallies(check.kind)), draw(tallies(check.kind)))
            for check in chosen
            if check.kind is not CheckKind.GAUGE
        )
        blocks.append(Block(start, start + timedelta(seconds=5), 0, 0, counts))
    return chosen, blocks, draw(terms)


@given(stories(), st.data())
def test_blocks_folded_together_or_one_by_one_are_the_same(
    story: tuple[list[Check], list[Block], Terms], data: st.DataObject
) -> None:
    chosen, blocks, asked = story
    judge = ThresholdJudge(chosen)
    together = judge.fold(judge.begin(), blocks, [], asked)
    cut = data.draw(st.integers(0, len(blocks)))
    in_two = judge.fold(judge.fold(judge.begin(), blocks[:cut], [], asked), blocks[cut:], [], asked)
    one_by_one = judge.begin()
    for block in blocks:
        one_by_one = ThresholdJudge(chosen).fold(one_by_one, [block], [], asked)
    assert together == in_two == one_by_one
    assert judge.assess(together, asked) == ThresholdJudge(chosen).assess(one_by_one, asked)


@given(stories(), st.lists(st.floats(), max_size=4))
def test_the_state_survives_being_folded_with_nothing(
    story: tuple[list[Check], list[Block], Terms], values: list[float]
) -> None:
    chosen, blocks, asked = story
    judge = ThresholdJudge(chosen)
    gauges = [GaugeSample(check.name, value, value) for check in chosen for value in values]
    state = judge.fold(judge.begin(), blocks, gauges, asked)
    assert judge.fold(state, [], [], asked) == state
    assert "NaN" not in state
    assert "Infinity" not in state


@given(stories())
def test_a_version_without_any_bad_request_never_fails(
    story: tuple[list[Check], list[Block], Terms],
) -> None:
    chosen, blocks, asked = story
    judge = ThresholdJudge([check for check in chosen if check.kind is CheckKind.RATIO])
    good = [
        Block(
            block.start,
            block.end,
            0,
            0,
            tuple(CheckCounts(c.check, Tally(c.canary.requests), c.stable) for c in block.checks),
        )
        for block in blocks
    ]
    assessment = judge.assess(judge.fold(judge.begin(), good, [], asked), asked)
    assert assessment.verdict is not Verdict.FAIL


@given(stories())
def test_nothing_passes_below_the_requests_that_the_step_asks_for(
    story: tuple[list[Check], list[Block], Terms],
) -> None:
    chosen, blocks, asked = story
    judge = ThresholdJudge(chosen)
    for result in judge.assess(judge.fold(judge.begin(), blocks, [], asked), asked).checks:
        if result.verdict is Verdict.PASS:
            assert result.requests >= max(asked.min_requests, 1)
            assert result.value is not None


@given(stories())
def test_only_a_check_that_counts_can_fail_the_rollout_and_every_one_must_pass(
    story: tuple[list[Check], list[Block], Terms],
) -> None:
    chosen, blocks, asked = story
    judge = ThresholdJudge(chosen)
    assessment = judge.assess(judge.fold(judge.begin(), blocks, [], asked), asked)
    counting = [result for result in assessment.checks if not result.report_only]
    if assessment.verdict is Verdict.FAIL:
        assert assessment.blamed in counting
    if assessment.verdict is Verdict.PASS:
        assert all(result.verdict in (Verdict.PASS, Verdict.SKIPPED) for result in counting)


@given(st.integers(1, 5000), st.integers(0, 5000), st.integers(0, 300), st.floats(0, 1))
def test_an_early_fail_stands_however_good_the_missing_requests_are(
    needed: int, requests: int, bad: int, limit: float
) -> None:
    requests, asked = max(min(requests, needed - 1), bad), Terms(needed, compare=False)
    judge = ThresholdJudge([Check("a", CheckKind.RATIO, max=limit, failures=99)])

    def verdict(*tallies: Tally) -> Verdict:
        blocks = [Block(EPOCH, EPOCH, 0, 0, (CheckCounts("a", tally, Tally()),)) for tally in tallies]
        return judge.assess(judge.fold(judge.begin(), blocks, [], asked), asked).checks[0].verdict

    if requests < needed and verdict(Tally(requests, bad)) is Verdict.FAIL:
        assert verdict(Tally(requests, bad), Tally(needed - requests, 0)) is Verdict.FAIL


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_rise_and_agree_with_the_count_above_them(
    buckets: list[int], one: float, two: float
) -> None:
    tally = Tally(sum(buckets), 0, BOUNDS, tuple(buckets))
    low, high = (tally.quantile(q) for q in sorted((one, two)))
    assert (low is None) == (sum(buckets) == 0)
    if low is not None and high is not None:
        assert low <= high <= BOUNDS[-1]
        if high < BOUNDS[-1]:
            assert tally.above(high) <= (1 - max(one, two)) * tally.requests + 1e-6 * tally.requests
