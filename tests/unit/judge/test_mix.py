"""A difference in the lengths of prompts or answers: when it is shown, and what it sets aside."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from controller.domain.judge import judge_of
from controller.domain.judge.base import Assessment, CheckResult, MixShown, Terms
from controller.domain.judge.counts import Block, CheckCounts, Tally
from controller.domain.judge.memory import dump, load
from controller.domain.judge.mix import TokenMix, mean_tokens, mix_checks, mixes_after
from controller.domain.measures import Level
from controller.domain.policy import Check, CheckKind, Policy
from controller.domain.reporting import details
from controller.domain.vocabulary import Reason, Verdict
from controller.domain.wording import sentence
from tests.fakes import EPOCH, a_policy

SECONDS = timedelta(seconds=15)
TIMES = (0.5, 1.0, 2.0, 4.0, 8.0)
TOKENS = (10.0, 50.0, 100.0, 500.0, 1000.0)
LATENCY = Check("latency_p95", CheckKind.QUANTILE, worse_by_ratio=0.2, quantile=0.95)
LIMITED = replace(LATENCY, max=8.0)
TTFT = Check("ttft_p95", CheckKind.QUANTILE, worse_by_ratio=0.2, quantile=0.95, measure="ttft")
TERMS = Terms(min_requests=1, compare=True, final=True, share=0.5)


def policy(*checks: Check) -> Policy:
    return a_policy(checks=checks, judge="sequential", warm_up_requests=1)


def histogram(values: Sequence[float], bounds: Sequence[float]) -> Tally:
    buckets = [0] * (len(bounds) + 1)
    for value in values:
        buckets[sum(value > bound for bound in bounds)] += 1
    return Tally(len(values), bounds=tuple(bounds), buckets=tuple(buckets))


class Scene:
    """Requests whose time grows with their tokens; ``longer`` times as many of the canary's."""

    def __init__(self, longer: float = 1.0, slower: float = 1.0, late: float = 1.0) -> None:
        self.dice = Random(7)
        self.longer, self.slower, self.late = longer, slower, late

    def arm(self, requests: int, longer: float, slower: float, late: float) -> tuple[Tally, Tally, Tally]:
        tokens = [longer * self.dice.lognormvariate(5.0, 0.8) for _ in range(requests)]
        first = [late * self.dice.lognormvariate(-0.7, 0.5) for _ in range(requests)]
        times = [slower * (0.1 + each / 150) for each in tokens]
        return histogram(times, TIMES), histogram(first, TIMES), histogram(tokens, TOKENS)

    def blocks(self, count: int, *, tokens: bool = True) -> list[Block]:
        found = []
        for number in range(count):
            canary, stable = self.arm(300, self.longer, self.slower, self.late), self.arm(300, 1, 1, 1)
            names = ["latency_p95", "ttft_p95", *(["output_tokens"] if tokens else [])]
            counts = tuple(map(CheckCounts, names, canary, stable))
            start = EPOCH + number * SECONDS
            found.append(Block(start, start + SECONDS, 300, 300, counts))
        return found


def judged(rules: Policy, blocks: Sequence[Block], terms: Terms = TERMS) -> Assessment:
    judge = judge_of(rules)
    state = judge.begin()
    for block in blocks:  # one at a time, through the text of the state, as passes do
        state = judge.fold(state, [block], (), terms)
    return judge.assess(state, terms)


def row(assessment: Assessment, name: str) -> CheckResult:
    return next(each for each in assessment.checks if each.name == name)


def test_a_good_canary_with_longer_answers_would_be_rolled_back_if_nobody_counted_tokens() -> None:
    blind = judged(policy(LATENCY, TTFT), Scene(longer=1.6).blocks(40, tokens=False))
    assert blind.verdict is Verdict.FAIL
    assert blind.blamed is not None
    assert blind.blamed.name == "latency_p95"


def test_with_longer_answers_whole_latency_says_nothing_and_the_first_token_decides() -> None:
    assessment = judged(policy(LATENCY, TTFT), Scene(longer=1.6).blocks(40))
    latency = row(assessment, "latency_p95")
    assert (latency.verdict, latency.reason) == (Verdict.UNKNOWN, Reason.TOKEN_MIX_DIFFERS)
    assert row(assessment, "ttft_p95").reason is Reason.SHOWN_GOOD
    assert assessment.verdict is Verdict.PASS
    assert latency.mix is not None
    assert latency.mix.tokens is Level.OUTPUT_TOKENS
    said = sentence(LATENCY, latency)
    assert "says nothing of the version: the canary's answers have about" in said
    assert f"{latency.mix.canary_mean:,.0f} tokens, stable's {latency.mix.stable_mean:,.0f}" in said
    assert latency.mix.canary_mean == pytest.approx(1.6 * latency.mix.stable_mean, rel=0.15)
    assert "whole answers are not compared with stable's" in details(LATENCY, latency)[0]


def test_a_canary_that_is_late_with_its_first_token_is_rolled_back_whatever_the_mix() -> None:
    assessment = judged(policy(LATENCY, TTFT), Scene(longer=1.6, late=2.0).blocks(40))
    assert assessment.verdict is Verdict.FAIL
    assert assessment.blamed is not None
    assert assessment.blamed.name == "ttft_p95"


def test_shorter_answers_do_not_hide_a_slow_version() -> None:
    assessment = judged(policy(LATENCY), Scene(longer=0.6, slower=1.5).blocks(40))
    assert row(assessment, "latency_p95").reason is Reason.TOKEN_MIX_DIFFERS


def test_where_nothing_else_decides_the_weight_holds() -> None:
    assessment = judged(policy(LATENCY), Scene(longer=1.6).blocks(40))
    assert assessment.verdict is Verdict.UNKNOWN
    reported = judged(policy(LATENCY, replace(TTFT, report_only=True)), Scene(longer=1.6).blocks(40))
    assert reported.verdict is Verdict.UNKNOWN


def test_a_limit_of_its_own_still_counts() -> None:
    broken = judged(policy(LIMITED, TTFT), Scene(longer=8.0).blocks(40))
    assert broken.verdict is Verdict.FAIL
    assert broken.blamed is not None
    assert (broken.blamed.name, broken.blamed.reason) == ("latency_p95", Reason.ABOVE_LIMIT)
    kept = judged(policy(LIMITED, TTFT), Scene(longer=1.3).blocks(60))
    assert row(kept, "latency_p95").reason is Reason.TOKEN_MIX_DIFFERS
    assert kept.verdict is Verdict.PASS


def test_equal_mixes_are_compared_as_ever() -> None:
    good = judged(policy(LATENCY, TTFT), Scene().blocks(40))
    assert row(good, "latency_p95").mix is None
    assert good.verdict is Verdict.PASS
    slow = judged(policy(LATENCY, TTFT), Scene(slower=1.6).blocks(40))
    assert slow.verdict is Verdict.FAIL
    assert slow.blamed is not None
    assert slow.blamed.name == "latency_p95"


def test_few_requests_show_no_difference() -> None:
    assert row(judged(policy(LATENCY), Scene(longer=1.6).blocks(1)), "latency_p95").mix is None


def test_without_stable_there_is_nothing_to_differ_from() -> None:
    alone = replace(TERMS, compare=False, share=1.0)
    assert row(judged(policy(LIMITED), Scene(longer=1.6).blocks(30), alone), "latency_p95").mix is None


def test_the_same_requests_are_said_to_differ_by_chance_in_one_rollout_of_twenty_at_most() -> None:
    dice = Random(3)
    wrong = 0
    for _ in range(60):
        mix = TokenMix()
        for _ in range(40):
            arms = [
                histogram([dice.lognormvariate(5, 0.8) for _ in range(60)], TOKENS)
                for _ in ("canary", "stable")
            ]
            mix = mix.after(CheckCounts("output_tokens", *arms))
            if mix.differs(0.0):
                wrong += 1
                break
    assert wrong <= 3 + 4  # one in twenty, and four standard errors


def test_a_histogram_with_other_bounds_begins_anew() -> None:
    counts = CheckCounts("output_tokens", histogram([5] * 200, TOKENS), histogram([70] * 200, TOKENS))
    mix = TokenMix().after(counts).after(counts)
    assert mix.differs(0.2)
    other = CheckCounts("output_tokens", histogram([5] * 200, (8.0,)), histogram([5] * 200, (8.0,)))
    assert not mix.after(other).differs(0.2)
    unlike = CheckCounts("output_tokens", histogram([5] * 200, (8.0,)), histogram([70] * 200, TOKENS))
    assert not TokenMix().after(unlike).after(unlike).differs(0.2)


def test_what_is_remembered_reads_back_the_same_and_older_memories_have_no_mix() -> None:
    rules = policy(LATENCY)
    judge = judge_of(rules)
    state = judge.fold(judge.begin(), Scene(longer=1.6).blocks(8), (), TERMS)
    memory = load(state)
    assert memory is not None
    assert memory.mixes
    assert dump(memory) == state
    assert load(dump(memory)) == memory
    older = load(state.replace('"mixes"', '"unknown"'))
    assert older == replace(memory, mixes={})


def test_tokens_are_counted_only_where_whole_answers_are_compared() -> None:
    assert [each.name for each in mix_checks(policy(LATENCY))] == ["prompt_tokens", "output_tokens"]
    assert not mix_checks(policy(replace(LATENCY, worse_by_ratio=None, max=1.0)))
    assert not mix_checks(policy(TTFT))


def test_a_kind_of_token_that_nobody_counts_has_no_mix() -> None:
    empty = CheckCounts("prompt_tokens", Tally(), Tally())
    assert mixes_after({}, {"prompt_tokens": empty, "errors": empty}) == {}


def test_the_mean_is_that_of_the_buckets_middles() -> None:
    assert mean_tokens(Tally(4, bounds=(10.0, 30.0), buckets=(1, 2, 1))) == pytest.approx(
        (5 + 20 + 20 + 30) / 4
    )
    assert mean_tokens(Tally()) == 0


def test_a_difference_is_told_of_prompts_too() -> None:
    result = CheckResult(
        "latency_p95",
        Verdict.UNKNOWN,
        Reason.TOKEN_MIX_DIFFERS,
        value=2.0,
        mix=MixShown(Level.PROMPT_TOKENS, 1234.0, 80.4),
    )
    assert sentence(LATENCY, result) == (
        "latency_p95 2000ms says nothing of the version: "
        "the canary's prompts have about 1,234 tokens, stable's 80"
    )
