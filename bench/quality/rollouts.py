"""Rollouts of those models: the real machine and judge, trials by the real takers, the clock of a test.

Only the network is missing: a golden request reaches the model by a call, and so does an evaluation, which
rates rows that it never rated before.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np

from bench.quality.models import LATENCY, Model, Models
from controller.adapters.exchange import Answer
from controller.adapters.trials.evaluation import EvaluationTrials
from controller.adapters.trials.golden import GoldenTrials
from controller.adapters.trials.keeper import Taker
from controller.adapters.trials.question import EvaluationQuestion
from controller.domain.model import Rollout
from controller.domain.policy import Check, CheckKind, Policy, RouteRef, Step
from controller.domain.trials import Sampling, Score, Trial, TrialSeen
from controller.domain.vocabulary import Phase
from controller.policy.golden import GoldenFile, GoldenRequest
from tests.domain_world import World
from tests.fakes import FakeWorkload

LONGEST_SECONDS = 6 * 3600
REQUESTS_PER_SECOND = 50
_MINUTE = timedelta(minutes=1)
_HOLD = 5 * _MINUTE
CHECKS: Mapping[str, Check] = {
    "golden": Check(
        "accuracy",
        CheckKind.SCORE,
        worse_by_points=0.05,
        failures=1,
        sampling=Sampling("labels.yaml", every=_MINUTE, requests=50, trials=2000),
    ),
    "evaluation": Check(
        "accuracy",
        CheckKind.SCORE,
        worse_by_points=0.05,
        failures=1,
        sampling=Sampling(evaluation="desk", every=10 * _MINUTE, trials=100),
    ),
}
EVALUATED = 500
"""Cases of one evaluation."""


@dataclass(frozen=True)
class Outcome:
    """How one rollout ended, after how long, and how many cases the canary answered for it."""

    phase: Phase
    seconds: float
    cases: int
    message: str


class _Sender:
    """Golden requests by calls."""

    def __init__(self, golden: GoldenFile, models: Mapping[str, Model]) -> None:
        self._golden = golden
        self._models = models

    def golden(self, *_: str) -> GoldenFile:
        return self._golden

    async def ask(self, endpoint: str, _: GoldenFile, request: GoldenRequest) -> Answer:
        body = self._models[endpoint.split(".", maxsplit=1)[0]].answer(request.body)
        return Answer(200, {}, body, truncated=False, latency=LATENCY)

    async def close(self) -> None:
        pass


class _Desk:
    """An evaluation that draws its cases anew each time."""

    name = "desk"

    def __init__(self, of: Models, models: Mapping[str, Model], seed: int) -> None:
        self._of = of
        self._models = models
        self._chance = np.random.default_rng(seed)

    async def ask(self, question: EvaluationQuestion) -> Score:
        drawn = self._chance.choice(len(self._of.rows), EVALUATED, replace=False)
        right = self._models[question.data.version].right(self._of.rows[drawn], self._of.labels[drawn])
        return Score(EVALUATED, EVALUATED - right, question.id)

    async def close(self) -> None:
        pass


class _Scene(World):
    """The world of the tests, whose trials are taken by the real takers."""

    def __init__(self, policy: Policy, taker: Taker, loop: asyncio.Runner) -> None:
        super().__init__(policy, "v1", REQUESTS_PER_SECOND)
        self._taker = taker
        self._loop = loop

    def taken(self, rollout: Rollout, trial: Trial) -> TrialSeen:
        check = next(each for each in rollout.policy.checks if each.name == trial.check)
        assert check.sampling is not None
        placed = replace(rollout, release=_at(rollout.release), stable=_at(rollout.stable))
        seen: TrialSeen = self._loop.run(self._taker.take(placed, trial, check.sampling, FakeWorkload()))
        return seen


def _at(release: Any) -> Any:
    return replace(release, endpoints=(f"{release.version}.bench:1",))


def policy_of(kind: str) -> Policy:
    """Steps of 10 % and 50 %, five minutes each at least, and the answers beside errors and latency."""
    steps = tuple(Step(weight, _HOLD, 100, timedelta(hours=12)) for weight in (100, 500))
    errors = Check("errors", CheckKind.RATIO, max=0.01, worse_by_points=0.005)
    latency = Check("latency_p99", CheckKind.QUANTILE, max=0.5, worse_by_ratio=0.2, quantile=0.99)
    checks = (errors, latency, CHECKS[kind])
    return Policy("bench", "ml", RouteRef("envoy", "/bench"), "envoy", steps, checks, bake=_HOLD)


def rolled_out(kind: str, of: Models, canary: Model, seed: int) -> Outcome:
    """One rollout of a model over the one that serves, until it is over, or six hours have passed."""
    models = {"v1": of.stable, "v2": canary}
    taker: Taker = EvaluationTrials({"desk": _Desk(of, models, seed)})  # type: ignore[dict-item]
    if kind == "golden":
        taker = GoldenTrials(_Sender(of.golden, models))  # type: ignore[arg-type]
    with asyncio.Runner() as loop:
        # the model's name is part of the rollout's, and so of what is drawn
        policy = replace(policy_of(kind), model=f"bench-{seed}")
        scene = _Scene(policy, taker, loop)
        begun = scene.deploy("v2")
        assert isinstance(begun, Rollout)
        scene.live(seconds=LONGEST_SECONDS, passes=1_000_000)
        rollout = scene.records[begun.id]
    score = next(each for each in rollout.evidence.checks if each.name == "accuracy")
    ended = rollout.updated_at or rollout.created_at
    return Outcome(
        rollout.phase, (ended - rollout.created_at).total_seconds(), score.requests, rollout.message
    )
