"""What harms users comes before what helps the release: the order of the rules with traffic."""

from dataclasses import replace

import pytest

from controller.domain.machine import decide
from controller.domain.model import CommandKind, Rollout, SetSplit
from controller.domain.observation import Measure, NoReading, Observation, Readiness, Reading, RouteSeen
from controller.domain.observing import with_split
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.domain_facts import Written
from tests.domain_outside import release
from tests.domain_scenes import (
    BAD,
    a_world,
    at,
    entry_of,
    events,
    followed,
    in_force,
    newest,
    oldest,
    once,
    reach,
    seconds,
    seen,
)
from tests.domain_world import World

V1, V2 = release("v1"), release("v2")
UNREADY = Readiness(ready=False, message="v2 answers 503")
WITH_TRAFFIC = (Phase.PROGRESSING, Phase.PROMOTING, Phase.BAKING)


def condemned(rollout: Rollout) -> Rollout:
    """A record whose evidence is FAIL."""
    return replace(rollout, evidence=replace(rollout.evidence, verdict=Verdict.FAIL))


def on(world: World, **what: object) -> Observation:
    """An observation of a world in which all is well, but for what is named."""
    well: dict[str, object] = {
        "route": RouteSeen(oldest(world).route.intended, accepted=True),
        "canary": Readiness(ready=True),
        "stable": Readiness(ready=True),
        "reading": Reading(world.metrics.now()),
    }
    return seen(world, **(well | what))


@pytest.mark.parametrize("phase", [*WITH_TRAFFIC, Phase.PAUSED, Phase.FROZEN, Phase.HALTED])
def test_a_gateway_that_was_rolled_back_without_the_record_is_followed_from_everywhere(phase: Phase) -> None:
    world = at(Phase.BAKING)
    rollout = replace(oldest(world), phase=phase, resume_to=Phase.BAKING)
    route = RouteSeen(Split(V1), accepted=True, latched=Reason.CHECK_FAILED)
    decision = decide(rollout, on(world, route=route, stable=UNREADY, canary=UNREADY, successor="fraud-2"))
    assert decision.rollout.phase is Phase.ROLLING_BACK
    assert decision.rollout.cause is Reason.CHECK_FAILED
    assert decision.actions == (SetSplit(Split(V1), Split(V1)),)


def test_a_gateway_that_was_aborted_without_the_record_ends_as_aborted() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.store_broken = True
    world.say(CommandKind.ABORT, oldest(world))
    assert (world.gateway.running, world.gateway.latched) == (Split(V1), Reason.ABORTED_BY_PERSON)
    world.store_broken = False
    assert reach(world, Phase.ABORTED).reason is Reason.ABORTED_BY_PERSON


def test_the_write_of_the_record_takes_the_latch_away() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.store_broken = True
    world.versions["v2"].bad["errors"] = BAD
    while world.gateway.latched is None:
        once(world)
    assert world.gateway.running == Split(V1)
    assert oldest(world).phase is Phase.PROGRESSING
    world.store_broken = False
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.CHECK_FAILED
    assert world.gateway.latched is None


@pytest.mark.parametrize("phase", WITH_TRAFFIC)
def test_drift_freezes_before_anything_else_is_judged(phase: Phase) -> None:
    world = at(phase)
    rollout = replace(condemned(oldest(world)), unready_passes=9)
    foreign = RouteSeen(Split(V1, V2, 333), accepted=True)
    decision = decide(rollout, on(world, route=foreign, canary=UNREADY, successor="fraud-2"))
    assert (decision.rollout.phase, decision.rollout.resume_to) == (Phase.FROZEN, phase)
    assert decision.actions == ()
    assert decision.rollout.message.startswith("the gateway gives the canary 33.3%, not the ")


def test_a_fail_that_arrives_together_with_drift_is_not_counted_on_the_foreign_weight() -> None:
    world = at(Phase.PROGRESSING)
    before = in_force(world)
    world.versions["v2"].bad["errors"] = 1.0
    world.edit(Split(V1, V2, 900))
    frozen = once(world)
    assert frozen.phase is Phase.FROZEN
    assert frozen.evidence == before.evidence
    world.say(CommandKind.RESUME, frozen)
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.CHECK_FAILED


def test_a_rejected_route_freezes_with_the_gateways_own_words() -> None:
    world = a_world()
    reach(world, Phase.VALIDATING)
    world.gateway.rejects = True
    rollout = reach(world, Phase.FROZEN)
    assert (rollout.reason, rollout.message) == (Reason.ROUTE_REJECTED, "the gateway rejected the route")
    assert world.gateway.running == Split(V1)
    world.gateway.rejects = False
    world.say(CommandKind.RESUME, rollout)
    reach(world, Phase.SUCCEEDED)


def test_a_canary_that_is_not_ready_three_times_goes_without_asking_any_metric() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.metrics.silence = NoReading(Reason.METRICS_UNAVAILABLE, "down")
    world.versions["v2"].ready = False
    assert once(world, 2).phase is Phase.PROGRESSING
    rollout = once(world)
    assert (rollout.phase, rollout.reason) == (Phase.ROLLING_BACK, Reason.CANARY_NOT_READY)
    assert rollout.message == "the canary is not ready: v2 answers 503"


def test_an_adapter_that_a_pod_lacks_is_a_reason_of_its_own() -> None:
    world = at(Phase.PROGRESSING)
    twice = replace(in_force(world), unready_passes=2)
    message = "2 of 3 pods list the adapter x: chat-7f9 does not"
    lacking = Readiness(ready=False, message=message, problem=Reason.ADAPTER_MISSING)
    decided = decide(twice, on(world, canary=lacking)).rollout
    assert (decided.cause, decided.ending) == (Reason.ADAPTER_MISSING, Phase.ROLLED_BACK)
    assert decided.message == f"the canary is not ready: {message}"
    other = Readiness(ready=False, problem=Reason.CRASH_LOOPING)
    assert decide(twice, on(world, canary=other)).rollout.cause is Reason.CANARY_NOT_READY


def test_a_canary_that_was_not_ready_twice_begins_anew() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    for _ in range(3):
        world.versions["v2"].ready = False
        assert once(world, 2).unready_passes == 2
        world.versions["v2"].ready = True
        assert once(world).unready_passes == 0


def test_a_canary_that_is_not_ready_beats_a_failed_check_and_that_beats_a_newer_release() -> None:
    world = at(Phase.PROGRESSING)
    rollout = condemned(oldest(world))
    gone = replace(rollout, unready_passes=2)
    assert decide(gone, on(world, canary=UNREADY)).rollout.cause is Reason.CANARY_NOT_READY
    failed = decide(rollout, on(world, successor="fraud-2")).rollout
    assert (failed.cause, failed.ending) == (Reason.CHECK_FAILED, Phase.ROLLED_BACK)


@pytest.mark.parametrize("phase", WITH_TRAFFIC)
def test_a_failed_check_beats_whatever_helps_the_release(phase: Phase) -> None:
    world = at(phase)
    ripe = replace(oldest(world).clocks, at_weight=seconds(9999), total=seconds(999_999))
    decision = decide(condemned(replace(oldest(world), clocks=ripe)), on(world))
    assert decision.rollout.phase is Phase.ROLLING_BACK
    assert decision.rollout.cause is Reason.CHECK_FAILED


def test_a_failed_check_beats_a_pause() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    followed(world.say(CommandKind.PAUSE, oldest(world)))
    world.versions["v2"].bad["errors"] = BAD
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.CHECK_FAILED


def test_a_newer_release_takes_the_weight_away_first() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    decision = decide(oldest(world), on(world, successor="fraud-2"))
    assert (decision.rollout.phase, decision.rollout.ending) == (Phase.ROLLING_BACK, Phase.SUPERSEDED)
    assert decision.actions == (SetSplit(Split(V1), Split(V1, V2, 50)),)


@pytest.mark.parametrize("weight", [100, 500])
def test_a_rollback_goes_to_0_in_one_write(weight: int) -> None:
    world = at(Phase.PROGRESSING, steps=(a_world().policy.steps[0],))
    in_force(world)
    world.versions["v2"].bad["errors"] = weight / 1000
    reach(world, Phase.ROLLED_BACK)
    writes = [fact.after.weight_permille for fact in world.history if isinstance(fact, Written)]
    assert writes == [50, 0]


def test_an_unready_stable_halts_the_way_back_and_its_recovery_goes_on() -> None:
    world = at(Phase.BAKING)
    world.versions["v1"].ready = False
    world.versions["v2"].bad["errors"] = BAD
    rollout = reach(world, Phase.HALTED)
    assert (rollout.reason, rollout.cause) == (Reason.STABLE_UNHEALTHY, Reason.CHECK_FAILED)
    assert rollout.message.endswith("; the old stable cannot take over: v1 answers 503")
    assert world.gateway.running == Split(V1, V2, 1000)
    once(world, 50)
    assert oldest(world).phase is Phase.HALTED
    world.versions["v1"].ready = True
    rollout = reach(world, Phase.ROLLED_BACK)
    assert rollout.reason is Reason.CHECK_FAILED
    assert world.gateway.running == Split(V1)


def test_an_unready_stable_does_not_matter_while_it_still_serves_the_most() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.versions["v1"].ready = False
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.ROLLED_BACK)


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.BAKING])
def test_a_bad_first_deployment_is_taken_away_whole(phase: Phase) -> None:
    world = at(phase, None)
    world.versions["v2"].ready = False
    reach(world, Phase.ROLLED_BACK)
    assert world.gateway.running == Split()


def test_a_gateway_that_ignores_the_weight_is_found_and_frozen() -> None:
    world = at(Phase.PROGRESSING)
    world.rate = 0.0
    in_force_without_traffic = once(world, 3)
    assert in_force_without_traffic.route.in_force
    world.gateway.declared = Split(V1, V2, 50)
    world.gateway.running = Split(V1, V2, 500)
    lies = RouteSeen(Split(V1, V2, 50), accepted=True)
    world.metrics.flow(60, 200.0, world.gateway.running, world.versions)
    answer = world.metrics.read(oldest(world), Measure(oldest(world).evidence.cursor), world.versions)
    decision = decide(oldest(world), on(world, route=lies, reading=answer))
    assert (decision.rollout.phase, decision.rollout.reason) == (Phase.FROZEN, Reason.ROUTE_NOT_HONOURED)
    assert "of 12,000 requests, which contradicts its weight 5%" in decision.rollout.message


def test_an_unreachable_gateway_holds_and_is_told() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.gateway.available = False
    rollout = once(world, 2)
    assert (rollout.phase, rollout.reason) == (Phase.PROGRESSING, Reason.GATEWAY_UNAVAILABLE)
    assert entry_of(world, "held").entry.notable
    world.gateway.available = True
    reach(world, Phase.SUCCEEDED)


def test_no_weight_is_raised_at_a_gateway_that_cannot_be_asked_but_it_is_lowered() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    unreachable = RouteSeen(Split(V1, V2, 50), accepted=False, problem=Reason.GATEWAY_UNAVAILABLE)
    rising = with_split(oldest(world), Split(V1, V2, 250))
    assert decide(rising, on(world, route=unreachable)).actions == ()
    falling = replace(
        with_split(oldest(world), Split(V1)), phase=Phase.ROLLING_BACK, ending=Phase.ROLLED_BACK
    )
    assert decide(falling, on(world, route=unreachable)).actions == (SetSplit(Split(V1), Split(V1, V2, 50)),)


def test_a_rollback_writes_anew_over_a_configuration_that_is_lost() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    falling = replace(
        with_split(oldest(world), Split(V1)), phase=Phase.ROLLING_BACK, ending=Phase.ROLLED_BACK
    )
    lost = RouteSeen(Split(), accepted=False, problem=Reason.DRIFT_DETECTED, message="rds.json is no JSON")
    decision = decide(falling, on(world, route=lost))
    assert decision.actions == (SetSplit(Split(V1), Split()),)
    assert decision.rollout.phase is Phase.ROLLING_BACK


def test_a_lost_write_is_repeated_from_the_record() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    rising = with_split(oldest(world), Split(V1, V2, 250))
    decision = decide(rising, on(world, route=RouteSeen(Split(V1, V2, 50), accepted=True)))
    assert decision.actions == (SetSplit(Split(V1, V2, 250), Split(V1, V2, 50)),)
    assert decision.rollout.phase is Phase.PROGRESSING


@pytest.mark.parametrize("phase", [Phase.FROZEN, Phase.HALTED])
def test_what_waits_for_a_person_owes_no_write(phase: Phase) -> None:
    world = at(Phase.BAKING)
    rollout = replace(with_split(oldest(world), Split(V1, V2, 1000)), phase=phase, resume_to=Phase.BAKING)
    route = replace(rollout.route, previous=Split(V1, V2, 250))
    decision = decide(
        replace(rollout, route=route), on(world, route=RouteSeen(Split(V1, V2, 250), True), stable=UNREADY)
    )
    assert decision.actions == ()


def test_a_rollback_over_a_foreign_weight_is_repeated_until_the_canary_has_none() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.gateway.accepts = False
    world.gateway.running = Split(V1, V2, 50)
    followed(world.say(CommandKind.ABORT, oldest(world)))
    world.edit(Split(V1, V2, 700))
    once(world)
    assert world.gateway.declared == Split(V1)
    world.gateway.accepts = True
    reach(world, Phase.ABORTED)
    assert "rollback_repeated" in events(world)


def test_a_terminal_rollout_is_never_decided_again() -> None:
    world = at(Phase.SUCCEEDED)
    rollout = newest(world)
    decision = decide(rollout, on(world, route=RouteSeen(Split(V1, V2, 500), accepted=True)))
    assert (decision.rollout, decision.actions, decision.entry, decision.wake_after) == (
        rollout,
        (),
        None,
        None,
    )
