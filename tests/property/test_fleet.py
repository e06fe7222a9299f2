"""The rules in random fleets: limits are kept, nothing rises when all is closed, groups go together."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.domain.fleet.facts import Pause
from controller.domain.fleet.line import Limits, admitted, place_for
from controller.domain.fleet.members import Member
from controller.domain.fleet.rules import FleetRules
from controller.domain.model import CommandKind, Rollout
from controller.domain.policy import Policy
from controller.domain.vocabulary import FLEET_LACKS, Phase, Reason
from controller.fleet_settings import FleetSettings
from tests.domain_checker import judge
from tests.domain_outside import EPOCH
from tests.domain_scenes import BAD, a_policy
from tests.fleet_world import FleetWorld

MODELS = ("a", "b", "c", "d")


@st.composite
def members(draw: st.DrawFn) -> list[Member]:
    def member(number: int) -> Member:
        waits = draw(st.booleans())
        return Member(
            id=f"m{number}-1",
            model=f"m{number}",
            version="v2",
            namespace=draw(st.sampled_from(["ml", "ads"])),
            gateways=tuple(draw(st.sets(st.sampled_from(["east", "west"])))),
            rules=FleetRules(priority=draw(st.integers(-1, 1)), gpus=draw(st.integers(0, 4))),
            created_at=EPOCH + timedelta(seconds=draw(st.integers(0, 3))),
            phase=Phase.PENDING if waits else Phase.PROGRESSING,
            reason=Reason.WAITING_FOR_TURN if waits else Reason.STEP_RUNNING,
        )

    return [member(number) for number in range(draw(st.integers(1, 9)))]


limits = st.builds(
    Limits,
    *(st.none() | st.integers(1, 4) for _ in range(3)),
    st.none() | st.integers(0, 6),
)


def taken(found: list[Member]) -> dict[str, int]:
    """What members take, by limit."""
    counts = {"": len(found), "gpus": sum(each.rules.gpus for each in found)}
    for each in found:
        for key in (f"in {each.namespace}", *(f"at {gateway}" for gateway in each.gateways)):
            counts[key] = counts.get(key, 0) + 1
    return counts


def broken(counts: dict[str, int], allowed: Limits) -> set[str]:
    """The limits that are exceeded."""
    most = {"": allowed.rollouts, "gpus": allowed.gpus}
    most |= {key: allowed.per_namespace for key in counts if key.startswith("in ")}
    most |= {key: allowed.per_gateway for key in counts if key.startswith("at ")}
    return {key for key, limit in most.items() if limit is not None and counts.get(key, 0) > limit}


@given(members(), limits)
def test_whoever_is_admitted_breaks_no_limit_that_held_before(found: list[Member], allowed: Limits) -> None:
    rolling = [each for each in found if each.takes_place]
    before = broken(taken(rolling), allowed)
    for member in admitted(found, allowed):
        rolling.append(member)
        after = broken(taken(rolling), allowed)
        assert after <= before


@given(members(), limits)
def test_who_asks_alone_hears_what_all_hear_together(found: list[Member], allowed: Limits) -> None:
    together = {each.id for each in admitted(found, allowed)}
    alone = {each.id for each in found if each.in_line and place_for(each, found, allowed) is None}
    assert alone == together


@given(members(), limits)
def test_the_first_of_the_line_waits_only_for_those_that_roll(found: list[Member], allowed: Limits) -> None:
    line = sorted((each for each in found if each.in_line), key=lambda each: each.order)
    rolling = [each for each in found if each.takes_place]
    if line:
        fits = not broken(taken([*rolling, line[0]]), allowed) - broken(taken(rolling), allowed)
        full = place_for(line[0], found, allowed) is not None
        assert full is not fits or broken(taken(rolling), allowed)


@st.composite
def policies(draw: st.DrawFn) -> tuple[Policy, ...]:
    def policy(place: int) -> Policy:
        others = st.sampled_from(MODELS[:place]) if place else st.nothing()
        rules = FleetRules(
            after=tuple(draw(st.sets(others, max_size=1))) if place else (),
            group=draw(st.sampled_from(["", "", "search"])),
            priority=draw(st.integers(0, 2)),
            gpus=draw(st.integers(0, 3)),
        )
        base = a_policy(model=MODELS[place], fleet=rules)
        return replace(base, namespace=draw(st.sampled_from(["ml", "ads"])))

    return tuple(policy(place) for place in range(len(MODELS)))


fleets = st.builds(
    FleetSettings,
    max_rollouts=st.none() | st.integers(1, 3),
    max_rollouts_per_namespace=st.none() | st.integers(1, 2),
    gpus=st.none() | st.integers(3, 5),
)
_LIVE = st.tuples(st.just("live"), st.sampled_from(["5", "15", "40", "200"]))
deeds = st.lists(
    st.one_of(
        _LIVE,
        _LIVE,
        st.tuples(st.just("deploy"), st.sampled_from(MODELS)),
        st.tuples(st.just("break"), st.sampled_from(MODELS)),
        st.tuples(st.just("abort"), st.sampled_from(MODELS)),
        st.tuples(st.just("promote"), st.sampled_from(MODELS)),
        st.tuples(st.just("pause all"), st.sampled_from(["0", "40", "200"])),
        st.tuples(st.just("resume all"), st.just("")),
        st.tuples(st.just("restart"), st.just("")),
    ),
    min_size=6,
    max_size=20,
)


class Story:
    """Does what is drawn, and remembers which versions were ever bad."""

    def __init__(self, world: FleetWorld) -> None:
        self.world = world
        self.count = 1
        self.bad: dict[str, set[str]] = {model: set() for model in MODELS}

    def do(self, deed: str, about: str) -> None:
        world = self.world
        match deed:
            case "deploy":
                self.count += 1
                world.worlds[about].deploy(f"v{self.count}")
                world.wake(about)
            case "break" if world.worlds[about].records:
                version = world.newest(about).release.version
                world.worlds[about].versions[version].bad["errors"] = BAD
                self.bad[about].add(version)
            case "abort" | "promote" if world.worlds[about].open_rollouts():
                world.worlds[about].say(CommandKind(deed), world.worlds[about].open_rollouts()[-1])
                world.wake(about)
            case "pause all":
                world.register.pause_is(Pause("ann", world.now()))
                world.live(float(about))
            case "resume all":
                world.register.pause_is(None)
            case "restart":
                pause = world.register.pause
                world.restart().pause_is(pause)
            case "live":
                world.live(float(about))


@settings(max_examples=60, deadline=None)
@given(policies(), fleets, deeds)
def test_a_random_fleet_keeps_its_rules(
    drawn: tuple[Policy, ...], fleet: FleetSettings, todo: list[tuple[str, str]]
) -> None:
    world = FleetWorld(*drawn, settings=fleet)
    story = Story(world)
    for deed, about in [*(("deploy", model) for model in MODELS), *todo]:
        story.do(deed, about)
    world.register.pause_is(None)
    world.live(3000.0)
    keeps_limits(world.commits, fleet.limits)
    rises_only_when_open(world.commits)
    groups_are_promoted_together(world.commits)
    for model, of_model in world.worlds.items():
        judge(of_model.history, of_model.initial, ever_bad=story.bad[model])
    for model, of_model in world.worlds.items():
        for rollout in of_model.open_rollouts():
            assert rollout.reason in FLEET_LACKS or rollout.waits_for_person, (model, rollout.reason)


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Policy, ...]:
    def policy(model: str) -> Policy:
        group, gpus = draw(st.sampled_from(["", "search", "shop"])), draw(st.integers(0, 2))
        return a_policy(
            model=model, fleet=FleetRules(group=group, gpus=gpus, priority=draw(st.integers(0, 1)))
        )

    return tuple(policy(model) for model in MODELS)


@settings(max_examples=40, deadline=None)
@given(grouped(), fleets, st.permutations(MODELS), st.sampled_from([0.0, 20.0, 400.0]))
def test_what_can_ever_fit_is_promoted_in_the_end(
    drawn: tuple[Policy, ...], fleet: FleetSettings, order: list[str], between: float
) -> None:
    """No group waits for one of it that waits for a place, which it or another group keeps."""
    world = FleetWorld(*drawn, settings=fleet)
    for model in order:
        world.deploy(model)
        world.live(between)
    world.live(5000.0)
    for model in MODELS:
        ended = world.newest(model)
        assert ended.phase is Phase.SUCCEEDED or ": raise " in ended.message, (model, ended.message)
    keeps_limits(world.commits, fleet.limits)


def keeps_limits(commits: list[tuple[Rollout, bool]], allowed: Limits) -> None:
    """At no commit more was under way than allowed."""
    rolling: dict[str, Rollout] = {}
    for rollout, _ in commits:
        rolling.pop(rollout.id, None)
        if rollout.phase is not Phase.PENDING and not rollout.phase.terminal:
            rolling[rollout.id] = rollout
        counts = {"": len(rolling), "gpus": sum(each.policy.fleet.gpus for each in rolling.values())}
        for each in rolling.values():
            key = f"in {each.policy.namespace}"
            counts[key] = counts.get(key, 0) + 1
        assert not broken(counts, allowed), (counts, allowed)


def rises_only_when_open(commits: list[tuple[Rollout, bool]]) -> None:
    """Nobody's weight was raised, and nobody started, while all was closed to it."""
    last: dict[str, Rollout] = {}
    for rollout, closed in commits:
        before = last.get(rollout.id)
        if before is not None and closed:
            assert rollout.share_permille <= before.share_permille, rollout.message
            assert not (before.phase is Phase.PENDING and rollout.phase is Phase.PREPARING)
        last[rollout.id] = rollout


def groups_are_promoted_together(commits: list[tuple[Rollout, bool]]) -> None:
    """When one is promoted, each other model of its group is ready to be, or is promoted."""
    newest: dict[str, Rollout] = {}
    for rollout, _ in commits:
        before = newest.get(rollout.model)
        newest[rollout.model] = rollout
        begins = rollout.phase is Phase.PROMOTING and before is not None and before.phase is Phase.PROGRESSING
        if not (begins and rollout.policy.fleet.group):
            continue
        for other in newest.values():
            same = (other.policy.fleet.group, other.policy.namespace) == (
                rollout.policy.fleet.group,
                rollout.policy.namespace,
            )
            if same and other.model != rollout.model:
                ready = other.reason is Reason.WAITING_FOR_GROUP or other.phase in (
                    Phase.PROMOTING,
                    Phase.BAKING,
                    Phase.SUCCEEDED,
                )
                assert ready, (rollout.id, other.id, other.phase, other.reason)
