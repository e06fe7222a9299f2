"""Both versions break a limit: an incident that the canary did not cause, and that is told once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.domain.machine import decide
from controller.domain.model import CommandKind, Rollout
from controller.domain.observation import NoReading, Observation, Reading
from controller.domain.observing import with_split
from controller.domain.policy import Fallback, NoData
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.domain_outside import release
from tests.domain_scenes import (
    BAD,
    ERRORS,
    a_step,
    at,
    entry_of,
    events,
    in_force,
    oldest,
    once,
    seconds,
    seen,
)
from tests.domain_world import World

FIVE_MINUTES = timedelta(minutes=5)
SILENCE = NoReading(Reason.METRICS_STALE, "the newest sample is 90 s old")
LONG = (a_step(50, deadline=timedelta(hours=6)), a_step(250, deadline=timedelta(hours=6)))


def a_world(**changes: object) -> World:
    """v2 is measured at its first weight by the sequential judge, and nothing is wrong yet."""
    world = at(Phase.PROGRESSING, judge="sequential", **{"steps": LONG, **changes})
    in_force(world)
    return world


def both(world: World, bad: float) -> None:
    for version in ("v1", "v2"):
        world.versions[version].bad["errors"] = bad


def began(world: World) -> Rollout:
    """Both versions have become bad, and it shows."""
    both(world, BAD)
    for _ in range(20):
        rollout = once(world)
        if rollout.evidence.broken_by_both:
            return rollout
    raise AssertionError("no incident")


def looked(world: World, rollout: Rollout) -> Observation:
    """A pass that brings no new counts."""
    return seen(world, route=world.gateway.observe(), reading=Reading(world.metrics.now()))


def due(world: World, **changes: object) -> Rollout:
    """An incident of five minutes, of which nobody was told yet."""
    rollout = began(world)
    return replace(rollout, clocks=replace(rollout.clocks, incident=FIVE_MINUTES, **changes))  # type: ignore[arg-type]


def test_an_incident_is_told_once_and_the_weight_holds() -> None:
    world = a_world()
    both(world, BAD)
    start = world.seconds
    world.live(seconds=20 * 60)
    assert events(world).count("incident_found") == 1
    told = entry_of(world, "incident_found")
    assert 300 <= told.at - start <= 320
    assert told.entry.notable
    assert told.entry.reason is Reason.BOTH_ABOVE_LIMIT
    assert told.entry.message == (
        "both versions have broken the limit of errors for 5m: an incident, not the canary; the weight holds"
    )
    rollout = oldest(world)
    assert (rollout.phase, rollout.weight_permille) == (Phase.PROGRESSING, 50)
    assert rollout.evidence.verdict is Verdict.UNKNOWN


def test_the_policy_says_after_which_time() -> None:
    world = a_world(no_data=NoData(alert_after=timedelta(minutes=1)))
    began(world)
    start = world.seconds
    world.live(seconds=75)
    assert 45 <= entry_of(world, "incident_found").at - start <= 65


def test_every_broken_limit_is_named() -> None:
    world = a_world()
    rollout = due(world)
    [broken] = rollout.evidence.checks
    several = replace(rollout.evidence, checks=(broken, replace(broken, name="crashes")))
    turn = decide(replace(rollout, evidence=several), looked(world, rollout)).rollout
    assert turn.message.startswith("both versions have broken the limits of errors and crashes for 5m")


def test_a_second_incident_is_told_again() -> None:
    world = a_world()
    began(world)
    world.live(seconds=400)
    both(world, 0.0)
    world.live(seconds=60)
    over = oldest(world)
    assert (over.clocks.incident, over.told) == (seconds(0), ())
    began(world)
    world.live(seconds=400)
    assert events(world).count("incident_found") == 2


def test_an_incident_that_ends_in_time_is_not_told() -> None:
    world = a_world()
    began(world)
    world.live(seconds=200)
    both(world, 0.0)
    world.live(seconds=300)
    assert "incident_found" not in events(world)


def test_silence_neither_prolongs_an_incident_nor_ends_it() -> None:
    world = a_world()
    began(world)
    before = once(world, 3)
    world.metrics.silence = SILENCE
    silent = once(world, 5)
    assert silent.clocks.incident == before.clocks.incident > seconds(0)
    world.metrics.silence = None
    assert once(world).clocks.incident > before.clocks.incident


def test_time_that_nobody_watched_is_none_of_an_incident() -> None:
    world = a_world()
    began(world)
    before = once(world, 3)
    world.advance(240)
    assert once(world).clocks.incident == before.clocks.incident
    assert once(world).clocks.incident > before.clocks.incident


def test_a_check_that_only_reports_makes_no_incident() -> None:
    only, good = replace(ERRORS, report_only=True), replace(ERRORS, name="crashes")
    steps = (a_step(50, hold=timedelta(hours=1), deadline=timedelta(hours=6)),)
    world = a_world(checks=(only, good), steps=steps)
    both(world, BAD)
    world.live(seconds=400)
    rollout = oldest(world)
    assert rollout.evidence.checks[0].reason is Reason.BOTH_ABOVE_LIMIT
    assert rollout.clocks.incident == seconds(0)
    assert "incident_found" not in events(world)


def test_another_weight_does_not_tell_of_the_same_incident_again() -> None:
    world = a_world()
    untold = due(world)
    told = decide(untold, looked(world, untold)).rollout
    assert told.reason is Reason.BOTH_ABOVE_LIMIT
    told = replace(told, told=(*told.told, Reason.TOO_LITTLE_EVIDENCE))
    lowered = with_split(told, Split(release("v1"), release("v2"), 10))
    assert lowered.told == (Reason.BOTH_ABOVE_LIMIT,)
    assert lowered.clocks.incident == told.clocks.incident
    entry = decide(lowered, looked(world, lowered)).entry
    assert entry is not None
    assert entry.event != "incident_found"


def test_a_person_who_resumes_grants_the_time_anew() -> None:
    world = a_world()
    world.records["fraud-1"] = due(world)
    world.say(CommandKind.PAUSE, oldest(world))
    assert once(world, 2).clocks.incident == FIVE_MINUTES
    world.say(CommandKind.RESUME, oldest(world))
    assert (oldest(world).clocks.incident, oldest(world).told) == (seconds(0), ())


@pytest.mark.parametrize("on_deadline", Fallback)
def test_it_is_told_before_a_deadline_that_it_caused_is_acted_on(on_deadline: Fallback) -> None:
    world = a_world(on_deadline=on_deadline)
    late = due(world, since_step=timedelta(hours=7))
    entry = decide(late, looked(world, late)).entry
    assert entry is not None
    assert entry.event == "incident_found"


def test_what_harms_users_comes_first() -> None:
    world = a_world()
    rollout = replace(due(world), unready_passes=3)
    assert decide(rollout, looked(world, rollout)).rollout.phase is Phase.ROLLING_BACK
