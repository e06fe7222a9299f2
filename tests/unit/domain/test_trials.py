"""Trials of a rollout: when they are due, that each counts once, and what follows from them."""

from dataclasses import replace

import pytest

from controller.domain.machine import decide
from controller.domain.model import CommandKind
from controller.domain.observation import NoReading
from controller.domain.planning import plan
from controller.domain.policy import Check, CheckKind, Fallback
from controller.domain.sampling import counting
from controller.domain.trials import Sampling, Score, TrialSeen
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.domain_checker import judge
from tests.domain_facts import Crash
from tests.domain_scenes import ERRORS, a_step, a_world, newest, oldest, once, reach, seconds
from tests.domain_world import World

ACCURACY = Check(
    "accuracy",
    CheckKind.SCORE,
    worse_by_points=0.05,
    failures=1,
    sampling=Sampling("labels.yaml", every=seconds(30)),
)
LONG = (a_step(50, hold=seconds(1200), deadline=seconds(7200)),)
COUNTED = replace(ERRORS, failures=1)


def world(check: Check = ACCURACY, **changes: object) -> World:
    usual = {"steps": LONG, "checks": (COUNTED, check), "judge": "sequential", "bake": seconds(900)}
    return a_world(**{**usual, **changes})


def sampled(world: World) -> int:
    """How many trials were opened."""
    return max((trial.number for trial in oldest(world).trials), default=0)


def test_a_trial_stands_in_the_record_before_anybody_is_asked() -> None:
    this = world()
    reach(this, Phase.PROGRESSING)
    assert not plan(oldest(this)).trials
    while not oldest(this).trials:
        once(this)
    (trial,) = plan(oldest(this)).trials
    assert (trial.check, trial.number, trial.open) == ("accuracy", 1, True)
    assert not oldest(this).evidence.checks or oldest(this).evidence.checks[1].requests == 0
    once(this)
    assert oldest(this).evidence.checks[1].requests == 50
    assert not plan(oldest(this)).trials


def test_trials_follow_each_other_as_the_policy_says_and_end_with_their_number() -> None:
    this = world(replace(ACCURACY, sampling=Sampling("labels.yaml", every=seconds(60), trials=4)))
    reach(this, Phase.PROGRESSING)
    this.live(seconds=130)
    assert sampled(this) in (2, 3)
    this.live(seconds=1000)
    assert sampled(this) == 4
    assert oldest(this).evidence.checks[1].requests == 200


def test_people_are_told_when_no_more_trials_may_be_taken_and_nothing_is_decided() -> None:
    short = (a_step(50, hold=seconds(30), deadline=seconds(7200)),)
    this = world(
        replace(ACCURACY, sampling=Sampling("labels.yaml", every=seconds(30), trials=2)), steps=short
    )
    reach(this, Phase.PROGRESSING)
    this.live(seconds=20)
    assert "were taken" not in oldest(this).message
    this.live(seconds=300)
    rollout = oldest(this)
    assert rollout.reason is Reason.WAITING_FOR_CHECKS
    assert "over 100 cases; all trials of accuracy were taken: promote it, or abort" in rollout.message


def test_an_equal_version_is_promoted_and_asked_on_while_it_bakes() -> None:
    this = world()
    reach(this, Phase.BAKING, passes=2000)
    before = sampled(this)
    this.live(seconds=120)
    assert sampled(this) > before
    reach(this, Phase.SUCCEEDED, passes=2000)
    judge(this.history, this.initial, ever_bad=set())


def test_a_worse_version_is_rolled_back_though_nothing_else_is_wrong() -> None:
    this = world()
    this.versions["v2"].accuracy = 0.75
    rollout = reach(this, Phase.ROLLED_BACK, passes=2000)
    assert rollout.reason is Reason.CHECK_FAILED
    assert rollout.message.startswith("accuracy 7")
    assert "is worse than stable's" in rollout.message


def test_one_that_gets_worse_after_its_promotion_is_rolled_back() -> None:
    this = world()
    reach(this, Phase.BAKING, passes=2000)
    this.versions["v2"].accuracy = 0.5
    assert reach(this, Phase.ROLLED_BACK, passes=2000).reason is Reason.CHECK_FAILED


def test_trials_need_no_metric_source() -> None:
    this = world()
    this.versions["v2"].accuracy = 0.5
    reach(this, Phase.PROGRESSING)
    while oldest(this).evidence.cursor is None:
        once(this)
    this.metrics.silence = NoReading(Reason.METRICS_UNAVAILABLE, "connection refused")
    rollout = reach(this, Phase.ROLLED_BACK, passes=2000)
    assert rollout.reason is Reason.CHECK_FAILED


def test_trials_that_bring_nothing_hold_the_weight_and_the_deadline_ends_it() -> None:
    this = world(
        steps=(a_step(50, hold=seconds(30), deadline=seconds(300)), a_step(250)),
        on_deadline=Fallback.ROLLBACK,
    )
    this.trials_fail = True
    reach(this, Phase.PROGRESSING)
    this.live(seconds=120)
    assert (oldest(this).weight_permille, oldest(this).reason) == (50, Reason.WAITING_FOR_CHECKS)
    assert "accuracy got no score from its last trial: nobody answers" in oldest(this).message
    assert reach(this, Phase.ROLLED_BACK).reason is Reason.STEP_DEADLINE_EXCEEDED


@pytest.mark.parametrize("crash", list(Crash))
def test_a_trial_counts_once_whenever_the_daemon_dies(crash: Crash) -> None:
    this = world()
    reach(this, Phase.PROGRESSING)
    for _ in range(60):
        once(this)
        this.run(crash)
    found = oldest(this)
    (trial,) = found.trials
    counted = found.evidence.checks[1].requests
    assert counted == 50 * (trial.number - trial.open)


def test_what_comes_of_another_trial_is_not_counted() -> None:
    this = world()
    reach(this, Phase.PROGRESSING)
    while not oldest(this).trials:
        once(this)
    for seen in (TrialSeen("accuracy", 2, Score(5, 1)), TrialSeen("other", 1, Score(5, 1))):
        assert counting(oldest(this), [seen]) == ()


def test_an_evaluation_of_the_same_id_counts_once() -> None:
    this = world()
    reach(this, Phase.PROGRESSING)
    while not oldest(this).trials:
        once(this)
    rollout = oldest(this)
    suite = TrialSeen("accuracy", 1, Score(500, 25, "suite-7"), Score(500, 25, "suite-7"))
    (trial,) = rollout.trials
    known = replace(rollout, trials=(replace(trial, counted=("canary:suite-7", "stable:suite-7")),))
    assert counting(rollout, [suite]) == (suite,)
    assert counting(known, [suite]) == (replace(suite, canary=None, stable=None),)


def test_nothing_is_asked_while_a_person_is_waited_for() -> None:
    this = world()
    reach(this, Phase.PROGRESSING)
    this.live(seconds=100)
    this.say(CommandKind.PAUSE, oldest(this))
    before = sampled(this)
    this.live(seconds=300)
    assert sampled(this) == before
    this.say(CommandKind.RESUME, oldest(this))
    this.live(seconds=100)
    assert sampled(this) > before


def test_the_first_version_of_a_model_is_judged_by_its_limit_alone() -> None:
    this = a_world(
        None,
        steps=LONG,
        checks=(COUNTED, replace(ACCURACY, worse_by_points=None, min=0.9)),
        judge="sequential",
        bake=seconds(3600),
    )
    this.versions["v2"].accuracy = 0.6
    reach(this, Phase.BAKING)
    this.live(seconds=600)
    (_, score) = newest(this).evidence.checks
    assert score.verdict is Verdict.FAIL
    assert score.reason is Reason.BELOW_LIMIT


def test_a_trial_that_is_opened_wakes_the_rollout_at_once() -> None:
    this = world()
    reach(this, Phase.PROGRESSING)
    while True:
        rollout = oldest(this)
        decision = decide(rollout, this._observe(rollout, None, None))
        if decision.rollout.trials:
            break
        once(this)
    assert decision.wake_after == seconds(0)
