"""Which buttons a root message has, and what they say."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.notify.slack import SlackChannel
from controller.adapters.notify.slack_buttons import ButtonValue, buttons, kinds_for
from controller.domain.commands import obey
from controller.domain.model import Command, Decision, Rollout, Route
from controller.domain.policy import ApprovalRules
from controller.domain.release import Release
from controller.domain.vocabulary import Phase
from tests.fakes import EPOCH
from tests.receiver import serving
from tests.slack_caller import button_in
from tests.unit.control.stage import asking, progressing
from tests.unit.notify.scenes import posting
from tests.unit.notify.test_slack import all_delivered

BEFORE_TRAFFIC = {Phase.PENDING, Phase.PREPARING, Phase.VALIDATING}
OVER = [phase for phase in Phase if phase.terminal]


def at(phase: Phase, resume_to: Phase | None = None) -> Rollout:
    rollout = replace(progressing(), phase=phase, resume_to=resume_to)
    return replace(rollout, route=Route()) if BEFORE_TRAFFIC & {phase, resume_to} else rollout


def shown(rollout: Rollout) -> list[dict[str, Any]]:
    return [element for block in buttons(rollout, "team") for element in block.to_dict()["elements"]]


@pytest.mark.parametrize(
    ("rollout", "words"),
    [
        (at(Phase.PENDING), "pause abort"),
        (at(Phase.PREPARING), "pause abort"),
        (at(Phase.VALIDATING), "pause abort"),
        (at(Phase.PROGRESSING), "promote pause abort"),
        (at(Phase.PROMOTING), "pause abort"),
        (at(Phase.BAKING), "pause abort"),
        (at(Phase.PAUSED, Phase.PROGRESSING), "promote resume abort"),
        (at(Phase.PAUSED, Phase.PREPARING), "resume abort"),
        (at(Phase.FROZEN, Phase.PROGRESSING), "resume abort"),
        (at(Phase.FROZEN), "abort"),
        (at(Phase.HALTED), "abort"),
        (at(Phase.ROLLING_BACK), ""),
        (asking(ApprovalRules()), "pause abort"),
        *[(at(phase), "") for phase in OVER],
    ],
)
def test_a_phase_has_the_words_that_make_sense_in_it(rollout: Rollout, words: str) -> None:
    assert " ".join(kinds_for(rollout)) == words
    assert [each["action_id"] for each in shown(rollout)] == [f"serinus_{word}" for word in words.split()]


@pytest.mark.parametrize("resume_to", [Phase.PREPARING, Phase.PROGRESSING, Phase.PROMOTING, Phase.BAKING])
@pytest.mark.parametrize("phase", Phase)
def test_no_word_is_offered_that_the_rollout_would_refuse(phase: Phase, resume_to: Phase) -> None:
    waits = resume_to if phase in (Phase.PAUSED, Phase.FROZEN) else None
    if phase is Phase.FROZEN and waits is Phase.PREPARING:
        return  # there is no such rollout
    rollout = at(phase, waits)
    for kind in kinds_for(rollout):
        decided = obey(rollout, Command(kind, "request", "ann", EPOCH))
        assert isinstance(decided, Decision), (kind, decided)


def test_each_names_its_rollout_exactly_and_asks_for_a_confirmation() -> None:
    rollout = progressing()
    promote, pause, abort = shown(rollout)
    value = ButtonValue.model_validate_json(abort["value"])
    assert (value.rollout, value.namespace, value.destination) == (rollout.id, "default", "team")
    assert value.created_at == rollout.created_at
    later = replace(rollout, created_at=rollout.created_at + timedelta(microseconds=1))
    assert ButtonValue.model_validate_json(shown(later)[0]["value"]) != value
    assert {each["value"] for each in (promote, pause)} == {abort["value"]}
    assert [each.get("style") for each in (promote, pause, abort)] == ["primary", None, "danger"]
    assert [each["confirm"]["text"]["text"] for each in (promote, pause, abort)] == [
        "v2 of fraud serves everyone at once. The steps that are left are skipped.",
        "v2 of fraud stays at 5%. Checks go on, and a rollback still happens by itself.",
        "All requests go to v1 again, and the rollout of v2 of fraud is over.",
    ]
    assert abort["confirm"]["style"] == "danger"
    assert all(each["confirm"]["deny"]["text"] == "Cancel" for each in (promote, pause, abort))


def test_a_frozen_rollout_says_what_resuming_overwrites() -> None:
    resume, _ = shown(at(Phase.FROZEN, Phase.PROGRESSING))
    assert "over what somebody else wrote" in resume["confirm"]["text"]["text"]


@given(st.text(max_size=300), st.text(max_size=300), st.sampled_from(Phase))
def test_nothing_is_longer_than_slack_takes_nor_markup(model: str, version: str, phase: Phase) -> None:
    rollout = replace(
        at(phase, Phase.PROGRESSING),
        model=model + "<!channel>",
        release=Release(version + "<@U1>", ()),
        stable=Release(version, ()),
    )
    for each in shown(rollout):
        confirm = each["confirm"]
        assert each["text"]["type"] == confirm["text"]["type"] == confirm["title"]["type"] == "plain_text"
        assert len(each["value"]) <= 2000
        assert 0 < len(confirm["text"]["text"]) <= 300
        assert len(confirm["title"]["text"]) <= 100


@pytest.mark.parametrize("wanted", [True, False])
async def test_the_root_has_buttons_only_where_somebody_is_called(tmp_path: Path, wanted: bool) -> None:
    (tmp_path / "token").write_text("xoxb-1")
    running = replace(posting(), rollout=progressing())
    with serving() as slack:
        channel = SlackChannel("team", tmp_path / "token", "#ml", slack.url, buttons=wanted)
        await all_delivered(channel, running)
        [root] = slack.roots
        assert ("actions" in {block["type"] for block in root["blocks"]}) is wanted
        if wanted:
            assert button_in(root, "pause")["text"]["text"] == "Pause"
