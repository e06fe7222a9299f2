"""Trials of golden requests to real servers on loopback."""

import json
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.golden_sending import GoldenSender
from controller.adapters.trials.golden import GoldenTrials
from controller.domain.model import Rollout
from controller.domain.policy import Check, CheckKind
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.trials import Pairs, Sampling, Score, Trial, TrialSeen
from tests.fakes import FakeWorkload, a_policy, a_rollout
from tests.unit.validation.test_http_validator import Behave, Serve, answer, serve

__all__ = ["serve"]
CASES = 40
SAMPLING = Sampling("labels.yaml", requests=25)


def knows(wrong: Sequence[int]) -> Behave:
    """A model that gives the right label but for some requests."""

    def behave(_: str, body: bytes) -> bytes:
        x = json.loads(body)["x"]
        return answer({"label": x % 2 if x not in wrong else 9})

    return behave


@pytest.fixture
async def trials(tmp_path: Path) -> AsyncIterator[GoldenTrials]:
    rows = "\n".join(
        f"  - {{name: r{x}, body: {{x: {x}}}, expect: {{numbers: {{at: label, equals: {x % 2}}}}}}}"
        for x in range(CASES)
    )
    (tmp_path / "labels.yaml").write_text(f"protocol: json\npath: /predict\nrequests:\n{rows}\n")
    built = GoldenTrials(GoldenSender(tmp_path))
    yield built
    await built.close()


def rollout(canary: Sequence[str], stable: Sequence[str] | None) -> Rollout:
    check = Check("accuracy", CheckKind.SCORE, worse_by_points=0.05, sampling=SAMPLING)
    begun = a_rollout(a_policy(judge="sequential", checks=(check,)))
    served = Release("v1", tuple(stable)) if stable is not None else None
    return replace(begun, release=Release("v2", tuple(canary)), stable=served)


async def taken(
    trials: GoldenTrials, rollout: Rollout, number: int = 1, sampling: Sampling = SAMPLING
) -> TrialSeen:
    trial = Trial("accuracy", number, timedelta(0))
    return await trials.take(rollout, trial, sampling, FakeWorkload())


async def test_both_versions_get_the_same_requests_and_each_copy_its_part(
    trials: GoldenTrials, serve: Serve
) -> None:
    canaries = [await serve(knows(())) for _ in range(2)]
    stable = await serve(knows(()))
    found = await taken(trials, rollout([each.endpoint for each in canaries], [stable.endpoint]))
    assert found == TrialSeen("accuracy", 1, Score(25, 0), Score(25, 0), Pairs(25, 0, 0))
    bodies = [sorted(body for _, _, body in each.asked) for each in (*canaries, stable)]
    assert sorted(bodies[0] + bodies[1]) == bodies[2]
    assert len(set(bodies[2])) == 25, "each is drawn once"
    assert abs(len(bodies[0]) - len(bodies[1])) == 1
    assert max(each.most_open for each in (*canaries, stable)) <= 4


async def test_failures_are_counted_alone_and_in_pairs(trials: GoldenTrials, serve: Serve) -> None:
    canary, stable = await serve(knows(range(20))), await serve(knows(range(15, 25)))
    everything = replace(SAMPLING, requests=CASES)
    found = await taken(trials, rollout([canary.endpoint], [stable.endpoint]), sampling=everything)
    assert (found.canary, found.stable) == (Score(40, 20), Score(40, 10))
    assert found.pairs == Pairs(40, only_canary=15, only_stable=5)
    assert found.example.startswith("golden request r")
    assert "expected" in found.example
    assert found.problem == ""


async def test_a_trial_is_the_same_when_it_is_taken_again_and_the_next_one_another(
    trials: GoldenTrials, serve: Serve
) -> None:
    model = await serve(knows(()))
    begun = rollout([model.endpoint], None)
    asked = []
    for number in (1, 1, 2):
        await taken(trials, begun, number)
        asked.append({body for _, _, body in model.asked})
        model.asked.clear()
    assert asked[0] == asked[1] != asked[2]


async def test_a_version_out_of_reach_says_nothing(trials: GoldenTrials, serve: Serve) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{unused.getsockname()[1]}"
        model = await serve(knows(()))
        found = await taken(trials, rollout([closed], [model.endpoint]))
        assert (found.canary, found.pairs) == (None, None)
        assert found.stable == Score(25, 0)
        assert found.problem == "v2 answered none: connection refused"
        beside = await taken(trials, rollout([model.endpoint], [closed]))
    assert (beside.canary, beside.stable, beside.pairs) == (Score(25, 0), None, None)
    assert beside.problem == "v1 answered none: connection refused"


async def test_a_request_without_an_answer_failed_where_others_had_one(
    trials: GoldenTrials, serve: Serve
) -> None:
    def moody(path: str, body: bytes) -> bytes | None:
        return b"" if json.loads(body)["x"] < 20 else knows(())(path, body)

    model = await serve(moody)
    found = await taken(trials, rollout([model.endpoint], None), sampling=replace(SAMPLING, requests=CASES))
    assert found.canary == Score(40, 20)


async def test_no_copy_and_no_file_are_problems(trials: GoldenTrials, serve: Serve) -> None:
    assert (await taken(trials, rollout([], None))).problem == "v2 has no copy to ask"
    model = await serve(knows(()))
    gone = await taken(trials, rollout([model.endpoint], None), sampling=Sampling("gone.yaml"))
    assert gone.problem == "golden file gone.yaml: the file does not exist"
    assert model.asked == []


async def test_what_a_model_answers_reaches_people_bounded_and_printable(
    trials: GoldenTrials, serve: Serve
) -> None:
    model = await serve(lambda path, body: answer(b"\x1b[2J" + b"x" * 100_000))
    found = await taken(trials, rollout([model.endpoint], None))
    assert found.canary == Score(25, 25)
    assert found.example.isprintable()
    assert len(found.example) <= 300


async def test_adapters_that_share_their_pods_are_told_apart_by_the_model_that_is_asked_for(
    trials: GoldenTrials, serve: Serve
) -> None:
    pod = await serve(knows(()))
    both = rollout([pod.endpoint], [pod.endpoint])
    assert both.stable is not None
    adapters = [Backend(BackendKind.LORA_ADAPTER, name) for name in ("x-v2", "x-v1")]
    canary, stable = replace(both.release, backend=adapters[0]), replace(both.stable, backend=adapters[1])
    await taken(trials, replace(both, release=canary, stable=stable))
    models = [json.loads(body)["model"] for _, _, body in pod.asked]
    assert (models.count("x-v2"), models.count("x-v1")) == (25, 25)
