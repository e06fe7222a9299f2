"""A judge by itself, looked at a thousand times over a version that is as good as stable."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from math import cos, tau

from bench.judge.feed import blocks, instant
from bench.judge.lane import Lane
from controller.domain.judge import judge_of
from controller.domain.judge.base import Judge, Terms
from controller.domain.judge.calibration import Calibration
from controller.domain.policy import Policy
from controller.domain.vocabulary import Verdict

LOOK_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class WeightDrift:
    """The canary's weight goes from low to high and back in ``period`` looks, anew every ``every`` looks."""

    low_permille: int = 10
    high_permille: int = 500
    period: int = 240
    every: int = 20

    def at(self, look: int) -> int:
        """The weight at a look, in thousandths."""
        phase = (look - look % self.every) / self.period
        risen = (1 - cos(tau * phase)) / 2
        return round(self.low_permille + (self.high_permille - self.low_permille) * risen)


@dataclass(frozen=True, slots=True)
class Peeks:
    """Whether, and at which look, a judge ever said FAIL."""

    failed_at: int | None
    blamed: str = ""


@dataclass(slots=True)
class _Watched:
    """One judge's memory, and its first FAIL."""

    judge: Judge
    terms: Terms
    state: str
    peeks: Peeks | None = None


def peek(
    policies: Mapping[str, Policy], lane: Lane, looks: int, drift: WeightDrift, known: Calibration
) -> dict[str, Peeks]:
    """Every policy's judge over the same blocks: all of them, those astride a new weight too."""
    watched = {
        name: _Watched(judge_of(policy), _terms(policy, known), "") for name, policy in policies.items()
    }
    checks = next(iter(policies.values())).checks
    lane.advance(lane.chance.start)
    cursor, look = instant(lane.now), 0
    while look < looks and any(one.peeks is None for one in watched.values()):
        weight = drift.at(look)
        if weight != lane.permille:
            lane.give(weight)
            _at_new_weight(watched, weight)
        lane.advance(lane.now + LOOK_SECONDS)
        lane.chance.stream.forget_before(lane.now)
        closed = blocks(lane, checks, cursor, timedelta(seconds=LOOK_SECONDS))
        if closed:
            cursor = closed[-1].end
        for one in watched.values():
            if one.peeks is None:
                one.state = one.judge.fold(one.state, closed, (), one.terms)
                found = one.judge.assess(one.state, one.terms)
                if found.verdict is Verdict.FAIL:
                    one.peeks = Peeks(look, found.blamed.name if found.blamed else "")
        look += 1
    return {name: one.peeks or Peeks(None) for name, one in watched.items()}


def _terms(policy: Policy, known: Calibration) -> Terms:
    return Terms(policy.steps[0].min_requests, compare=True, calibration=known)


def _at_new_weight(watched: Mapping[str, _Watched], permille: int) -> None:
    for one in watched.values():
        one.terms = replace(one.terms, share=permille / 1000)
        one.state = one.judge.at_new_weight(one.state) if one.state else one.judge.begin()
