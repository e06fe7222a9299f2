"""A share of copies is shown wherever a weight would be: ``shadow 10%``, the same words everywhere."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.adapters.kube import decisionlog
from controller.adapters.metrics.cases import selector
from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.notify.cloudevent import event_of
from controller.adapters.notify.message import plain_line
from controller.adapters.notify.slack_blocks import reply, root
from controller.adapters.store.codec import decode_entry, decode_rollout, encode_entry, encode_rollout
from controller.cli.phrases import line_of, weight_of
from controller.control.policy_words import policy_words
from controller.control.record_view import policy_view, record_view
from controller.control.views import entry_view, status_view
from controller.control.why import why_view
from controller.dashboard.words import offers
from controller.domain.mirroring import skips
from controller.domain.model import CommandKind, Entry, Rollout
from controller.domain.vocabulary import Phase
from controller.ports import Posting
from controller.report.tables import steps
from tests.domain_scenes import a_step, a_world, entry_of, in_force, oldest, once, reach

SHADOW = replace(a_step(0), mirror_permille=100)
STEPS = (SHADOW, a_step(50))


@pytest.fixture
def shadow() -> tuple[Rollout, Entry]:
    world = a_world("v1", steps=STEPS)
    reach(world, Phase.PROGRESSING)
    in_force(world)
    return oldest(world), entry_of(world, "canary_validated").entry


def test_the_status_and_the_log_tell_the_share_beside_a_weight_of_0(shadow: tuple[Rollout, Entry]) -> None:
    rollout, entry = shadow
    status, line = status_view(rollout, entry.at), entry_view(rollout, entry)
    assert (status.weight, status.mirror, line.weight, line.mirror) == (0, 10, 0, 10)
    assert "  shadow 10%  " in line_of(status)
    assert "  shadow 10%  " in line_of(line)
    assert (weight_of(0, 0.5), weight_of(5, 0)) == ("shadow 0.5%", "5%")


def test_people_are_told_the_share(shadow: tuple[Rollout, Entry]) -> None:
    rollout, entry = shadow
    assert ", shadow 10 %." in plain_line(rollout, entry)
    data = event_of(Posting(rollout, entry, "x")).data
    assert (data.weight_percent, data.mirror_percent) == (0, 10)
    said = json.dumps([block.to_dict() for block in (*reply(rollout, entry), *root(rollout, entry.at))])
    assert ", shadow 10%, by serinus" in said


def test_a_button_says_at_what_share_it_stays(shadow: tuple[Rollout, Entry]) -> None:
    rollout, entry = shadow
    (pause,) = offers(status_view(rollout, entry.at), {CommandKind.PAUSE})
    assert pause.happens.startswith("v2 of fraud stays at shadow 10%.")


def test_steps_are_called_by_their_shares(shadow: tuple[Rollout, Entry]) -> None:
    rollout, _ = shadow
    view = policy_view(rollout.policy)
    assert [row[0] for row in steps(view)] == ["shadow 10%", "5%"]
    words = policy_words(view)
    assert words["steps"] == "[shadow 10%, 5%]"
    assert "steps[shadow 10%].for" in words


def test_why_says_what_comes_next_and_what_was_left_out(shadow: tuple[Rollout, Entry]) -> None:
    rollout, entry = shadow
    assert why_view(rollout, entry.at).next_action == "step 2 of 2: 5%, if every check passes"
    world = a_world("v1", steps=STEPS)
    world.unmirrored = "a route of this kind cannot copy requests"
    reach(world, Phase.PROGRESSING)
    why = record_view(oldest(world), world.now()).why
    assert why.warnings == ("shadow 10% is left out: a route of this kind cannot copy requests",)


def test_while_it_is_left_out_the_next_step_does_not_wait_for_checks() -> None:
    world = a_world("v1", steps=STEPS)
    world.gateway.copies = False
    reach(world, Phase.PROGRESSING)
    while not skips(oldest(world)):
        once(world)
    why = why_view(oldest(world), world.now())
    assert why.next_action == "step 2 of 2: 5%, as its shadow is left out"


def test_records_keep_the_share_in_both_stores(shadow: tuple[Rollout, Entry]) -> None:
    rollout, entry = shadow
    assert decode_rollout(encode_rollout(rollout)) == rollout
    assert decode_entry(encode_entry(entry)) == entry
    kept = decisionlog.decoded(decisionlog.encoded(entry))
    assert kept is not None
    assert (kept.weight_permille, kept.mirror_permille) == (0, 100)


def test_a_record_of_before_there_were_shadows_is_read(shadow: tuple[Rollout, Entry]) -> None:
    rollout, entry = shadow
    old = replace(rollout, policy=replace(rollout.policy, steps=STEPS[1:]))
    text = encode_rollout(old).decode()
    for field in (
        '"mirror_permille":0,',
        ',"mirror_permille":0',
        ',"mirror_permille":100',
        ',"unmirrored":""',
    ):
        text = text.replace(field, "")
    assert "mirror" not in text
    assert decode_rollout(text.encode()).policy.steps == STEPS[1:]
    line = encode_entry(replace(entry, observation=None)).decode().replace(',"mirror_permille":100', "")
    assert decode_entry(line.encode()).mirror_permille == 0


def test_on_envoy_copies_are_counted_apart_from_users_requests(shadow: tuple[Rollout, Entry]) -> None:
    rollout, _ = shadow
    labels = built_in_packs()["envoy"].versions
    assert rollout.stable is not None
    copies, users = {"envoy_cluster_name": "fraud@v2/shadow"}, {"envoy_cluster_name": "fraud@v2"}
    canary = selector(labels, rollout, rollout.release)
    assert (canary.selects(copies), canary.selects(users)) == (True, False)
    stable = selector(labels, rollout, rollout.stable)
    assert stable.selects({"envoy_cluster_name": "fraud@v1"})
    assert not stable.overlaps(canary)
    world = a_world("v1", steps=STEPS)
    risen = reach(world, Phase.PROGRESSING, step=1)
    canary = selector(labels, risen, risen.release)
    assert (canary.selects(copies), canary.selects(users)) == (False, True)
    assert SHADOW.hold == timedelta(seconds=30)
