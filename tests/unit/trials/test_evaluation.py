"""Evaluations by real servers on loopback, most of which answer nonsense."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook

from controller.adapters.notify.destination import Failure
from controller.adapters.notify.posting import Target
from controller.adapters.trials.evaluation import ATTEMPTS, EvaluationTrials, Evaluator
from controller.adapters.trials.question import EvaluationAnswer, question_of
from controller.domain.model import Rollout
from controller.domain.policy import Check, CheckKind
from controller.domain.release import Release, Split
from controller.domain.trials import Sampling, Score, Trial, TrialSeen
from tests.fakes import FakeWorkload, a_policy, a_rollout
from tests.unit.gates.test_webhook_gate import answer
from tests.unit.notify.scenes import Receive, receiving

SAMPLING = Sampling(evaluation="desk")
TRIAL = Trial("helpful", 3, timedelta(0))
NO_SCORE = "it answered 200 without a score from 0 to 1 and n"
SECOND = timedelta(seconds=1)


@pytest.fixture
async def receive() -> AsyncIterator[Receive]:
    async with receiving() as start:
        yield start


def rollout(**limits: float) -> Rollout:
    check = Check("helpful", CheckKind.SCORE, sampling=SAMPLING, **(limits or {"worse_by_points": 0.05}))  # type: ignore[arg-type]
    begun = a_rollout(a_policy(judge="sequential", checks=(check,)))
    stable = Release("v1", ("v1.test:8080",))
    route = replace(begun.route, intended=Split(stable, begun.release, 50))
    return replace(begun, stable=stable, route=route)


def evaluator(url: str, secret: Path | None = None) -> Evaluator:
    target = Target("desk", url, secret, private_addresses=True, plain_http=True, kind="evaluation")
    return Evaluator(target, timedelta(seconds=5))


async def taken(url: str, begun: Rollout | None = None) -> TrialSeen:
    asked = EvaluationTrials({"desk": evaluator(url)}, first_wait=timedelta(milliseconds=1))
    try:
        return await asked.take(begun or rollout(), TRIAL, SAMPLING, FakeWorkload())
    finally:
        await asked.close()


async def asked_once(url: str, secret: Path | None = None) -> Score | timedelta | Failure:
    begun, program = rollout(), evaluator(url, secret)
    question = question_of(begun, TRIAL, "desk", begun.release, ("v2.test:8080",), datetime.now(UTC))
    try:
        return await program.ask(question)
    finally:
        await program.close()


async def test_both_versions_are_asked_about_in_signed_questions(receive: Receive, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(secret := base64.b64encode(b"k" * 24).decode())
    receiver = await receive(answer('{"score": 0.93, "n": 500, "note": "ignored"}'))
    score = await asked_once(receiver.url, key)
    assert isinstance(score, Score)
    assert (score.n, round(score.failed, 9), score.id) == (500, 35.0, "fraud-1-helpful-3-canary")
    ((headers, body),) = receiver.requests
    Webhook(secret).verify(body, headers)
    question = json.loads(body)
    assert (question["id"], headers["webhook-id"]) == ("fraud-1-helpful-3-canary",) * 2
    assert question["type"] == "dev.serinus.evaluation.asked.v1"
    data = question["data"]
    assert (data["version"], data["role"], data["endpoints"]) == ("v2", "canary", ["v2.test:8080"])
    assert (data["weight_percent"], data["number"], data["evaluation"]) == (5, 3, "desk")
    found = await taken(receiver.url)
    assert found.canary is not None
    assert found.stable is not None
    assert {json.loads(body)["data"]["version"] for _, body in receiver.requests[1:]} == {"v1", "v2"}


async def test_stable_is_not_asked_about_where_nothing_is_compared(receive: Receive) -> None:
    receiver = await receive(answer('{"passed": 90, "n": 100, "id": "suite-7"}'))
    found = await taken(receiver.url, rollout(min=0.8))
    assert (found.canary, found.stable) == (Score(100, 10.0, "suite-7"), None)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        '{"score": NaN, "n": 10}',
        '{"score": Infinity, "n": 10}',
        '{"score": 1.01, "n": 10}',
        '{"score": -0.1, "n": 10}',
        '{"score": "0.9", "n": 10}',
        '{"score": true, "n": 10}',
        '{"score": 0.9, "n": 0}',
        '{"score": 0.9, "n": -5}',
        '{"score": 0.9, "n": 1.5}',
        '{"score": 0.9, "n": 1e300}',
        '{"score": 0.9, "n": 1000001}',
        '{"score": 0.9}',
        '{"n": 10}',
        '{"score": 0.9, "passed": 9, "n": 10}',
        '{"passed": 11, "n": 10}',
        '{"passed": -1, "n": 10}',
        '{"score": 0.9, "n": 10, "id": "a b"}',
        '{"score": 0.9, "n": 10, "id": ""}',
        "[]",
        "null",
        "<html>sign in</html>",
        "[" * 3000,
    ],
)
async def test_what_is_no_score_is_a_problem_at_once(receive: Receive, body: str) -> None:
    receiver = await receive(answer(body))
    found = await taken(receiver.url, rollout(min=0.8))
    assert found == TrialSeen("helpful", 3, problem=f"desk: {NO_SCORE}")
    assert len(receiver.requests) == 1, "asking again would not mend it"


async def test_a_redirect_and_a_failure_are_tried_again_a_few_times(receive: Receive) -> None:
    for said, status in (
        (answer("", "302 Found", "Location: http://169.254.169.254/\r\n"), 302),
        (answer("M4RKER", "500 X"), 500),
    ):
        receiver = await receive(said)
        found = await taken(receiver.url, rollout(min=0.8))
        assert found.problem == f"desk: the receiver answered {status}"
        assert len(receiver.requests) == ATTEMPTS
        assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1


async def test_an_answer_that_is_too_long_is_refused(receive: Receive) -> None:
    receiver = await receive(answer('{"score": 0.9, "n": 10, "x": "' + "x" * 10_000 + '"}'))
    assert (await taken(receiver.url, rollout(min=0.8))).problem == "desk: its answer is too long"


async def test_one_that_is_not_done_yet_says_when_to_ask_again(receive: Receive) -> None:
    receiver = await receive(answer("", "202 Accepted", "Retry-After: 30\r\n"))
    assert await asked_once(receiver.url) == timedelta(seconds=30)
    receiver = await receive(answer("", "202 Accepted"))
    assert await asked_once(receiver.url) == timedelta(seconds=15)


async def test_a_name_that_the_settings_lack_is_a_problem() -> None:
    asked = EvaluationTrials({})
    found = await asked.take(rollout(), TRIAL, SAMPLING, FakeWorkload())
    assert found.problem == "the settings have no evaluation named desk"


@given(st.text() | st.dictionaries(st.sampled_from(["score", "n", "passed", "id"]), st.floats() | st.text()))
def test_whatever_is_answered_is_a_sound_score_or_refused(said: object) -> None:
    body = said if isinstance(said, str) else json.dumps(said)
    try:
        score = EvaluationAnswer.model_validate_json(body.encode("utf-8", "replace")).to_score("q")
    except ValidationError:
        return
    assert 0 <= score.failed <= score.n
