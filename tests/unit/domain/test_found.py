"""Defects that were found once, each as the shortest story that showed it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from controller.domain.commands import obey
from controller.domain.judge.base import Terms
from controller.domain.judge.counts import Block, CheckCounts, GaugeSample, Tally
from controller.domain.judge.threshold import ThresholdJudge
from controller.domain.machine import decide, wake_after
from controller.domain.model import CommandKind
from controller.domain.observation import NoReading, Readiness, Reading, RouteSeen, WarmUpReport
from controller.domain.policy import Check, CheckKind, Fallback
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.domain.wording import quantity
from tests.domain_facts import Crash, Written
from tests.domain_outside import EPOCH, release
from tests.domain_scenes import (
    BAD,
    a_step,
    a_world,
    at,
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
SILENCE = NoReading(Reason.METRICS_UNAVAILABLE, "connection refused")


# time


def test_the_ready_deadline_goes_on_after_a_restart() -> None:
    """The mark of the first pass after a restart was not written, so that no time counted ever again."""
    world = a_world(ready_deadline=seconds(60))
    world.versions["v2"].ready = False
    once(world, 4)
    world.restart()
    world.live(seconds=120)
    assert oldest(world).phase is Phase.NOT_DEPLOYED


def test_silence_of_the_metric_source_is_acted_on_after_a_restart() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.metrics.silence = SILENCE
    once(world, 3)
    world.restart()
    world.live(seconds=20 * 60)
    assert oldest(world).reason is Reason.METRICS_UNAVAILABLE
    assert oldest(world).phase is Phase.ROLLED_BACK


def test_deadlines_go_on_after_a_gap_that_nobody_watched() -> None:
    world = a_world(ready_deadline=seconds(60))
    world.versions["v2"].ready = False
    once(world, 4)
    world.advance(3600)
    world.live(seconds=120)
    assert oldest(world).phase is Phase.NOT_DEPLOYED


def test_a_warm_up_longer_than_a_minute_still_reaches_the_ready_deadline() -> None:
    """Passes that last longer than the longest watched gap never added to the deadline."""
    world = at(Phase.PREPARING, ready_deadline=seconds(600), warm_up_requests=10)
    rollout, cold = oldest(world), WarmUpReport(ok=False, message="timed out")
    for _ in range(6):
        world.advance(120)
        rollout = decide(rollout, seen(world, canary=Readiness(ready=True), warm_up=cold)).rollout
    assert rollout.phase is Phase.NOT_DEPLOYED
    assert rollout.reason is Reason.WARM_UP_FAILED


def test_a_gap_that_nobody_watched_is_no_time_at_the_weight_but_a_little_of_the_deadline() -> None:
    world = at(Phase.PROGRESSING)
    before = in_force(world)
    world.advance(3600)
    after = once(world)
    assert after.clocks.at_weight == before.clocks.at_weight
    assert after.clocks.since_step == before.clocks.since_step + seconds(60)


def test_a_rollout_paused_before_its_traffic_asks_for_no_more_passes() -> None:
    world = at(Phase.PREPARING)
    paused = followed(obey(oldest(world), world.command(CommandKind.PAUSE))).rollout
    assert wake_after(paused, (), moved=False) is None


# a person's word


def frozen_by_drift(weight: int = 900) -> World:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.edit(Split(V1, V2, weight))
    reach(world, Phase.FROZEN)
    return world


def test_resuming_after_a_foreign_edit_counts_nothing_of_what_the_other_weight_brought() -> None:
    """The counts of the foreign 90 % were held against the 5 %, and the resumed rollout froze again."""
    world = frozen_by_drift()
    world.advance(600)
    world.say(CommandKind.RESUME, oldest(world))
    reach(world, Phase.SUCCEEDED)
    assert events(world).count("rollout_frozen") == 1


def test_resuming_after_a_share_that_contradicted_the_weight_tests_it_anew() -> None:
    """The counts were kept, so that the next pass froze it at once and no resume could ever help."""
    world = at(Phase.PROGRESSING)
    in_force(world)
    rollout = oldest(world)
    counts = CheckCounts("errors", Tally(9000), Tally(1000))
    assert rollout.evidence.cursor is not None
    block = Block(rollout.evidence.cursor, rollout.evidence.cursor + seconds(5), 9000, 1000, (counts,))
    route = RouteSeen(Split(V1, V2, 50), accepted=True)
    frozen = decide(rollout, seen(world, route=route, reading=Reading(block.end, (block,)))).rollout
    assert frozen.reason is Reason.ROUTE_NOT_HONOURED
    resumed = followed(obey(frozen, world.command(CommandKind.RESUME))).rollout
    later = decide(resumed, seen(world, route=route, reading=Reading(block.end))).rollout
    assert later.phase is Phase.PROGRESSING


def test_aborting_a_frozen_rollout_is_one_write_over_what_is_there() -> None:
    """It expected its own split at the gateway, not the foreign one that had frozen it: a sure Conflict."""
    world = frozen_by_drift()
    followed(world.say(CommandKind.ABORT, oldest(world)))
    assert world.gateway.running == Split(V1)


def test_promoting_while_paused_leaves_nothing_to_resume() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.say(CommandKind.PAUSE, oldest(world))
    promoted = followed(world.say(CommandKind.PROMOTE, oldest(world))).rollout
    assert promoted.resume_to is None


def test_aborting_again_and_again_does_not_make_the_message_longer() -> None:
    world = at(Phase.PROGRESSING)
    in_force(world)
    world.gateway.available = False
    for _ in range(3):
        world.say(CommandKind.ABORT, oldest(world))
    assert oldest(world).message == "aborted by ann"


# rolling back


def test_a_rollback_is_not_over_while_the_release_is_still_called_stable() -> None:
    """Bake over, the last write done but not seen, then an abort whose write is lost: it ended as Aborted."""
    world = at(Phase.BAKING)
    while world.gateway.declared.canary is not None:
        wait = world.run(Crash.AFTER_ACT if oldest(world).clocks.at_weight >= seconds(55) else None)
        world.advance(wait.total_seconds() if wait else 1)
    followed(world.say(CommandKind.ABORT, oldest(world), crash=Crash.AFTER_COMMIT))
    assert world.gateway.running == Split(V2)
    reach(world, Phase.ABORTED)
    assert world.gateway.running == Split(V1)


def settling(**changes: object) -> World:
    world = at(Phase.BAKING, **changes)
    while oldest(world).route.intended.canary is not None:
        world.gateway.accepts = oldest(world).clocks.at_weight < seconds(55)
        once(world)
    assert oldest(world).phase is Phase.BAKING
    return world


@pytest.mark.parametrize("begin", [lambda: at(Phase.BAKING), settling], ids=["baking", "bake over"])
def test_a_canary_that_serves_everyone_is_not_taken_away_for_a_newer_release_while_stable_is_not_ready(
    begin: Callable[[], World],
) -> None:
    """It halted: a retry halted again at once, and an abort gave everyone to the unready version.

    Between the bake's end and its confirmation it was even rolled back, for stable was not asked.
    """
    world = begin()
    world.versions["v1"].ready = False
    world.deploy("v3")
    once(world, 3)
    world.gateway.accepts = True
    reach(world, Phase.SUCCEEDED)
    assert not [f for f in world.history if isinstance(f, Written) and f.after == Split(V1)]
    world.live(seconds=3600)
    assert (newest(world).phase, newest(world).stable) == (Phase.SUCCEEDED, V2)


def test_a_first_deployment_that_serves_is_not_taken_away_for_a_newer_release() -> None:
    """It was superseded, and the model had no route at all until the newer version was ready."""
    world = at(Phase.BAKING, None)
    world.deploy("v3")
    once(world, 2)
    assert newest(world).reason is Reason.WAITING_FOR_PREDECESSOR
    reach(world, Phase.SUCCEEDED)
    world.live(seconds=3600)
    assert newest(world).phase is Phase.SUCCEEDED
    assert not [f for f in world.history if isinstance(f, Written) and f.after == Split()]


# what helps the release


def test_a_bake_does_not_end_while_a_check_is_failing() -> None:
    """Two failures of three allowed, and the bake over: the old stable was let go."""
    world = at(Phase.BAKING, bake=seconds(15))
    while oldest(world).clocks.at_weight < seconds(5):
        once(world)
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.ROLLED_BACK)
    assert "bake_finished" not in events(world)


def test_a_step_that_lacks_nothing_is_not_rolled_back_by_its_deadline() -> None:
    """The message said: no verdict within 1m: all checks pass."""
    step = a_step(50, hold=seconds(30), deadline=seconds(40))
    world = at(Phase.PROGRESSING, steps=(step, a_step(250)), on_deadline=Fallback.ROLLBACK)
    reach(world, Phase.PROGRESSING, step=1)


def test_a_last_step_of_all_the_traffic_is_the_promotion() -> None:
    """It stopped the rollout with an InvariantError: the table has no step into Promoting."""
    world = a_world(steps=(a_step(50), a_step(1000)))
    reach(world, Phase.SUCCEEDED)


def test_an_only_step_of_all_the_traffic_is_the_promotion() -> None:
    reach(a_world(steps=(a_step(1000),)), Phase.SUCCEEDED)


def test_a_version_that_was_promoted_while_it_waited_is_refused_and_not_its_own_stable() -> None:
    world = a_world()
    world.serving = V2
    world.edit(Split(V2))
    assert reach(world, Phase.NOT_DEPLOYED).reason is Reason.ALREADY_SERVING
    assert world.gateway.running == Split(V2)


# the judge


def folded(check: Check, counts: CheckCounts, *, min_requests: int = 1000) -> Verdict:
    judge, terms = ThresholdJudge([check]), Terms(min_requests, compare=True)
    block = Block(EPOCH, EPOCH + seconds(5), counts.canary.requests, counts.stable.requests, (counts,))
    state = judge.fold(judge.begin(), [block], [], terms)
    return judge.assess(state, terms).checks[0].verdict


def test_a_breach_against_stable_is_not_hidden_by_a_limit_that_still_waits() -> None:
    """max was asked first, lacked requests, and its UNKNOWN was the answer."""
    check = Check("errors", CheckKind.RATIO, max=0.5, worse_by_points=0.001)
    assert folded(check, CheckCounts("errors", Tally(500, 100), Tally(9000, 0))) is Verdict.FAIL


def test_a_quantile_without_any_bucket_of_stable_is_not_passed_unseen() -> None:
    check = Check("p99", CheckKind.QUANTILE, quantile=0.99, worse_by_ratio=0.2)
    counts = CheckCounts("p99", Tally(5000, 0, (0.1, 1.0), (5000, 0, 0)), Tally(5000))
    assert folded(check, counts) is Verdict.UNKNOWN


@pytest.mark.parametrize("stable", [float("nan"), float("inf")])
def test_a_gauge_of_stable_that_is_no_number_is_no_limit(stable: float) -> None:
    check = Check("drift", CheckKind.GAUGE, worse_by_ratio=0.2)
    judge, terms = ThresholdJudge([check]), Terms(1, compare=True)
    state = judge.fold(judge.begin(), [], [GaugeSample("drift", 5.0, stable)], terms)
    assert judge.assess(state, terms).verdict is Verdict.UNKNOWN


def test_a_histogram_that_has_only_its_last_bucket_has_no_quantile() -> None:
    assert Tally(7, 0, (), (7,)).quantile(0.99) is None


# words


def test_a_latency_below_a_millisecond_is_not_called_0ms() -> None:
    assert quantity(0.0004, CheckKind.QUANTILE) == "0.4ms"


def test_what_is_left_of_a_bake_is_never_negative() -> None:
    world = at(Phase.BAKING, bake=seconds(5))
    baking = replace(oldest(world), clocks=replace(oldest(world).clocks, at_weight=seconds(20)))
    unconfirmed = RouteSeen(baking.route.intended, accepted=False)
    held = decide(baking, seen(world, route=unconfirmed)).rollout
    assert (held.reason, held.message) == (Reason.BAKE_RUNNING, "serves everyone; watched for 0s more")
