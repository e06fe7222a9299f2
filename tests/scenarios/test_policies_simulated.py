"""Every example policy does what its file promises, in simulated time.

A good version is promoted, and a version that breaks one check, whichever, is rolled back because of it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.adapters.registry import catalogue
from controller.domain.approval import asks_people
from controller.domain.exposure import past_shadows
from controller.domain.observation import NoReading
from controller.domain.policy import Check, CheckKind, Fallback, Policy
from controller.domain.vocabulary import Phase, Reason
from controller.policy.loader import load_policy
from tests.domain_checker import judge
from tests.domain_outside import TESTERS_SHARE, Behaviour
from tests.domain_scenes import entry_of, in_force, oldest, reach
from tests.domain_world import World

POLICIES = Path(__file__).parents[2] / "policies"
FILES = sorted(POLICIES.glob("*.yaml"))
MOST_PASSES = 20_000


def loaded(path: Path) -> Policy:
    policy = load_policy(path, catalogue())
    assert isinstance(policy, Policy), policy
    return policy


def checks_where(wanted: Callable[[Check], bool]) -> list[object]:
    return [
        pytest.param(path, check, id=f"{path.stem}-{check.name}")
        for path in FILES
        for check in loaded(path).checks
        if wanted(check)
    ]


def _limited(check: Check) -> bool:
    """Whether a limit decides that needs no stable."""
    return not check.report_only and (check.max is not None or check.min is not None)


def simulated(policy: Policy, serving: str | None = "v1") -> World:
    """Twice the traffic that the steps ask for; a busy model's where they ask for none."""
    needed = [
        step.min_requests
        / ((step.weight_permille or step.mirror_permille) / 1000 or TESTERS_SHARE)
        / max(step.hold, policy.interval).total_seconds()
        for step in policy.steps
    ]
    world = World(policy, serving, rate=2 * max(needed) or 100.0)
    world.approvers = ("bob", "cy")
    world.deploy("v2")
    return world


def break_check(how: Behaviour, check: Check) -> None:
    """Far beyond the limit, absolute or against stable."""
    match check.kind:
        case CheckKind.RATIO:
            how.bad[check.name] = min(3 * (check.max or 0.2), 1.0)
        case CheckKind.QUANTILE:
            how.seconds[check.name] = 5 * (check.max or 1.0)
        case CheckKind.GAUGE:
            how.gauges[check.name] = 5 * (check.max or 1.0)
        case CheckKind.SCORE:
            how.scores[check.name] = 0.3
        case CheckKind.PSI:
            how.spread[check.name] = {0.002: 0.8, 0.2: 0.2}


def end_of_a_bad_version(policy: Policy) -> Phase:
    """At the first step: where that is a shadow no user was served."""
    return Phase.NOT_DEPLOYED if past_shadows(policy) else Phase.ROLLED_BACK


def test_there_are_policies_to_simulate() -> None:
    assert len(FILES) >= 6


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("serving", ["v1", None], ids=["over a stable", "first"])
def test_a_good_version_is_promoted(path: Path, serving: str | None) -> None:
    policy = loaded(path)
    world = simulated(policy, serving)
    rollout = reach(world, Phase.SUCCEEDED, passes=MOST_PASSES)
    assert rollout.reason is Reason.PROMOTED
    least = sum((step.hold for step in policy.steps), policy.bake) if serving else policy.bake
    assert world.seconds >= least.total_seconds()
    judge(world.history, world.initial, ever_bad=set())


ASKING = [path for path in FILES if asks_people(loaded(path))]


@pytest.mark.parametrize("path", ASKING, ids=lambda path: path.stem)
def test_a_version_that_nobody_approves_ends_as_the_policy_says(path: Path) -> None:
    rules = loaded(path).approval
    world = simulated(loaded(path))
    world.approvers = world.approvers[: rules.people - 1]
    end = Phase.ROLLED_BACK if rules.on_timeout is Fallback.ROLLBACK else Phase.PAUSED
    rollout = reach(world, end, passes=MOST_PASSES)
    assert rollout.weight_permille < 1000
    assert rollout.reason in (Reason.APPROVAL_TIMED_OUT, Reason.ROLLOUT_DEADLINE_EXCEEDED)
    judge(world.history, world.initial, ever_bad=set())


@pytest.mark.parametrize(("path", "check"), checks_where(lambda c: not c.report_only))
def test_a_version_that_breaks_one_check_is_rolled_back_because_of_it(path: Path, check: Check) -> None:
    policy = loaded(path)
    world = simulated(policy)
    break_check(world.versions["v2"], check)
    rollout = reach(world, end_of_a_bad_version(policy), passes=MOST_PASSES)
    assert rollout.reason is Reason.CHECK_FAILED
    # auto steps begin where the budget of bad requests allows, and climb while the evidence gathers
    reachable = range(len(policy.steps) - 1) if policy.auto_steps else range(1)
    if check.of_probes:
        reachable = range(2)  # few probes meet a canary at its first weight
    assert rollout.step in reachable
    assert rollout.message.startswith(check.name)
    blamed = entry_of(world, "rollback_started").entry.assessment.blamed
    assert blamed is not None
    assert blamed.name == check.name
    judge(world.history, world.initial, ever_bad={"v2"})


@pytest.mark.parametrize(("path", "check"), checks_where(_limited))
def test_a_version_that_breaks_one_limit_after_its_promotion_is_rolled_back(path: Path, check: Check) -> None:
    world = simulated(loaded(path))
    reach(world, Phase.BAKING, passes=MOST_PASSES)
    break_check(world.versions["v2"], check)
    assert reach(world, Phase.ROLLED_BACK, passes=MOST_PASSES).reason is Reason.CHECK_FAILED


@pytest.mark.parametrize(("path", "check"), checks_where(lambda c: c.report_only))
def test_a_check_that_only_reports_stops_nothing(path: Path, check: Check) -> None:
    world = simulated(loaded(path))
    break_check(world.versions["v2"], check)
    reach(world, Phase.SUCCEEDED, passes=MOST_PASSES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_silent_metric_source_ends_as_the_policy_says(path: Path) -> None:
    policy = loaded(path)
    world = simulated(policy)
    reach(world, Phase.PROGRESSING, passes=MOST_PASSES)
    in_force(world)
    world.metrics.silence = NoReading(Reason.METRICS_UNAVAILABLE, "connection refused")
    world.live(seconds=1.2 * policy.no_data.act_after.total_seconds())
    rolled_back = policy.no_data.action is Fallback.ROLLBACK
    assert oldest(world).phase is (end_of_a_bad_version(policy) if rolled_back else Phase.PROGRESSING)
    assert oldest(world).reason is Reason.METRICS_UNAVAILABLE
    assert entry_of(world, "metrics_unavailable").entry.notable


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_version_that_never_becomes_ready_is_not_deployed(path: Path) -> None:
    world = simulated(loaded(path))
    world.versions["v2"].ready = False
    assert reach(world, Phase.NOT_DEPLOYED, passes=MOST_PASSES).reason is Reason.READY_DEADLINE_EXCEEDED
