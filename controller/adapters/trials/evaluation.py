"""A trial by a program of the operator's, asked by a POST for each version, as gates are: signed, bounded.

**Invariant**: nothing but a whole, sound answer is a score. Whatever else comes is a problem in words for
people, free of addresses and of the program's own text.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from controller.adapters.exchange import Answer, tls_client
from controller.adapters.notify.cloudevent import CONTENT_TYPE
from controller.adapters.notify.destination import Failure
from controller.adapters.notify.posting import Poster, Target, failure_of
from controller.adapters.notify.repeating import retry_after, wait_after
from controller.adapters.trials.question import EvaluationAnswer, EvaluationQuestion, question_of
from controller.domain.model import Rollout
from controller.domain.release import Release
from controller.domain.trials import Sampling, Score, Trial, TrialSeen
from controller.ports import Workload

ATTEMPTS = 3
"""Failures in a row before a trial brings nothing."""
WITHIN = timedelta(minutes=30)
"""The longest time that an evaluation may say that it is not done yet."""
_TIMEOUT = timedelta(seconds=10)
_FIRST_WAIT = timedelta(seconds=1)
_USUAL_WAIT = timedelta(seconds=15)
_MOST_AT_A_TIME = 4
_OK, _ACCEPTED = 200, 202


class Evaluator:
    """One program. Raises `TargetError` when its address cannot be one."""

    def __init__(self, target: Target, timeout: timedelta = _TIMEOUT) -> None:
        self.name = target.name
        self._turns = asyncio.Semaphore(_MOST_AT_A_TIME)
        self._client = tls_client()
        self._poster = Poster(target, self._client, timeout)

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def ask(self, question: EvaluationQuestion) -> Score | timedelta | Failure:
        """Put the question once: a score, or when to ask again, or what went wrong."""
        body = question.model_dump_json().encode()
        async with self._turns:
            answer = await self._poster.send(question.id, body, CONTENT_TYPE)
        if isinstance(answer, Failure):
            return answer
        if (failure := failure_of(answer)) is not None:
            return failure
        if answer.status == _ACCEPTED:
            return retry_after(answer.headers, datetime.now(UTC)) or _USUAL_WAIT
        return _score(answer, question.id)


def _score(answer: Answer, question_id: str) -> Score | Failure:
    if answer.truncated:
        return Failure("its answer is too long", final=True)
    try:
        said = EvaluationAnswer.model_validate_json(answer.body if answer.status == _OK else b"")
    except ValidationError:
        return Failure(f"it answered {answer.status} without a score from 0 to 1 and n", final=True)
    return said.to_score(question_id)


class EvaluationTrials:
    """Asks the evaluators of the settings."""

    def __init__(self, evaluators: Mapping[str, Evaluator], first_wait: timedelta = _FIRST_WAIT) -> None:
        self._evaluators = evaluators
        self._first_wait = first_wait

    async def close(self) -> None:
        """Let go of connections."""
        await asyncio.gather(*(each.close() for each in self._evaluators.values()))

    async def take(self, rollout: Rollout, trial: Trial, sampling: Sampling, workload: Workload) -> TrialSeen:
        """One trial: of the canary, and of stable where it is compared with."""
        evaluator = self._evaluators.get(sampling.evaluation)
        if evaluator is None:
            problem = f"the settings have no evaluation named {sampling.evaluation}"
            return TrialSeen(trial.check, trial.number, problem=problem)
        relative = any(check.name == trial.check and check.relative for check in rollout.policy.checks)
        versions = [rollout.release, *([rollout.stable] if rollout.stable and relative else [])]
        found = await asyncio.gather(
            *(self._asked(evaluator, rollout, trial, release, workload) for release in versions)
        )
        problems = [f"{evaluator.name}: {each}" for each in found if isinstance(each, str)]
        scores = [each if isinstance(each, Score) else None for each in found]
        return TrialSeen(
            trial.check,
            trial.number,
            canary=scores[0],
            stable=scores[1] if len(scores) > 1 else None,
            problem=problems[0] if problems else "",
        )

    async def _asked(
        self, evaluator: Evaluator, rollout: Rollout, trial: Trial, release: Release, workload: Workload
    ) -> Score | str:
        """The score, or why there is none."""
        seen = await workload.readiness(rollout, release)
        question = question_of(rollout, trial, evaluator.name, release, seen.endpoints, datetime.now(UTC))
        failures = 0
        try:
            async with asyncio.timeout(WITHIN.total_seconds()):
                while True:
                    answer = await evaluator.ask(question)
                    if isinstance(answer, Score):
                        return answer
                    if isinstance(answer, Failure):
                        failures += 1
                        if answer.final or failures >= ATTEMPTS:
                            return answer.message
                        wait = wait_after(failures - 1, self._first_wait, answer.retry_after)
                    else:
                        failures, wait = 0, answer
                    await asyncio.sleep(wait.total_seconds())
        except TimeoutError:
            return f"it was not done within {WITHIN.total_seconds() / 60:g} minutes"
