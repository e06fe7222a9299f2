"""A word through the API: to exactly one rollout, once, in the caller's own name, by whom it may be said."""

from dataclasses import replace
from typing import Any

import pytest

from controller.control.errors import Unavailable
from controller.domain.model import CommandKind
from controller.domain.policy import ApprovalRules
from controller.domain.vocabulary import Phase, Reason
from controller.web.application import ROOT
from tests.fakes import a_policy
from tests.unit.control.stage import ACTOR, asking, ended
from tests.unit.web.stage import ANN, BEN, Site

ID = "0123456789-abcdef"
LONE = b'{"kind": "pause", "request_id": "0123456789", "reason": "\\ud800"}'
"""JSON with half a letter in it."""


@pytest.fixture
def site() -> Site:
    return Site()


async def say(site: Site, kind: str, rollout: str = "fraud-1", token: str = ANN, **more: Any) -> Any:
    body = {"kind": kind, "request_id": ID, **more}
    return await site.ask("POST", f"{ROOT}/rollouts/{rollout}/actions", token=token, json=body)


async def test_a_word_is_followed_and_stands_in_the_log_in_the_callers_own_name(site: Site) -> None:
    site.begin()
    answer = await say(site, "pause", reason="the on-call asks")
    assert answer.status_code == 200
    assert answer.json()["phase"] == "Paused"
    entry = site.stage.store.log["fraud-1"][-1]
    assert (entry.actor, entry.event) == (ACTOR, "rollout_paused")
    assert entry.command is not None
    assert (entry.command.note, entry.command.kind) == ("the on-call asks", CommandKind.PAUSE)


async def test_a_repeated_word_is_answered_as_the_first_and_done_once(site: Site) -> None:
    site.begin()
    first = await say(site, "pause")
    before = site.state
    again = await say(site, "pause")
    assert (again.status_code, again.json()) == (200, first.json())
    assert site.state == before


async def test_an_id_is_one_persons_for_one_word(site: Site) -> None:
    site.begin()
    site.doorman.rights["ben"].add("pause")
    assert (await say(site, "pause")).status_code == 200
    assert (await say(site, "pause", token=BEN)).status_code == 409, "paused already: his is another word"
    assert (await say(site, "resume")).status_code == 200


async def test_a_person_of_the_command_line_and_of_the_api_counts_once(site: Site) -> None:
    site.begin(asking(ApprovalRules(people=2), ACTOR))
    answer = await say(site, "approve")
    assert answer.status_code == 409
    assert "ann(1000) has approved" in answer.json()["detail"]
    site.doorman.rights["ben"].add("approve")
    assert (await say(site, "approve", token=BEN)).status_code == 200


async def test_who_deployed_through_the_api_may_not_approve_as_one_of_two(site: Site) -> None:
    site.begin(replace(asking(ApprovalRules(people=2)), created_by=ACTOR))
    assert (await say(site, "approve")).status_code == 409


async def test_an_approval_of_what_was_asked_before_is_refused(site: Site) -> None:
    begun = asking(ApprovalRules(people=1))
    assert begun.asking is not None
    site.begin(replace(begun, asking=replace(begun.asking, number=7)))
    assert (await say(site, "approve", asking=6)).status_code == 409
    assert (await say(site, "approve", asking=7, request_id="another-id")).status_code == 200


async def test_the_name_of_a_model_is_no_rollout_to_speak_to(site: Site) -> None:
    site.begin()
    before = site.state
    assert (await say(site, "abort", rollout="fraud")).status_code == 404
    assert site.state == before


async def test_what_is_over_is_tried_again_by_its_id(site: Site) -> None:
    site.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
    answer = await say(site, "retry")
    assert (answer.status_code, answer.json()["rollout"]) == (200, "fraud-2")
    assert (await say(site, "retry")).json() == answer.json()
    assert (await say(site, "pause", request_id="another-id")).status_code == 409


async def test_a_version_is_deployed_in_the_callers_name_and_once(site: Site) -> None:
    body = {"version": "v9", "endpoints": ["10.0.0.9:8080"], "request_id": ID}
    first = await site.ask("POST", f"{ROOT}/models/fraud/rollouts", json=body)
    assert (first.status_code, first.json()["rollout"]) == (201, "fraud-1")
    assert site.stage.rollout("fraud-1").created_by == ACTOR
    again = await site.ask("POST", f"{ROOT}/models/fraud/rollouts", json=body)
    assert again.json() == first.json()
    assert list(site.stage.store.records) == ["fraud-1"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"endpoints": []}, 400),
        ({"endpoints": ["nowhere"]}, 400),
        ({"version": "../v9"}, 400),
        ({"image": "models/fraud:v9"}, 400),
        ({"version": 9}, 400),
        ({"request_id": "short"}, 400),
        ({"more": 1}, 400),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(
    site: Site, change: dict[str, Any], status: int
) -> None:
    body = {"version": "v9", "endpoints": ["10.0.0.9:8080"], "request_id": ID, **change}
    answer = await site.ask("POST", f"{ROOT}/models/fraud/rollouts", json=body)
    assert answer.status_code == status
    assert site.stage.store.records == {}


async def test_a_model_without_a_policy_cannot_be_deployed(site: Site) -> None:
    body = {"version": "v9", "endpoints": ["10.0.0.9:8080"], "request_id": ID}
    assert (await site.ask("POST", f"{ROOT}/models/other/rollouts", json=body)).status_code == 409
    site.stage.policies.in_force["other"] = a_policy(model="other")
    assert (
        await site.ask("POST", f"{ROOT}/models/other/rollouts?namespace=ml", json=body)
    ).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "deploy"},
        {"kind": "PAUSE"},
        {"kind": None},
        {"request_id": "with blanks in it"},
        {"reason": "two\nlines"},
        {"reason": "x" * 501},
        {"asking": 0},
        {"asking": "7"},
        {"asking": 2**40},
        {"actor": "ben"},
    ],
)
async def test_a_word_that_makes_no_sense_changes_nothing(site: Site, change: dict[str, Any]) -> None:
    site.begin()
    before = site.state
    assert (await say(site, **{"kind": "pause", **change})).status_code == 400
    assert site.state == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 60_000, b"NaN", LONE])
async def test_a_body_that_is_no_request_is_refused(site: Site, body: bytes) -> None:
    site.begin()
    before = site.state
    answer = await site.ask(
        "POST",
        f"{ROOT}/rollouts/fraud-1/actions",
        content=body,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 400, answer.text
    assert site.state == before


async def test_when_the_daemon_gets_no_answer_it_is_said(site: Site) -> None:
    site.begin()

    async def silent(*_: object, **__: object) -> None:
        raise Unavailable("handed over, but no daemon has answered", "serinus doctor")

    site.stage.service.follow = silent  # type: ignore[method-assign,assignment]
    answer = await say(site, "pause")
    assert (answer.status_code, answer.json()["hint"]) == (503, "serinus doctor")
