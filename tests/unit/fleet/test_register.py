"""The register: whom a commit wakes, and what it knows after a start."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.adapters.fleet.hours import Hours
from controller.adapters.fleet.register import FleetRegister
from controller.domain.fleet.facts import Pause
from controller.domain.fleet.line import Limits
from controller.domain.fleet.members import member_of
from controller.domain.fleet.rules import FleetRules
from controller.domain.model import Rollout
from controller.domain.policy import Policy
from controller.domain.vocabulary import Phase, Reason
from controller.fleet_settings import FleetSettings, FleetTimes
from tests.fakes import EPOCH, a_policy, a_rollout

FREEZE = FleetTimes.model_validate({"schedule": "0 22 * * *", "duration": "8h", "name": "night"})


class Scene:
    def __init__(self, **settings: object) -> None:
        self.woken: list[str] = []
        self.now = datetime(2026, 12, 1, 12, tzinfo=UTC)
        self.policies: dict[str, Policy] = {}
        fleet = FleetSettings.model_validate(settings)
        hours = Hours(fleet, lambda: self.now)
        self.register = FleetRegister(fleet.limits, hours, lambda: self.policies, self.woken.append)
        self.register.load([])

    def commit(self, rollout: Rollout, phase: Phase, reason: Reason = Reason.STEP_RUNNING) -> Rollout:
        after = replace(rollout, phase=phase, reason=reason)
        self.register.committed(after)
        return after

    def waiting(self, model: str, reason: Reason, **rules: Any) -> Rollout:
        found = self.commit(rollout_of(model, **rules), Phase.PENDING, reason)
        self.woken.clear()
        return found


def rollout_of(model: str, *, number: int = 1, **rules: Any) -> Rollout:
    fleet = FleetRules(**rules)
    rollout = a_rollout(a_policy(model=model, fleet=fleet), number=number)
    return replace(rollout, created_at=EPOCH + timedelta(minutes=number))


def test_the_end_of_one_wakes_only_the_next_in_line() -> None:
    scene = Scene(max_rollouts=1)
    running = scene.commit(rollout_of("running"), Phase.PROGRESSING)
    for model in ("second", "third"):
        scene.waiting(model, Reason.WAITING_FOR_TURN)
    scene.commit(running, Phase.SUCCEEDED, Reason.PROMOTED)
    assert scene.woken == ["second"]


def test_one_that_leaves_the_line_wakes_whom_it_kept_waiting() -> None:
    scene = Scene(gpus=8)
    scene.commit(rollout_of("running", gpus=4), Phase.PROGRESSING)
    large = scene.waiting("large", Reason.WAITING_FOR_GPUS, gpus=8, priority=1)
    scene.waiting("small", Reason.WAITING_FOR_GPUS, gpus=4)
    scene.commit(large, Phase.ABORTED, Reason.ABORTED_BY_PERSON)
    assert scene.woken == ["small"]


def test_a_commit_that_changes_nothing_for_others_wakes_nobody() -> None:
    scene = Scene(max_rollouts=1)
    running = scene.commit(rollout_of("running"), Phase.PROGRESSING)
    scene.waiting("second", Reason.WAITING_FOR_TURN)
    scene.waiting("after", Reason.WAITING_FOR_MODEL, after=("another",))
    scene.commit(running, Phase.PROGRESSING, Reason.WAITING_FOR_REQUESTS)
    scene.commit(running, Phase.BAKING)
    assert scene.woken == []


@pytest.mark.parametrize("end", [Phase.SUCCEEDED, Phase.ROLLED_BACK])
def test_who_comes_after_a_model_is_woken_by_what_becomes_of_it(end: Phase) -> None:
    scene = Scene()
    first = scene.commit(rollout_of("embedder"), Phase.PROGRESSING)
    scene.waiting("ranker", Reason.WAITING_FOR_MODEL, after=("embedder",))
    scene.commit(first, end)
    assert scene.woken == ["ranker"]


def test_a_group_is_woken_by_its_members_of_the_same_namespace() -> None:
    scene = Scene()
    scene.commit(rollout_of("b", group="search"), Phase.PROGRESSING)
    stranger = rollout_of("stranger", group="search")
    scene.commit(replace(stranger, policy=replace(stranger.policy, namespace="x")), Phase.PROGRESSING)
    scene.woken.clear()
    scene.commit(rollout_of("a", group="search"), Phase.PROGRESSING, Reason.WAITING_FOR_GROUP)
    assert scene.woken == ["b"]


def test_the_end_of_a_freeze_wakes_who_waited_for_it_and_nobody_else() -> None:
    scene = Scene(freezes=[FREEZE.model_dump(exclude={"duration"}) | {"duration": "8h"}])
    scene.now = datetime(2026, 12, 1, 23, tzinfo=UTC)
    scene.waiting("frozen", Reason.RELEASE_FREEZE)
    scene.waiting("another", Reason.WAITING_FOR_MODEL, after=("x",))
    scene.register.review()
    assert scene.woken == []
    scene.now = datetime(2026, 12, 2, 6, tzinfo=UTC)
    scene.register.review()
    assert scene.woken == ["frozen"]


def test_the_end_of_a_pause_wakes_who_waited_for_it() -> None:
    scene = Scene()
    scene.register.pause_is(Pause("ann", scene.now))
    scene.waiting("held", Reason.EVERYTHING_PAUSED)
    scene.register.review()
    assert scene.woken == []
    scene.register.pause_is(None)
    assert scene.woken == ["held"]


def test_a_start_knows_what_the_records_say_whatever_their_order() -> None:
    scene = Scene(max_rollouts=1)
    old = replace(rollout_of("embedder"), phase=Phase.SUCCEEDED)
    new = replace(rollout_of("embedder", number=2), phase=Phase.PROGRESSING)
    scene.register.load(map(member_of, [new, old]))
    seen = scene.register.seen(rollout_of("ranker", after=("embedder",)), ())
    assert seen is not None
    assert [each.rollout for each in seen.before] == ["embedder-2"]
    assert seen.line is not None
    assert seen.line.message == "waits for its turn: 1 of 1 rollouts run already"


def test_a_record_that_was_deleted_takes_no_place() -> None:
    scene = Scene(max_rollouts=1)
    running = scene.commit(rollout_of("running"), Phase.PROGRESSING)
    scene.waiting("second", Reason.WAITING_FOR_TURN)
    scene.register.gone(running.id)
    assert scene.woken == ["second"]
    assert scene.register.seen(rollout_of("third"), ()) is not None
    scene.register.gone("second-1")
    assert scene.register.seen(rollout_of("third"), ()) is None


def test_without_rules_there_is_nothing_to_say() -> None:
    scene = Scene()
    scene.commit(rollout_of("running"), Phase.PROGRESSING)
    assert scene.register.seen(rollout_of("another"), ()) is None


def test_gateways_count_as_they_are_seen_and_later_as_they_were_recorded() -> None:
    scene = Scene(max_rollouts_per_gateway=1)
    running = rollout_of("running")
    scene.commit(replace(running, route=replace(running.route, gateways=("ml/a", "ml/b"))), Phase.PROGRESSING)
    look: Callable[[str], object] = lambda at: scene.register.seen(rollout_of("another"), (at,))  # noqa: E731
    assert look("ml/c") is None
    full = scene.register.seen(rollout_of("another"), ("ml/b",))
    assert full is not None
    assert full.line is not None
    assert full.line.message == "waits for its turn: 1 of 1 rollouts run at gateway ml/b already"


def test_before_the_records_are_read_nothing_starts_or_steps_up() -> None:
    hours = Hours(FleetSettings(), lambda: EPOCH)
    register = FleetRegister(Limits(), hours, dict, lambda model: None)
    seen = register.seen(rollout_of("early"), ())
    assert seen is not None
    assert seen.closed is not None
    register.load([])
    assert register.seen(rollout_of("early"), ()) is None
