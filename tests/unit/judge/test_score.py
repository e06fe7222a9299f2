"""Scores of trials before the judge."""

from dataclasses import replace
from random import Random

import pytest

from controller.domain.judge.base import Assessment, CheckResult
from controller.domain.judge.counts import Tally
from controller.domain.policy import Check, CheckKind
from controller.domain.reporting import details
from controller.domain.trials import Pairs, Sampling, Score, TrialSeen
from controller.domain.vocabulary import Reason, Verdict
from controller.domain.wording import sentence
from tests.judge_scenes import Trial, errors, judged, strength

GOLDEN = Check(
    "accuracy",
    CheckKind.SCORE,
    worse_by_points=0.05,
    sampling=Sampling("labels.yaml"),
    failures=1,
)
FLOOR = replace(GOLDEN, worse_by_points=None, min=0.9)
EVALUATION = replace(GOLDEN, sampling=Sampling(evaluation="desk"))


class Exam:
    """Trials of both versions, whose cases are drawn with these shares of failures."""

    def __init__(self, check: Check = GOLDEN, *others: Check, seed: int = 1) -> None:
        self.check = check
        self.trial = Trial(judged(check, *others))
        self.chance = Random(seed)
        self.number = 0

    def golden(self, canary: float, stable: float | None = 0.1, times: int = 1, n: int = 50) -> Assessment:
        """The same cases to both; what is hard for one mostly is for the other."""
        for _ in range(times):
            drawn = [self.chance.random() for _ in range(n)]
            failed = [each < canary for each in drawn]
            beside = [each < stable for each in drawn] if stable is not None else None
            pairs = None
            if beside is not None:
                both = list(zip(failed, beside, strict=True))
                pairs = Pairs(n, sum(c and not s for c, s in both), sum(s and not c for c, s in both))
            self.tell(
                canary=Score(n, sum(failed)),
                stable=Score(n, sum(beside)) if beside is not None else None,
                pairs=pairs,
            )
        return self.trial.assess()

    def tell(self, **brought: object) -> Assessment:
        self.number += 1
        seen = TrialSeen(self.check.name, self.number, **brought)  # type: ignore[arg-type]
        self.trial.state = self.trial.judge.tried(self.trial.state, [seen])
        return self.trial.assess()


def row(found: Assessment, name: str = "accuracy") -> CheckResult:
    return next(each for each in found.checks if each.name == name)


def test_a_version_that_answers_worse_is_found() -> None:
    found = Exam().golden(0.25, times=15)
    assert found.verdict is Verdict.FAIL
    accused = row(found)
    assert (accused.verdict, accused.reason) == (Verdict.FAIL, Reason.WORSE_THAN_STABLE)
    assert accused.value == pytest.approx(0.75, abs=0.05)
    assert accused.limit == pytest.approx(accused.stable_value - 0.05 if accused.stable_value else None)
    assert found.blamed is accused


def test_one_that_answers_as_well_is_shown_to() -> None:
    exam = Exam()
    assert row(exam.golden(0.1)).reason is Reason.NOT_YET_SHOWN
    found = exam.golden(0.1, times=15)
    assert found.verdict is Verdict.PASS
    assert row(found).reason is Reason.SHOWN_GOOD


def test_one_trial_of_golden_requests_decides_nothing_and_an_evaluation_may() -> None:
    stalled = Exam().tell(canary=Score(500, 500), stable=Score(500, 20), pairs=Pairs(500, 480, 0))
    assert stalled.verdict is Verdict.UNKNOWN
    assert row(stalled).reason is Reason.EVIDENCE_AGAINST
    assert stalled.held is Reason.EVIDENCE_AGAINST
    exam = Exam(EVALUATION)
    found = exam.tell(canary=Score(1000, 250, "a"), stable=Score(1000, 100, "a"))
    assert row(found).reason is Reason.WORSE_THAN_STABLE
    assert found.verdict is Verdict.FAIL


def test_an_evaluation_of_the_largest_size_does_not_overflow() -> None:
    found = Exam(replace(EVALUATION, min=0.9)).tell(
        canary=Score(1_000_000, 1_000_000.0), stable=Score(1_000_000, 0.0)
    )
    assert found.verdict is Verdict.FAIL
    good = Exam(replace(EVALUATION, min=0.9)).tell(
        canary=Score(1_000_000, 0.0), stable=Score(1_000_000, 1_000_000.0)
    )
    assert good.verdict is Verdict.PASS


def test_ratings_count_as_parts_of_failures() -> None:
    exam = Exam(replace(FLOOR, sampling=Sampling(evaluation="desk")))
    assert exam.tell(canary=Score(800, 800 * 0.055)).verdict is Verdict.PASS
    worse = Exam(replace(FLOOR, sampling=Sampling(evaluation="desk")))
    assert row(worse.tell(canary=Score(800, 800 * 0.16))).reason is Reason.BELOW_LIMIT


def test_a_limit_that_stable_breaks_as_well_is_not_held_against_the_canary() -> None:
    exam = Exam(FLOOR)
    found = exam.golden(0.3, stable=0.3, times=20)
    assert found.verdict is Verdict.UNKNOWN
    assert strength(row(found)).skipped == 20
    assert "20 trials not held against it: stable itself was below the limit" in details(FLOOR, row(found))


def test_a_limit_alone_is_judged_where_there_is_no_stable() -> None:
    assert row(Exam(FLOOR).golden(0.3, stable=None, times=20)).reason is Reason.BELOW_LIMIT
    assert Exam(FLOOR).golden(0.03, stable=None, times=20).verdict is Verdict.PASS
    found = row(Exam().golden(0.3, stable=None, times=20))
    assert (found.verdict, found.reason) == (Verdict.SKIPPED, Reason.NO_STABLE_TRAFFIC)


def test_a_trial_that_brings_nothing_holds_and_says_why() -> None:
    exam = Exam()
    exam.golden(0.1, times=20)
    found = exam.tell(problem="v2 has no copy to ask")
    assert (row(found).verdict, row(found).reason) == (Verdict.UNKNOWN, Reason.NO_SCORE)
    assert sentence(GOLDEN, row(found)) == "accuracy got no score from its last trial: v2 has no copy to ask"
    assert found.verdict is Verdict.UNKNOWN
    assert exam.golden(0.1).verdict is Verdict.PASS, "the next one may bring something again"


def test_what_stable_does_not_answer_says_nothing_of_the_canary() -> None:
    exam = Exam()
    found = exam.tell(canary=Score(50, 40), problem="v1 answered none: connection refused")
    assert row(found).reason is Reason.NO_STABLE_TRAFFIC
    assert row(found).requests == 50


def test_an_evaluation_that_was_counted_before_changes_nothing() -> None:
    exam = Exam(EVALUATION)
    before = exam.tell(canary=Score(100, 10, "a"), stable=Score(100, 10, "a"))
    assert exam.tell(canary=None, stable=None) == before


def test_all_checks_share_one_purse() -> None:
    """What one check alone would call guilty is not, where ten others were asked as well."""
    alone = Exam(seed=3)
    while alone.golden(0.2).verdict is not Verdict.FAIL:
        assert alone.number < 100
    many = Exam(GOLDEN, *(replace(GOLDEN, name=f"other_{n}") for n in range(30)), seed=3)
    assert many.golden(0.2, times=alone.number).verdict is Verdict.UNKNOWN


def test_what_is_only_reported_never_fails_the_rollout() -> None:
    only = replace(GOLDEN, report_only=True)
    exam = Exam(only, errors(max=0.05))
    found = exam.golden(0.5, times=20)
    assert row(found).verdict is Verdict.FAIL
    assert found.verdict is not Verdict.FAIL


def test_evidence_goes_on_at_a_new_weight_and_after_a_restart() -> None:
    exam = Exam()
    exam.golden(0.12, times=5)
    before = exam.trial.assess()
    exam.trial.change_weight()
    assert exam.trial.assess() == before
    assert row(exam.golden(0.1)).requests == 300


def test_scores_go_on_after_testers_who_have_no_part_in_them() -> None:
    exam = Exam(GOLDEN, errors(max=0.05))
    exam.golden(0.1, times=3)
    exam.trial.state = exam.trial.judge.after_testers(exam.trial.state)
    assert row(exam.trial.assess()).requests == 150


def test_a_memory_from_before_there_were_scores_is_read_on() -> None:
    exam = Exam(GOLDEN, errors(max=0.05))
    exam.trial.show(errors=(Tally(100, 1), Tally(100, 1)))
    state = exam.trial.state.replace('"scores":{},"drifts":{},', "")
    assert "scores" not in state
    exam.trial.state = state
    assert row(exam.golden(0.1)).requests == 50


def test_a_score_waits_for_its_first_trial() -> None:
    assert row(Exam().trial.assess()).reason is Reason.TOO_FEW_REQUESTS
    first = Exam()
    first.trial.terms = replace(first.trial.terms, final=False)
    assert first.golden(0.1).verdict is Verdict.PASS, "nothing against it lets a step rise"


def test_what_it_says_to_people() -> None:
    exam = Exam()
    for _ in range(10):
        exam.golden(0.16)
    exam.tell(
        canary=Score(50, 9), stable=Score(50, 4), pairs=Pairs(50, 6, 1), example="golden request 7: 1, not 0"
    )
    lines = details(GOLDEN, row(exam.trial.assess()))
    assert lines[0].startswith("canary failed ")
    assert " of 550 cases, stable " in lines[0]
    assert lines[1].startswith("share of passes between ")
    assert "percentage points (95% sure at all times)" in lines[2]
    assert "the last trial: golden request 7: 1, not 0" in lines


@pytest.mark.parametrize("seed", range(40))
def test_good_versions_are_seldom_rolled_back(seed: int) -> None:
    """At the very limit of what is allowed, with 60 looks; at 99 % one of 40 would be rare."""
    exam = Exam(seed=seed)
    verdicts = {exam.golden(0.149, stable=0.1, n=25).verdict for _ in range(60)}
    assert Verdict.FAIL not in verdicts
