"""Short ways to put a `tests.domain_world` where a test begins."""

from dataclasses import replace
from datetime import timedelta

from controller.domain.model import Decision, Rollout
from controller.domain.observation import Observation, RouteSeen
from controller.domain.policy import Check, CheckKind, Policy, RouteRef, Step
from controller.domain.vocabulary import Phase, Reason
from tests.domain_facts import Committed
from tests.domain_world import World

ERRORS = Check("errors", CheckKind.RATIO, max=0.01, worse_by_points=0.005, failures=3)
BAD = 0.3
"""A share of errors far above every limit of `a_policy`."""


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def a_step(weight_permille: int, **changes: object) -> Step:
    step = Step(weight_permille, hold=seconds(30), min_requests=100, deadline=seconds(600))
    return replace(step, **changes)  # type: ignore[arg-type]


def a_policy(**changes: object) -> Policy:
    """Steps of 5 % and 25 %, 30 s and 100 requests each, checks every 5 s, a bake of a minute."""
    policy = Policy(
        model="fraud",
        namespace="default",
        route=RouteRef("envoy", "/fraud"),
        metrics="envoy",
        steps=(a_step(50), a_step(250)),
        checks=(ERRORS,),
        interval=seconds(5),
        bake=seconds(60),
        judge="threshold",
    )
    return replace(policy, **changes)  # type: ignore[arg-type]


def a_world(serving: str | None = "v1", /, **changes: object) -> World:
    """v2 was deployed a moment ago; 200 requests a second."""
    world = World(a_policy(**changes), serving, rate=200.0)
    world.deploy("v2")
    return world


def newest(world: World) -> Rollout:
    return list(world.records.values())[-1]


def oldest(world: World) -> Rollout:
    return next(iter(world.records.values()))


def reach(world: World, phase: Phase, *, step: int | None = None, passes: int = 500) -> Rollout:
    """Live until the first rollout is in a phase, and at a step if one is named."""
    for _ in range(passes):
        rollout = oldest(world)
        if rollout.phase is phase and step in (None, rollout.step):
            return rollout
        once(world)
    raise AssertionError(f"it never came to {phase}: {rollout.phase}, {rollout.reason}: {rollout.message}")


def once(world: World, times: int = 1) -> Rollout:
    """Passes, each with the wait that it asks for after it."""
    for _ in range(times):
        wait = world.run()
        world.advance(1.0 if wait is None else wait.total_seconds())
    return oldest(world)


def at(phase: Phase, serving: str | None = "v1", /, **changes: object) -> World:
    """A world whose v2 has just come to a phase."""
    world = a_world(serving, **changes)
    reach(world, phase)
    return world


def in_force(world: World) -> Rollout:
    """Live until the weight is in force and the first counts were taken."""
    for _ in range(50):
        rollout = once(world)
        if rollout.route.in_force and rollout.evidence.checks:
            return rollout
    raise AssertionError("the weight never came in force")


def events(world: World, rollout_id: str | None = None) -> list[str]:
    """The events of the log, without those that changed nothing."""
    found = [
        f.entry for f in world.history if isinstance(f, Committed) and rollout_id in (None, f.rollout.id)
    ]
    return [entry.event for entry in found if entry.event not in ("observed", "held")]


def entry_of(world: World, event: str) -> Committed:
    """The last commit of an event."""
    return [f for f in world.history if isinstance(f, Committed) and f.entry.event == event][-1]


def followed(answer: object) -> Decision:
    """What follows from a word that was not refused."""
    assert isinstance(answer, Decision), answer
    return answer


def seen(world: World, **what: object) -> Observation:
    """An observation now, with only what is named."""
    return Observation(at=world.now(), tick=world.tick(), **what)  # type: ignore[arg-type]


def latched(world: World) -> RouteSeen:
    world.gateway.roll_back_unrecorded(Reason.CHECK_FAILED)
    return world.gateway.observe()
