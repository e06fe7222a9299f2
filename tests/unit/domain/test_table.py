"""Every transition of the table happens in some story, and no other one can."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from controller.domain.model import CommandKind, Rollout
from controller.domain.observation import NoReading
from controller.domain.policy import ApprovalRules, Fallback, Milestone, Validation
from controller.domain.release import Split
from controller.domain.table import TABLE, Trigger, move
from controller.domain.vocabulary import TERMINAL, Phase, Reason
from controller.errors import InvariantError
from tests.domain_checker import judge
from tests.domain_facts import Committed
from tests.domain_outside import release
from tests.domain_scenes import BAD, a_step, a_world, at, followed, newest, oldest, once, reach, seconds
from tests.domain_world import World

Transition = tuple[Trigger, Phase, Phase]
RUNNING = (Phase.PENDING, Phase.PREPARING, Phase.VALIDATING, Phase.PROGRESSING, Phase.PROMOTING, Phase.BAKING)
WITH_TRAFFIC = (Phase.PROGRESSING, Phase.PROMOTING, Phase.BAKING)
FOREIGN = Split(release("v1"), release("v2"), 900)


def all_transitions() -> set[Transition]:
    return {(t, source, to) for t, row in TABLE.items() for source, targets in row.items() for to in targets}


def transitions_of(world: World) -> set[Transition]:
    entries = [fact.entry for fact in world.history if isinstance(fact, Committed)]
    triggers = {trigger.value: trigger for trigger in Trigger}
    return {(triggers[e.event], e.phase_before, e.phase) for e in entries if e.event in triggers}


def say(world: World, kind: CommandKind) -> World:
    followed(world.say(kind, oldest(world)))
    return world


def paused_from(phase: Phase) -> World:
    return say(held(phase), CommandKind.PAUSE)


def held(phase: Phase, **changes: object) -> World:
    """In a phase, and staying there: the gateway has not taken the promotion yet."""
    world = at(phase, **changes)
    if phase is Phase.PROMOTING:
        world.gateway.accepts = False
        world.gateway.running = Split(release("v1"), release("v2"), 250)
    return world


def promoted_to_the_end() -> World:
    return at(Phase.SUCCEEDED)


def first_deployment() -> World:
    return at(Phase.SUCCEEDED, None)


def skipped_by_a_person() -> World:
    world = at(Phase.PROGRESSING)
    once(world, 3)
    return say(world, CommandKind.PROMOTE)


def skipped_while_paused() -> World:
    world = at(Phase.PROGRESSING)
    once(world, 3)
    return say(say(world, CommandKind.PAUSE), CommandKind.PROMOTE)


def bad_in_its_shadow() -> World:
    world = a_world("v1", steps=(a_step(0, mirror_permille=100), a_step(50)))
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.NOT_DEPLOYED)
    return world


def never_ready() -> World:
    world = a_world()
    world.versions["v2"].ready = False
    reach(world, Phase.NOT_DEPLOYED)
    return world


def golden_request_failed() -> World:
    world = a_world(validation=Validation("golden.yaml", seconds(30)))
    world.versions["v2"].golden = False
    reach(world, Phase.NOT_DEPLOYED)
    return world


def already_serving() -> World:
    world = a_world()
    world.serving = release("v2")
    reach(world, Phase.NOT_DEPLOYED)
    return world


def bad_at_the_first_step() -> World:
    world = at(Phase.PROGRESSING)
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.ROLLED_BACK)
    return world


def suspected_at_the_second_step() -> World:
    world = at(Phase.PROGRESSING, judge="sequential")
    reach(world, Phase.PROGRESSING, step=1)
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.ROLLED_BACK)
    return world


def bad_after_promotion() -> World:
    world = at(Phase.BAKING)
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.ROLLED_BACK)
    return world


def not_ready_while_promoting() -> World:
    world = held(Phase.PROMOTING)
    world.versions["v2"].ready = False
    reach(world, Phase.ROLLING_BACK)
    return world


def not_ready_while_paused() -> World:
    world = paused_from(Phase.PROGRESSING)
    world.versions["v2"].ready = False
    reach(world, Phase.ROLLED_BACK)
    return world


def both_not_ready(phase: Phase, *, pause: bool = False) -> World:
    world = held(phase)
    if pause:
        say(world, CommandKind.PAUSE)
    world.versions["v1"].ready = world.versions["v2"].ready = False
    reach(world, Phase.HALTED)
    return world


def halted_then_stable_recovers() -> World:
    world = both_not_ready(Phase.BAKING)
    world.versions["v1"].ready = True
    reach(world, Phase.ROLLED_BACK)
    return world


def drifted_in(phase: Phase, *, pause: bool = False) -> World:
    world = both_not_ready(Phase.BAKING) if phase is Phase.HALTED else held(phase)
    if pause:
        say(world, CommandKind.PAUSE)
    world.edit(FOREIGN)
    reach(world, Phase.FROZEN)
    return world


def latched_while_frozen() -> World:
    world = drifted_in(Phase.PROGRESSING)
    world.gateway.roll_back_unrecorded(Reason.CHECK_FAILED)
    reach(world, Phase.ROLLED_BACK)
    return world


def too_late(phase: Phase) -> World:
    world = held(phase, deadline=seconds(120), on_deadline=Fallback.HOLD, bake=seconds(6000))
    world.metrics.silence = (
        NoReading(Reason.METRICS_PARTIAL, "no answer") if phase is Phase.PROGRESSING else None
    )
    reach(world, Phase.PAUSED)
    return world


def overtaken_in(phase: Phase, *, pause: bool = False) -> World:
    world = held(phase)
    if pause:
        say(world, CommandKind.PAUSE)
    world.deploy("v3")
    world.gateway.accepts = True
    reach(world, Phase.SUPERSEDED)
    return world


def aborted_while_rolling_back() -> World:
    world = held(Phase.PROGRESSING)
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.ROLLING_BACK)
    return say(world, CommandKind.ABORT)


def denied_while_paused() -> World:
    world = a_world(approval=ApprovalRules((Milestone.START,)))
    for _ in range(3):
        world.run()
    return say(say(world, CommandKind.PAUSE), CommandKind.DENY)


def aborted_to_the_end() -> World:
    world = say(held(Phase.PROGRESSING), CommandKind.ABORT)
    reach(world, Phase.ABORTED)
    return world


STORIES: dict[str, Callable[[], World]] = {
    "promoted": promoted_to_the_end,
    "first deployment": first_deployment,
    "skipped": skipped_by_a_person,
    "skipped while paused": skipped_while_paused,
    "never ready": never_ready,
    "golden request failed": golden_request_failed,
    "already serving": already_serving,
    "bad at the first step": bad_at_the_first_step,
    "bad in its shadow": bad_in_its_shadow,
    "suspected at the second step": suspected_at_the_second_step,
    "bad after promotion": bad_after_promotion,
    "not ready while promoting": not_ready_while_promoting,
    "not ready while paused": not_ready_while_paused,
    "halted while promoting": lambda: both_not_ready(Phase.PROMOTING),
    "halted while baking": lambda: both_not_ready(Phase.BAKING),
    "halted while paused": lambda: both_not_ready(Phase.PROMOTING, pause=True),
    "halted, then stable recovers": halted_then_stable_recovers,
    "retried while halted": lambda: say(both_not_ready(Phase.BAKING), CommandKind.RETRY),
    "drift while paused": lambda: drifted_in(Phase.PROGRESSING, pause=True),
    "latched while frozen": latched_while_frozen,
    "aborted while rolling back": aborted_while_rolling_back,
    "aborted to the end": aborted_to_the_end,
    "denied while paused": denied_while_paused,
    **{f"too late in {p}": lambda p=p: too_late(p) for p in WITH_TRAFFIC},  # type: ignore[misc]
    **{f"overtaken in {p}": lambda p=p: overtaken_in(p) for p in RUNNING},  # type: ignore[misc]
    **{f"overtaken, paused in {p}": lambda p=p: overtaken_in(p, pause=True) for p in RUNNING},  # type: ignore[misc]
    **{
        f"resumed to {p}": lambda p=p: say(paused_from(p), CommandKind.RESUME)  # type: ignore[misc]
        for p in RUNNING
    },
    **{
        f"drift in {p}, resumed": lambda p=p: say(drifted_in(p), CommandKind.RESUME)  # type: ignore[misc]
        for p in (*WITH_TRAFFIC, Phase.HALTED)
    },
    **{f"aborted in {p}": lambda p=p: say(held(p), CommandKind.ABORT) for p in RUNNING},  # type: ignore[misc]
    **{
        f"aborted, paused in {p}": lambda p=p: say(paused_from(p), CommandKind.ABORT)  # type: ignore[misc]
        for p in RUNNING
    },
    "aborted while frozen": lambda: say(drifted_in(Phase.PROGRESSING), CommandKind.ABORT),
    "aborted while halted": lambda: say(both_not_ready(Phase.BAKING), CommandKind.ABORT),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_a_story_keeps_the_guarantees(story: Callable[[], World]) -> None:
    world = story()
    judge(world.history, world.initial, ever_bad=set(world.versions))


def test_every_transition_of_the_table_happens_in_a_story() -> None:
    happened = set[Transition]().union(*(transitions_of(story()) for story in STORIES.values()))
    missing = all_transitions() - happened
    assert not missing, sorted(missing)


def test_no_story_has_a_transition_that_the_table_does_not_hold() -> None:
    happened = set[Transition]().union(*(transitions_of(story()) for story in STORIES.values()))
    assert happened <= all_transitions()


@pytest.mark.parametrize(("trigger", "source"), list(product(Trigger, Phase)))
def test_an_illegal_transition_is_refused_and_leaves_the_record_as_it_was(
    trigger: Trigger, source: Phase
) -> None:
    rollout = record_in(source)
    for to in set(Phase) - TABLE[trigger].get(source, frozenset()):
        before = rollout
        with pytest.raises(InvariantError, match=trigger.name):
            move(rollout, trigger, to, Reason.CREATED, "")
        assert rollout == before


def test_no_transition_leaves_a_terminal_phase() -> None:
    assert not {source for _, source, _ in all_transitions()} & TERMINAL


def test_every_phase_has_a_way_to_an_end_without_the_canary() -> None:
    """S15: no state without an exit to RolledBack, Aborted, NotDeployed or Superseded."""
    ways: dict[Phase, set[Phase]] = {}
    for _, source, to in all_transitions():
        ways.setdefault(source, set()).add(to)
    for phase in set(Phase) - TERMINAL:
        exits = ways[phase] | {to for each in ways[phase] for to in ways.get(each, set())}
        assert exits & (TERMINAL - {Phase.SUCCEEDED}), phase


def test_each_move_starts_the_clock_of_the_phase_anew() -> None:
    rollout = once(a_world())
    assert rollout.clocks.in_phase == seconds(0)
    world = a_world()
    world.versions["v2"].ready = False
    assert once(world, 4).clocks.in_phase > seconds(0)
    world.versions["v2"].ready = True
    assert reach(world, Phase.VALIDATING).clocks.in_phase == seconds(0)


def record_in(phase: Phase) -> Rollout:
    return replace(newest(a_world()), phase=phase)
