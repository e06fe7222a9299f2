"""Drifts of histograms before the judge."""

import json
from dataclasses import replace

import numpy as np
import pytest

from controller.domain.judge.base import Assessment
from controller.domain.judge.counts import Tally
from controller.domain.policy import Check, CheckKind
from controller.domain.reporting import details
from controller.domain.vocabulary import Reason, Verdict
from controller.domain.wording import sentence
from tests.judge_scenes import Trial, errors, judged

DRIFT = Check("output_tokens_drift", CheckKind.PSI, max=0.2, failures=1, measure="output_tokens")
BOUNDS = (10.0, 50.0, 100.0, 500.0)
USUAL = (0.1, 0.3, 0.35, 0.2, 0.05)
LONGER = (0.02, 0.1, 0.28, 0.4, 0.2)


class Drifting:
    """Requests of both versions, drawn from their distributions."""

    def __init__(self, *others: Check, seed: int = 1) -> None:
        self.trial = Trial(judged(DRIFT, *others))
        self.chance = np.random.default_rng(seed)

    def show(
        self,
        canary: tuple[float, ...] = USUAL,
        stable: tuple[float, ...] = USUAL,
        *,
        n: int = 100,
        m: int = 400,
        times: int = 1,
    ) -> Assessment:
        for _ in range(times):
            pair = self._tally(n, canary), self._tally(m, stable)
            self.trial.show(**{DRIFT.name: pair})
        return self.trial.assess()

    def _tally(self, n: int, shares: tuple[float, ...]) -> Tally:
        return Tally(n, 0, BOUNDS, tuple(int(each) for each in self.chance.multinomial(n, shares)))


def test_longer_answers_are_found() -> None:
    found = Drifting().show(LONGER, times=8)
    (row,) = found.checks
    assert (found.verdict, row.reason) == (Verdict.FAIL, Reason.ABOVE_LIMIT)
    assert row.value == pytest.approx(0.71, abs=0.2), "the true index is 0.71"
    assert sentence(DRIFT, row).startswith("output_tokens_drift 0.")
    assert "is above its limit 0.2 over" in sentence(DRIFT, row)


def test_answers_of_the_same_lengths_are_shown_to_be() -> None:
    drifting = Drifting()
    early = drifting.show(edge(0.1))
    assert early.checks[0].reason is Reason.NOT_YET_SHOWN
    found = drifting.show(times=12)
    assert (found.verdict, found.checks[0].reason) == (Verdict.PASS, Reason.SHOWN_GOOD)
    lines = details(DRIFT, found.checks[0])
    assert lines[0] == "histograms of 1,300 requests, stable 5,200"
    assert lines[1].startswith("index between 0 and 0.")


def test_few_requests_say_nothing() -> None:
    assert Drifting().show(LONGER, n=20).checks[0].reason is Reason.TOO_FEW_REQUESTS


def test_a_mix_that_changes_with_the_hour_is_no_drift_of_the_canary() -> None:
    """In the morning short answers and a small weight, in the afternoon long ones and half of the traffic."""
    drifting = Drifting()
    drifting.show(USUAL, USUAL, n=10, m=990, times=30)
    found = drifting.show(LONGER, LONGER, n=500, m=500, times=4)
    (row,) = found.checks
    assert row.reason is Reason.SHOWN_GOOD
    assert row.value is not None
    assert row.value < 0.05


def test_other_buckets_are_not_compared() -> None:
    drifting = Drifting()
    drifting.show(times=10)
    coarse = Tally(100, 0, (50.0,), (40, 60))
    drifting.trial.show(**{DRIFT.name: (coarse, Tally(400, 0, BOUNDS, (40, 120, 140, 80, 20)))})
    (row,) = drifting.trial.assess().checks
    assert (row.verdict, row.reason) == (Verdict.UNKNOWN, Reason.BUCKETS_DIFFER)
    assert drifting.show().checks[0].reason is Reason.SHOWN_GOOD, "as soon as they agree again"


def test_blocks_in_which_only_one_version_answered_are_left_out() -> None:
    drifting = Drifting()
    drifting.trial.show(**{DRIFT.name: (Tally(), drifting._tally(400, USUAL))})
    drifting.trial.show(**{DRIFT.name: (drifting._tally(100, LONGER), Tally())})
    assert drifting.trial.assess().checks[0].requests == 0


def test_without_stable_there_is_nothing_to_compare() -> None:
    drifting = Drifting()
    drifting.trial.terms = replace(drifting.trial.terms, compare=False)
    drifting.trial.show(**{DRIFT.name: (drifting._tally(100, USUAL), Tally())})
    (row,) = drifting.trial.assess().checks
    assert (row.verdict, row.reason) == (Verdict.SKIPPED, Reason.NO_STABLE_TRAFFIC)


def test_it_fails_whatever_the_other_checks_have_lost() -> None:
    drifting = Drifting(errors(max=0.05))
    drifting.trial.show(200, errors=(Tally(1000, 1), Tally(1000, 1)))
    found = drifting.show(LONGER, times=15)
    assert found.verdict is Verdict.FAIL
    assert found.blamed is not None
    assert found.blamed.name == DRIFT.name


def test_the_memory_reads_back_to_the_last_bit() -> None:
    drifting = Drifting()
    drifting.show(times=7, m=333)
    again = json.loads(json.dumps(json.loads(drifting.trial.state)))
    drifting.trial.state = json.dumps(again, separators=(",", ":"))
    assert drifting.trial.memory.drifts[DRIFT.name].look is not None
    before = drifting.trial.state
    drifting.trial.read()
    assert json.loads(drifting.trial.state) == json.loads(before)


def edge(limit: float) -> tuple[float, ...]:
    """A mixture whose true index is just the limit."""
    low, high = 0.0, 1.0
    for _ in range(50):
        part = (low + high) / 2
        mixed = [(1 - part) * u + part * v for u, v in zip(USUAL, LONGER, strict=True)]
        psi = sum((p - q) * np.log(p / q) for p, q in zip(mixed, USUAL, strict=True))
        low, high = (part, high) if psi < limit else (low, part)
    return tuple(float(each) for each in mixed)


def test_at_the_very_limit_it_seldom_errs_however_often_it_is_looked_at() -> None:
    """200 rollouts of 60 blocks: at 99 % two may fail, at 95 % ten may be shown to be good."""
    at_limit, failed, passed = edge(0.2), 0, 0
    for seed in range(200):
        drifting = Drifting(seed=seed)
        rows = [drifting.show(at_limit, n=60, m=240).checks[0] for _ in range(60)]
        failed += any(each.verdict is Verdict.FAIL for each in rows)
        passed += any(each.reason is Reason.SHOWN_GOOD for each in rows)
    assert failed <= 4
    assert passed <= 12
