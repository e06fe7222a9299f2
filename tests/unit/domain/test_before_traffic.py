"""Before any traffic: Pending, Preparing, Validating."""

from dataclasses import replace

import pytest

from controller.domain.judge.calibration import CheckHistory
from controller.domain.machine import decide
from controller.domain.model import Rollout
from controller.domain.observation import NoReading, Plan, Readiness
from controller.domain.planning import plan
from controller.domain.policy import Check, CheckKind, Validation
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason
from tests.domain_facts import Written
from tests.domain_outside import release
from tests.domain_scenes import a_world, at, entry_of, newest, oldest, once, reach, seconds, seen
from tests.domain_world import World
from tests.judge_scenes import past

GOLDEN = Validation("golden.yaml", seconds(30))


def written(world: World) -> list[Split]:
    return [fact.after for fact in world.history if isinstance(fact, Written)]


def test_a_rollout_remembers_what_serves_when_it_starts() -> None:
    rollout = at(Phase.PREPARING).records["fraud-1"]
    assert rollout.stable == release("v1")
    assert rollout.route.intended == Split(release("v1"))


def test_a_rollout_waits_for_the_older_one_and_then_starts_from_what_that_promoted() -> None:
    world = at(Phase.BAKING, None)
    world.deploy("v3")
    assert once(world, 2).phase is Phase.BAKING
    assert newest(world).reason is Reason.WAITING_FOR_PREDECESSOR
    reach(world, Phase.SUCCEEDED)
    once(world, 2)
    assert newest(world).stable == release("v2")


def test_of_several_that_wait_only_the_newest_goes_on() -> None:
    world = at(Phase.PROGRESSING)
    for version in ("v3", "v4", "v5"):
        world.deploy(version)
    world.live(seconds=3600)
    phases = [rollout.phase for rollout in world.records.values()]
    assert phases == [Phase.SUPERSEDED, Phase.SUPERSEDED, Phase.SUPERSEDED, Phase.SUCCEEDED]
    assert world.gateway.running == Split(release("v5"))


def test_the_newer_one_starts_only_after_the_weight_of_the_older_is_0() -> None:
    world = at(Phase.PROGRESSING)
    once(world, 3)
    world.deploy("v3")
    while newest(world).phase is Phase.PENDING:
        once(world)
    assert oldest(world).phase is Phase.SUPERSEDED
    assert world.gateway.running == Split(release("v1"))
    assert newest(world).step is None


def test_a_canary_that_is_not_ready_is_waited_for() -> None:
    world = a_world()
    world.versions["v2"].ready = False
    rollout = once(world, 5)
    assert (rollout.phase, rollout.reason) == (Phase.PREPARING, Reason.WAITING_FOR_READY)
    assert rollout.message == "v2 answers 503"


def test_a_canary_that_never_becomes_ready_gets_no_request() -> None:
    world = a_world()
    world.versions["v2"].ready = False
    rollout = reach(world, Phase.NOT_DEPLOYED)
    assert rollout.reason is Reason.READY_DEADLINE_EXCEEDED
    assert rollout.message == "not ready within 30m: v2 answers 503"
    assert written(world) == []


def test_a_canary_that_never_warms_up_gets_no_request() -> None:
    world = a_world(warm_up_requests=10)
    world.versions["v2"].warm = False
    rollout = reach(world, Phase.NOT_DEPLOYED)
    assert rollout.reason is Reason.WARM_UP_FAILED
    assert written(world) == []


def test_a_canary_whose_golden_request_fails_gets_no_request() -> None:
    world = a_world(validation=GOLDEN)
    world.versions["v2"].golden = False
    rollout = reach(world, Phase.NOT_DEPLOYED)
    assert rollout.reason is Reason.GOLDEN_REQUEST_FAILED
    assert rollout.message == "golden request 1: 500, not 200"
    assert written(world) == []


def test_golden_requests_that_were_not_sent_yet_are_waited_for() -> None:
    world = at(Phase.VALIDATING, validation=GOLDEN)
    decision = decide(oldest(world), seen(world))
    assert decision.rollout.phase is Phase.VALIDATING


def test_a_policy_without_golden_requests_goes_straight_on() -> None:
    assert plan(oldest(at(Phase.VALIDATING))) == Plan(canary=True, fleet=True)
    once(world := at(Phase.VALIDATING))
    assert oldest(world).phase is Phase.PROGRESSING


def test_the_first_traffic_is_the_first_step() -> None:
    world = at(Phase.PROGRESSING)
    assert written(world) == [Split(release("v1"), release("v2"), 50)]
    assert entry_of(world, "canary_validated").rollout.step == 0


def test_a_first_deployment_skips_the_steps() -> None:
    world = at(Phase.PROMOTING, None)
    assert written(world) == [Split(None, release("v2"), 1000)]
    assert oldest(world).step is None


def test_readiness_beats_the_ready_deadline() -> None:
    world = a_world()
    world.versions["v2"].ready = False
    once(world, 5)
    late = world.policy.ready_deadline.total_seconds() + 1
    world.advance(late)
    world.versions["v2"].ready = True
    assert decide(oldest(world), seen(world, canary=Readiness(ready=True))).rollout.phase is Phase.VALIDATING


# limits that no measurement can show to be kept

P99 = Check("latency_p99", CheckKind.QUANTILE, max=20.0, quantile=0.99)
UP_TO_TEN_SECONDS = ((0.5, 0.02), (2.5, 0.001), (10.0, 0.0))


def prepared(check: Check, shares: tuple[tuple[float, float], ...] = UP_TO_TEN_SECONDS) -> Rollout:
    """After the pass that finds the canary ready and reads stable's past."""
    world = at(Phase.PREPARING, judge="sequential", checks=(check,))
    known = past(100.0, CheckHistory(check.name, shares=shares))
    return decide(oldest(world), seen(world, canary=Readiness(ready=True), calibration=known)).rollout


def test_a_limit_above_the_last_bound_is_refused_before_any_traffic() -> None:
    rollout = prepared(P99)
    assert (rollout.phase, rollout.reason) == (Phase.NOT_DEPLOYED, Reason.LIMIT_OUTSIDE_BUCKETS)
    assert rollout.message == (
        "latency_p99's limit 20s lies above the histogram's last bound 10s: "
        "no measurement could ever show that it is kept; lower the limit or add buckets"
    )


@pytest.mark.parametrize(
    "check",
    [
        replace(P99, max=10.0),
        replace(P99, max=None, worse_by_ratio=0.2),
        replace(P99, report_only=True),
        replace(P99, kind=CheckKind.RATIO, quantile=None),
    ],
    ids=["at the last bound", "no limit", "only reported", "no histogram"],
)
def test_a_limit_that_can_be_seen_or_need_not_be_is_no_hindrance(check: Check) -> None:
    assert prepared(check).phase is Phase.VALIDATING


def test_a_limit_is_not_refused_for_a_histogram_that_nobody_knows() -> None:
    assert prepared(P99, shares=()).phase is Phase.VALIDATING
    world = at(Phase.PREPARING, judge="sequential", checks=(P99,))
    silence = NoReading(Reason.METRICS_UNAVAILABLE, "connection refused")
    unknown = seen(world, canary=Readiness(ready=True), calibration=silence)
    assert decide(oldest(world), unknown).rollout.phase is Phase.VALIDATING


def test_a_limit_is_refused_while_the_canary_is_still_awaited() -> None:
    world = at(Phase.PREPARING, judge="sequential", checks=(P99,))
    known = past(100.0, CheckHistory(P99.name, shares=UP_TO_TEN_SECONDS))
    waiting = seen(world, canary=Readiness(ready=False, message="loads"), calibration=known)
    assert decide(oldest(world), waiting).rollout.reason is Reason.LIMIT_OUTSIDE_BUCKETS


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PREPARING, Phase.VALIDATING])
def test_a_newer_release_ends_it_before_its_traffic_at_once(phase: Phase) -> None:
    world = at(phase)
    decision = decide(oldest(world), seen(world, successor="fraud-2"))
    assert (decision.rollout.phase, decision.actions) == (Phase.SUPERSEDED, ())
    assert decision.rollout.message == "replaced by the newer rollout fraud-2"


def test_what_people_should_know_of_the_copies_is_kept_once_it_was_seen() -> None:
    world = at(Phase.PREPARING)
    short = Readiness(ready=False, message="no copy is ready", cautions=("its pods are stopped soon",))
    told = decide(oldest(world), seen(world, canary=short)).rollout
    assert told.cautions == short.cautions
    unseen = decide(told, seen(world, canary=Readiness(ready=False))).rollout
    assert unseen.cautions == short.cautions, "a look that could not tell takes nothing back"


def test_a_caution_keeps_nobody_from_going_on() -> None:
    world = at(Phase.PREPARING)
    ready = Readiness(ready=True, cautions=("its pods are stopped soon",))
    assert decide(oldest(world), seen(world, canary=ready)).rollout.phase is Phase.VALIDATING
