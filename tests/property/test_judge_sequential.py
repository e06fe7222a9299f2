"""The sequential judge on whatever counts there may be."""

import tracemalloc
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from controller.domain.judge.base import Assessment, Terms
from controller.domain.judge.calibration import CheckHistory
from controller.domain.judge.counts import Block, GaugeSample, Tally
from controller.domain.judge.memory import RECENT_BLOCKS, Memory, dump, load
from controller.domain.judge.sequential import SequentialJudge
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Check, CheckKind, JudgeRules, Policy
from controller.domain.trials import Pairs, Score, TrialSeen
from controller.domain.vocabulary import Reason, Verdict
from tests.judge_scenes import a_block, errors, judged, p99, past, strength, took

LAYOUTS = ((0.1, 0.5, 1.0), (0.1, 0.25, 0.5, 1.0), (20.0, 40.0), (0.3,))
COUNTS = st.integers(0, 20) | st.integers(0, 10_000_000)

limits = st.none() | st.floats(0, 2)
checks = st.lists(
    st.builds(
        Check,
        name=st.sampled_from(["a", "b", "c"]),
        kind=st.sampled_from(CheckKind),
        max=limits,
        min=st.none() | st.floats(0.01, 0.99),
        worse_by_ratio=limits,
        worse_by_points=st.none() | st.floats(0, 0.5),
        quantile=st.sampled_from([0.5, 0.95, 0.99]),
        failures=st.integers(1, 4),
        report_only=st.booleans(),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda check: check.name,
)
rules = st.builds(JudgeRules, st.sampled_from([0.9, 0.99, 0.9999]), st.integers(1, 100), st.floats(1.1, 3))
histories = st.builds(
    CheckHistory,
    st.sampled_from(["a", "b", "c"]),
    icc=st.floats(0, 1),
    shares=st.sampled_from([(), ((0.1, 0.4), (0.5, 0.01), (1.0, 0.0)), ((7.0, 0.5),)]),
)
calibrations = st.none() | st.builds(
    past, st.floats(0, 1e5), histories, pods=st.integers(0, 4), minutes=st.integers(0, 90)
)
terms = st.builds(
    Terms,
    min_requests=st.just(0),
    compare=st.booleans(),
    final=st.booleans(),
    share=st.floats(0, 1),
    calibration=calibrations,
)


@st.composite
def tallies(draw: st.DrawFn, kind: CheckKind) -> Tally:
    if kind.in_buckets:
        bounds = draw(st.sampled_from(LAYOUTS))
        buckets = tuple(draw(st.lists(COUNTS, min_size=len(bounds) + 1, max_size=len(bounds) + 1)))
        return Tally(sum(buckets), 0, bounds, buckets) if sum(buckets) else Tally()
    requests = draw(COUNTS)
    return Tally(requests, draw(st.integers(0, requests)))


@st.composite
def scores(draw: st.DrawFn) -> Score | None:
    n = draw(st.integers(1, 10**6))
    return draw(st.none() | st.builds(Score, st.just(n), st.floats(0, n)))


@st.composite
def trials(draw: st.DrawFn, policy: Policy) -> list[TrialSeen]:
    """Of some of the scores, whatever they bring."""
    found = []
    for check in policy.checks:
        if check.kind is CheckKind.SCORE and draw(st.booleans()):
            n, canary, stable = draw(st.integers(0, 500)), draw(scores()), draw(scores())
            only = draw(st.integers(0, n))
            pairs = draw(st.none() | st.builds(Pairs, st.just(n), st.just(only), st.integers(0, n - only)))
            problem = draw(st.sampled_from(["", "connection refused"]))
            found.append(TrialSeen(check.name, 1, canary, stable, pairs, problem))
    return found


Story = tuple[Policy, list[Block], Terms]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    chosen = draw(checks)
    counted = [check for check in chosen if check.kind.in_blocks]
    blocks = [
        a_block(
            number,
            **{check.name: (draw(tallies(check.kind)), draw(tallies(check.kind))) for check in counted},
        )
        for number in range(draw(st.integers(0, 10)))
    ]
    return judged(*chosen, judge_rules=draw(rules)), blocks, draw(terms)


def folded(policy: Policy, blocks: list[Block], asked: Terms) -> tuple[str, Assessment]:
    judge = SequentialJudge(policy)
    state = judge.fold(judge.begin(), blocks, [], asked)
    return state, judge.assess(state, asked)


@given(stories())
def test_a_state_restored_after_every_block_gives_the_same_evidence_to_the_last_bit(story: Story) -> None:
    policy, blocks, asked = story
    through, restored = SequentialJudge(policy).begin(), SequentialJudge(policy).begin()
    assert through == restored
    judge = SequentialJudge(policy)
    for block in blocks:
        through = judge.fold(through, [block], [], asked)
        restored = dump(
            remembered(SequentialJudge(policy).fold(dump(remembered(restored)), [block], [], asked))
        )
        assert restored == through
        assert SequentialJudge(policy).assess(restored, asked) == judge.assess(through, asked)


@given(stories(), st.data())
def test_blocks_in_one_poll_or_in_several_are_the_same(story: Story, data: st.DataObject) -> None:
    policy, blocks, asked = story
    judge, cut = SequentialJudge(policy), data.draw(st.integers(0, len(blocks)))
    in_two = judge.fold(judge.fold(judge.begin(), blocks[:cut], [], asked), blocks[cut:], [], asked)
    assert (in_two, judge.assess(in_two, asked)) == folded(policy, blocks, asked)


@given(stories(), st.lists(st.floats(), max_size=3), st.data())
def test_whatever_is_counted_there_is_a_verdict_and_every_number_is_one(
    story: Story, values: list[float], data: st.DataObject
) -> None:
    policy, blocks, asked = story
    judge = SequentialJudge(policy)
    state, named = judge.begin(), [check.name for check in policy.checks]
    for block in blocks:
        if data.draw(st.booleans()):
            state = judge.at_new_weight(state)
        state = judge.fold(state, [block], [GaugeSample(n, v, v) for n in named for v in values], asked)
        state = judge.tried(state, data.draw(trials(policy)))
    found = judge.assess(state, asked)
    assert "NaN" not in state
    assert "Infinity" not in state
    assert [result.name for result in found.checks] == named
    assert 0 <= found.ceiling_permille <= FULL_WEIGHT_PERMILLE
    assert (found.held is None) == (found.ceiling_permille == FULL_WEIGHT_PERMILLE)
    for result in found.checks:
        if result.strength is not None:
            assert 0 <= result.strength.against < float("inf")
            assert result.strength.design_effect >= 1
            assert all(-1 <= edge <= 1 for edge in result.strength.difference or ())
            assert all(0 <= edge < float("inf") for edge in result.strength.interval or ())


@given(stories())
def test_only_a_check_that_counts_can_fail_the_rollout_and_every_one_must_pass(story: Story) -> None:
    policy, blocks, asked = story
    _, found = folded(policy, blocks, asked)
    counting = [result for result in found.checks if not result.report_only]
    if found.verdict is Verdict.FAIL:
        assert found.blamed in counting
        assert found.blamed is not None
        assert found.blamed.verdict is Verdict.FAIL
    if found.verdict is Verdict.PASS:
        assert all(result.verdict in (Verdict.PASS, Verdict.SKIPPED) for result in counting)


@given(stories())
def test_checks_that_only_report_change_nothing_for_the_others(story: Story) -> None:
    policy, blocks, asked = story
    deciding = tuple(check for check in policy.checks if not check.report_only)
    _, found = folded(policy, blocks, asked)
    _, without = folded(replace(policy, checks=deciding), blocks, asked)
    assert (found.verdict, found.blamed, found.ceiling_permille) == (
        without.verdict,
        without.blamed,
        without.ceiling_permille,
    )


def remembered(state: str) -> Memory:
    found = load(state)
    assert found is not None
    return found


@given(stories(), st.integers(1, 5))
def test_blocks_without_any_request_say_nothing(story: Story, count: int) -> None:
    """Only the traffic of the last minute is then less, and with it the ceiling."""
    policy, blocks, asked = story
    judge = SequentialJudge(policy)
    counted = [check for check in policy.checks if check.kind is not CheckKind.GAUGE]
    empty = a_block(20, **{check.name: (Tally(), Tally()) for check in counted})
    before = remembered(judge.fold(judge.begin(), blocks, [], asked))
    after = remembered(judge.fold(dump(before), [empty] * count, [], asked))
    for name, check in before.checks.items():
        if check.known is not None and not check.wait:
            assert [each.favour for each in after.checks[name].contests] == [e.favour for e in check.contests]
            assert [each.against for each in after.checks[name].contests] == [
                e.against for e in check.contests
            ]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 4000), st.integers(0, 40)), max_size=40))
def test_a_canary_with_stables_bad_share_or_a_smaller_one_has_no_evidence_against_it(
    rows: list[tuple[int, int, int]],
) -> None:
    """Block by block: whatever stable does meanwhile."""
    blocks = []
    for number, (canary, stable, bad) in enumerate(rows):
        stable_bad = min(bad * 10, stable)
        share = stable_bad / stable if stable else 0.0
        tally = Tally(canary, int(canary * share))
        blocks.append(a_block(number, errors=(tally, Tally(stable, stable_bad))))
    policy = judged(errors(max=0.01, worse_by_points=0.005))
    _, found = folded(policy, blocks, Terms(0, compare=True, calibration=past()))
    assert found.held is not Reason.EVIDENCE_AGAINST
    if found.checks[0].strength is not None:
        assert strength(found).against <= 1 + 1e-9


def lengths(count: int) -> list[int]:
    """Of the state after each of so many blocks, with traffic that changes all the time."""
    policy = judged(errors(max=0.01), p99(max=0.5, worse_by_ratio=0.2))
    judge, asked = SequentialJudge(policy), Terms(0, compare=True, calibration=past())
    state, found = judge.begin(), []
    for number in range(count):
        slow = took(900 + number % 7, 80, 15 + number % 5, 4, number % 2)
        block = a_block(number, errors=(Tally(100 + number % 9, number % 3), Tally(900, 8)), p99=(slow, slow))
        state = judge.fold(state, [block], [], asked)
        found.append(len(state))
    assert len(remembered(state).traffic) == RECENT_BLOCKS
    return found


def test_the_state_stays_small_over_a_thousand_blocks() -> None:
    found = lengths(1000)
    assert max(found[100:]) < 1.2 * found[100]
    assert max(found) < 10_000


def test_ten_thousand_blocks_are_folded_in_constant_memory() -> None:
    judge, asked = SequentialJudge(judged(errors(max=0.01))), Terms(0, compare=True, calibration=past())
    block = a_block(errors=(Tally(100, 1), Tally(900, 9)))
    state = judge.fold(judge.begin(), [block] * 1000, [], asked)
    after_a_thousand = len(state)
    tracemalloc.start()
    try:
        state = judge.fold(state, [block] * 500, [], asked)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    state = judge.fold(state, [block] * 8500, [], asked)
    assert peak < 100_000
    assert abs(len(state) - after_a_thousand) < 100
