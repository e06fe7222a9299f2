"""The fleet's rules over whole rollouts of several models: order, limits, GPUs, hours, groups, pauses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from controller.domain.fleet.facts import Pause
from controller.domain.fleet.rules import Recurrence
from controller.domain.model import CommandKind, Decision, Refusal
from controller.domain.vocabulary import Phase, Reason
from controller.fleet_settings import FleetSettings, FleetTimes
from tests.domain_outside import usual
from tests.domain_scenes import BAD
from tests.fleet_world import FleetWorld, fleet_policy

BERLIN = ZoneInfo("Europe/Berlin")


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def break_version(world: FleetWorld, model: str, version: str = "v2") -> None:
    """From now on the version answers many requests with an error."""
    world.worlds[model].versions.setdefault(version, usual(world.policies[model])).bad["errors"] = BAD


def make_ready(world: FleetWorld, model: str, *, ready: bool) -> None:
    world.worlds[model].versions["v2"].ready = ready


def started(world: FleetWorld) -> list[str]:
    """The models in the order in which their rollouts began."""
    entries = [
        (fact.at, model)
        for model, of_model in world.worlds.items()
        for fact in of_model.history
        if getattr(getattr(fact, "entry", None), "event", "") == "rollout_started"
    ]
    return [model for _, model in sorted(entries)]


class TestLimits:
    def test_no_more_roll_at_once_than_allowed_and_all_have_their_turn(self) -> None:
        models = [f"m{number}" for number in range(7)]
        world = FleetWorld(*map(fleet_policy, models), settings=FleetSettings(max_rollouts=2))
        world.deploy(*models)
        most = 0
        for _ in range(1500):
            world.live(1.0)
            most = max(most, len(world.under_way()))
        assert most == 2
        assert set(world.phases().values()) == {Phase.SUCCEEDED}

    def test_what_waits_says_for_what(self) -> None:
        world = FleetWorld(fleet_policy("a"), fleet_policy("b"), settings=FleetSettings(max_rollouts=1))
        world.deploy("a", "b")
        world.live(1.0)
        waiting = world.newest("b")
        assert waiting.reason is Reason.WAITING_FOR_TURN
        assert waiting.message == "waits for its turn: 1 of 1 rollouts run already"

    def test_what_waits_is_not_looked_at_until_it_may_go_on(self) -> None:
        world = FleetWorld(fleet_policy("a"), fleet_policy("b"), settings=FleetSettings(max_rollouts=1))
        world.deploy("a", "b")
        world.live(1.0)
        begun = len(world.passes)
        world.live(60.0)
        assert {model for _, model in world.passes[begun:]} == {"a"}
        assert world.until("b", Phase.SUCCEEDED).phase is Phase.SUCCEEDED

    def test_the_higher_priority_goes_first_then_the_older(self) -> None:
        world = FleetWorld(
            fleet_policy("first"),
            fleet_policy("old"),
            fleet_policy("young"),
            fleet_policy("urgent", priority=10),
            settings=FleetSettings(max_rollouts=1),
        )
        for model in ("first", "old", "young", "urgent"):
            world.deploy(model)
            world.live(1.0)
        world.until("young", Phase.SUCCEEDED)
        assert started(world) == ["first", "urgent", "old", "young"]

    def test_a_namespace_has_its_own_limit_and_keeps_no_other_from_starting(self) -> None:
        world = FleetWorld(
            *(fleet_policy(model, namespace="ml") for model in ("a", "b")),
            fleet_policy("c", namespace="ads"),
            settings=FleetSettings(max_rollouts_per_namespace=1),
        )
        world.deploy("a", "b", "c")
        world.live(5.0)
        assert world.under_way() == ["a", "c"]
        assert world.newest("b").message == "waits for its turn: 1 of 1 rollouts run in namespace ml already"

    def test_a_paused_rollout_keeps_its_place(self) -> None:
        world = FleetWorld(fleet_policy("a"), fleet_policy("b"), settings=FleetSettings(max_rollouts=1))
        world.deploy("a", "b")
        world.until("a", Phase.PROGRESSING)
        world.worlds["a"].say(CommandKind.PAUSE, world.newest("a"))
        world.live(600.0)
        assert world.newest("b").phase is Phase.PENDING

    def test_a_rollback_makes_room(self) -> None:
        world = FleetWorld(fleet_policy("a"), fleet_policy("b"), settings=FleetSettings(max_rollouts=1))
        world.deploy("a", "b")
        break_version(world, "a")
        world.until("a", Phase.ROLLED_BACK)
        world.live(1.0)
        assert world.under_way() == ["b"]

    def test_a_new_process_goes_on_with_the_same_line(self) -> None:
        models = ["a", "b", "c"]
        world = FleetWorld(*map(fleet_policy, models), settings=FleetSettings(max_rollouts=1))
        world.deploy(*models)
        world.until("a", Phase.PROGRESSING)
        world.restart()
        world.live(30.0)
        assert world.under_way() == ["a"]
        world.until("c", Phase.SUCCEEDED)
        assert started(world) == models


class TestGpus:
    def test_the_budget_is_kept_and_small_ones_do_not_starve_a_large_one(self) -> None:
        world = FleetWorld(
            fleet_policy("small", gpus=2),
            fleet_policy("large", gpus=8),
            fleet_policy("later", gpus=2),
            fleet_policy("without"),
            settings=FleetSettings(gpus=8),
        )
        for model in ("small", "large", "later", "without"):
            world.deploy(model)
            world.live(1.0)
        assert world.under_way() == ["small", "without"]
        assert world.newest("large").message == "waits for 8 GPUs: 2 of 8 are taken"
        assert world.newest("later").reason is Reason.WAITING_FOR_GPUS
        assert world.newest("later").message == "waits for GPUs: large-1 goes first, with priority 0"
        world.until("later", Phase.SUCCEEDED)
        assert started(world) == ["small", "without", "large", "later"]

    def test_one_that_needs_more_than_there_is_says_so_and_keeps_nobody_waiting(self) -> None:
        world = FleetWorld(
            fleet_policy("huge", gpus=16), fleet_policy("small", gpus=2), settings=FleetSettings(gpus=8)
        )
        world.deploy("huge", "small")
        world.live(5.0)
        assert world.under_way() == ["small"]
        assert world.newest("huge").message == (
            "needs 16 GPUs, and the fleet has 8: "
            "raise fleet.gpus in the settings, or lower gpus in the policy"
        )


class TestOrder:
    def test_it_starts_when_the_other_is_promoted(self) -> None:
        world = FleetWorld(fleet_policy("embedder"), fleet_policy("ranker", after=("embedder",)))
        world.deploy("embedder", "ranker")
        world.live(5.0)
        waiting = world.newest("ranker")
        assert (waiting.phase, waiting.reason) == (Phase.PENDING, Reason.WAITING_FOR_MODEL)
        assert waiting.message == "comes after embedder v2, which is Progressing"
        world.until("embedder", Phase.SUCCEEDED)
        world.live(1.0)
        assert world.under_way() == ["ranker"]

    def test_it_is_held_if_the_other_rolled_back_and_follows_when_that_is_mended(self) -> None:
        world = FleetWorld(fleet_policy("embedder"), fleet_policy("ranker", after=("embedder",)))
        world.deploy("embedder", "ranker")
        break_version(world, "embedder")
        world.until("embedder", Phase.ROLLED_BACK)
        world.live(600.0)
        held = world.newest("ranker")
        assert (held.phase, held.reason) == (Phase.PENDING, Reason.MODEL_NOT_PROMOTED)
        assert held.message == "comes after embedder v2, which is RolledBack"
        world.deploy("embedder", version="v3")
        world.live(1.0)
        assert world.newest("ranker").reason is Reason.WAITING_FOR_MODEL
        world.until("ranker", Phase.SUCCEEDED)
        assert started(world) == ["embedder", "embedder", "ranker"]

    def test_a_person_may_overrule_the_order(self) -> None:
        world = FleetWorld(fleet_policy("embedder"), fleet_policy("ranker", after=("embedder",)))
        world.deploy("embedder", "ranker")
        break_version(world, "embedder")
        world.until("embedder", Phase.ROLLED_BACK)
        world.live(1.0)
        answer = world.worlds["ranker"].say(CommandKind.RESUME, world.newest("ranker"))
        assert isinstance(answer, Decision)
        assert answer.rollout.message == "ann lets it start without minding embedder-1"
        world.wake("ranker")
        world.until("ranker", Phase.SUCCEEDED)

    def test_a_circle_is_named_and_a_person_can_break_it(self) -> None:
        world = FleetWorld(fleet_policy("a", after=("b",)), fleet_policy("b", after=("a",)))
        world.deploy("a", "b")
        world.live(60.0)
        assert world.under_way() == []
        assert "forms a circle (b, a, b)" in world.newest("b").message
        world.worlds["a"].say(CommandKind.RESUME, world.newest("a"))
        world.wake("a")
        world.until("b", Phase.SUCCEEDED)
        assert started(world) == ["a", "b"]


def frozen(*times: FleetTimes) -> FleetSettings:
    return FleetSettings(freezes=times)


NIGHT = FleetTimes(schedule="0 22 * * *", duration="8h", time_zone="Europe/Berlin", name="night")  # type: ignore[arg-type]


class TestHours:
    def test_nothing_starts_in_a_freeze_and_all_do_after_it(self) -> None:
        start = datetime(2026, 12, 1, 23, tzinfo=BERLIN).astimezone(UTC)
        world = FleetWorld(fleet_policy("a"), settings=frozen(NIGHT), start=start)
        world.deploy("a")
        world.live(hours(6.9).total_seconds())
        waiting = world.newest("a")
        assert (waiting.phase, waiting.reason) == (Phase.PENDING, Reason.RELEASE_FREEZE)
        assert waiting.message == "release freeze night until Wed 2026-12-02 06:00 Europe/Berlin"
        assert len(world.passes) < 5
        world.live(hours(0.1).total_seconds() + 10)
        assert world.under_way() == ["a"]

    def test_nothing_steps_up_in_a_freeze_and_its_time_makes_nothing_late(self) -> None:
        start = datetime(2026, 12, 1, 21, 59, 40, tzinfo=BERLIN).astimezone(UTC)
        policy = replace(fleet_policy("a"), deadline=timedelta(hours=1))
        world = FleetWorld(policy, settings=frozen(NIGHT), start=start)
        world.deploy("a")
        world.live(hours(7).total_seconds())
        held = world.newest("a")
        assert (held.phase, held.reason) == (Phase.PROGRESSING, Reason.RELEASE_FREEZE)
        assert held.weight_permille == 50
        world.until("a", Phase.SUCCEEDED, within=2 * 3600.0)

    def test_a_bad_version_is_rolled_back_in_a_freeze(self) -> None:
        start = datetime(2026, 12, 1, 21, 59, 40, tzinfo=BERLIN).astimezone(UTC)
        world = FleetWorld(fleet_policy("a"), settings=frozen(NIGHT), start=start)
        world.deploy("a")
        world.live(120.0)
        assert world.newest("a").reason is Reason.RELEASE_FREEZE
        break_version(world, "a")
        world.live(60.0)
        assert world.newest("a").phase is Phase.ROLLED_BACK

    def test_a_person_cannot_promote_in_a_freeze(self) -> None:
        start = datetime(2026, 12, 1, 21, 59, 40, tzinfo=BERLIN).astimezone(UTC)
        world = FleetWorld(fleet_policy("a"), settings=frozen(NIGHT), start=start)
        world.deploy("a")
        world.live(120.0)
        answer = world.worlds["a"].say(CommandKind.PROMOTE, world.newest("a"))
        assert isinstance(answer, Refusal)
        assert answer.message == (
            "release freeze night until Wed 2026-12-02 06:00 Europe/Berlin: nothing steps up until then"
        )

    def test_a_freeze_that_begins_before_the_first_weight_holds_it(self) -> None:
        start = datetime(2026, 12, 1, 21, 59, 50, tzinfo=BERLIN).astimezone(UTC)
        world = FleetWorld(fleet_policy("a"), settings=frozen(NIGHT), start=start)
        world.worlds["a"].deploy("v2")
        make_ready(world, "a", ready=False)
        world.wake("a")
        world.live(30.0)
        make_ready(world, "a", ready=True)
        world.live(60.0)
        held = world.newest("a")
        assert (held.phase, held.reason) == (Phase.VALIDATING, Reason.RELEASE_FREEZE)
        passes = len(world.passes)
        world.live(hours(7).total_seconds())
        assert len(world.passes) == passes
        make_ready(world, "a", ready=False)
        world.live(hours(1.1).total_seconds())
        assert world.newest("a").reason is Reason.WAITING_FOR_READY
        make_ready(world, "a", ready=True)
        world.until("a", Phase.SUCCEEDED)

    def test_a_policy_may_have_windows_of_its_own(self) -> None:
        office = Recurrence("0 9 * * mon-thu", hours(7), "America/New_York", "office hours")
        new_york = ZoneInfo("America/New_York")
        start = datetime(2026, 12, 4, 10, tzinfo=new_york).astimezone(UTC)  # a Friday
        world = FleetWorld(fleet_policy("a", windows=(office,)), start=start)
        world.deploy("a")
        world.live(60.0)
        waiting = world.newest("a")
        assert (waiting.phase, waiting.reason) == (Phase.PENDING, Reason.OUTSIDE_WINDOW)
        assert waiting.message == ("release window office hours opens Mon 2026-12-07 09:00 America/New_York")
        world.live(hours(71.1).total_seconds())
        assert world.phases()["a"] is not Phase.PENDING

    def test_a_freeze_may_be_for_some_models(self) -> None:
        start = datetime(2026, 12, 1, 23, tzinfo=BERLIN).astimezone(UTC)
        only = NIGHT.model_copy(update={"models": ["fraud-*"]})
        world = FleetWorld(
            fleet_policy("fraud-a"), fleet_policy("ranker"), settings=frozen(only), start=start
        )
        world.deploy("fraud-a", "ranker")
        world.live(30.0)
        assert world.under_way() == ["ranker"]

    @pytest.mark.parametrize(
        ("start", "lasts"),
        [
            # clocks go forward at 02:00: the freeze of eight hours ends when they show 07:00
            (datetime(2027, 3, 27, 22, 0, tzinfo=BERLIN), 8.0),
            # and back at 03:00: it ends when they show 05:00
            (datetime(2026, 10, 24, 22, 0, tzinfo=BERLIN), 8.0),
        ],
    )
    def test_a_freeze_lasts_as_long_in_the_nights_in_which_clocks_change(
        self, start: datetime, lasts: float
    ) -> None:
        world = FleetWorld(fleet_policy("a"), settings=frozen(NIGHT), start=start.astimezone(UTC))
        world.deploy("a")
        world.live(hours(lasts).total_seconds() - 10)
        assert world.newest("a").reason is Reason.RELEASE_FREEZE
        world.live(30.0)
        assert world.under_way() == ["a"]

    def test_a_window_opens_by_the_clock_on_the_wall_before_and_after_a_change(self) -> None:
        office = Recurrence("0 9 * * *", hours(1), "Europe/Berlin")
        for day in (datetime(2027, 3, 27, 8, tzinfo=BERLIN), datetime(2027, 3, 28, 8, tzinfo=BERLIN)):
            world = FleetWorld(fleet_policy("a", windows=(office,)), start=day.astimezone(UTC))
            world.deploy("a")
            world.live(3590.0)
            assert world.newest("a").reason is Reason.OUTSIDE_WINDOW
            world.live(30.0)
            assert world.under_way() == ["a"]


class TestPauseOfEverything:
    def test_weights_hold_checks_go_on_and_it_ends_as_it_began(self) -> None:
        world = FleetWorld(fleet_policy("a"), fleet_policy("b"), fleet_policy("c"))
        world.deploy("a", "b")
        world.until("a", Phase.PROGRESSING)
        world.register.pause_is(Pause("ann", world.now(), "an incident"))
        world.deploy("c")
        world.live(900.0)
        assert world.newest("a").reason is Reason.EVERYTHING_PAUSED
        assert "paused by ann since" in world.newest("a").message
        assert world.newest("a").message.endswith(": an incident")
        assert world.newest("a").weight_permille == 50
        assert world.newest("c").phase is Phase.PENDING
        break_version(world, "b")
        world.live(60.0)
        assert world.newest("b").phase is Phase.ROLLED_BACK
        world.register.pause_is(None)
        world.live(1.0)
        assert "c" in world.under_way()
        world.until("a", Phase.SUCCEEDED)


class TestGroups:
    def world(self, *models: str, **settings: object) -> FleetWorld:
        policies = [fleet_policy(model, group="search") for model in models]
        return FleetWorld(*policies, settings=FleetSettings(**settings))  # type: ignore[arg-type]

    def test_they_are_promoted_together(self) -> None:
        world = self.world("a", "b", "c")
        world.deploy("a", "b")
        world.live(600.0)
        for model in ("a", "b"):
            waiting = world.newest(model)
            assert (waiting.phase, waiting.reason) == (Phase.PROGRESSING, Reason.WAITING_FOR_GROUP)
        assert "c, which has no release" in world.newest("a").message
        world.deploy("c")
        for model in ("a", "b", "c"):
            world.until(model, Phase.SUCCEEDED)
        promoted = [
            fact.at
            for of_model in world.worlds.values()
            for fact in of_model.history
            if getattr(getattr(fact, "entry", None), "event", "") == "promotion_started"
        ]
        assert len(promoted) == 3
        assert max(promoted) - min(promoted) <= 10

    def test_a_member_that_fails_before_the_promotion_takes_all_back(self) -> None:
        world = self.world("a", "b", "c")
        world.deploy("a", "b", "c")
        world.until("c", Phase.PROGRESSING)
        break_version(world, "c")
        world.until("c", Phase.ROLLED_BACK)
        world.live(5.0)
        for model in ("a", "b"):
            ended = world.newest(model)
            assert (ended.phase, ended.reason) == (Phase.ROLLED_BACK, Reason.GROUP_FAILED)
            assert ended.message.startswith("c v2 of its group search is ")
            assert world.worlds[model].gateway.running.weight_permille == 0

    def test_a_member_that_fails_while_baking_takes_all_back(self) -> None:
        world = self.world("a", "b")
        world.deploy("a", "b")
        world.until("b", Phase.BAKING)
        world.until("a", Phase.BAKING)
        break_version(world, "b")
        world.until("b", Phase.ROLLED_BACK)
        world.live(5.0)
        assert world.newest("a").phase is Phase.ROLLED_BACK
        assert world.newest("a").reason is Reason.GROUP_FAILED

    def test_nobody_becomes_stable_before_the_last_is_baked(self) -> None:
        slow = replace(fleet_policy("slow", group="search"), bake=timedelta(minutes=10))
        world = FleetWorld(fleet_policy("fast", group="search"), slow)
        world.deploy("fast", "slow")
        world.until("fast", Phase.BAKING)
        world.live(300.0)
        assert world.newest("fast").reason is Reason.WAITING_FOR_GROUP
        world.until("slow", Phase.SUCCEEDED)
        world.until("fast", Phase.SUCCEEDED, within=60.0)

    def test_a_person_who_aborts_one_ends_all(self) -> None:
        world = self.world("a", "b")
        world.deploy("a", "b")
        world.until("a", Phase.PROGRESSING)
        world.worlds["b"].say(CommandKind.ABORT, world.newest("b"))
        world.live(10.0)
        assert world.newest("a").reason is Reason.GROUP_FAILED

    def test_what_a_person_promotes_waits_for_its_group(self) -> None:
        world = self.world("a", "b")
        world.deploy("a")
        world.until("a", Phase.PROGRESSING)
        world.live(10.0)
        answer = world.worlds["a"].say(CommandKind.PROMOTE, world.newest("a"))
        assert isinstance(answer, Decision)
        assert answer.rollout.message == "v2 is promoted as soon as its group search is ready"
        world.wake("a")
        world.live(60.0)
        assert world.newest("a").reason is Reason.WAITING_FOR_GROUP
        world.deploy("b")
        world.until("a", Phase.SUCCEEDED)
        world.until("b", Phase.SUCCEEDED, within=60.0)

    def test_a_newer_version_takes_the_place_of_an_older_one(self) -> None:
        world = self.world("a", "b")
        world.deploy("a", "b")
        world.until("a", Phase.PROGRESSING)
        world.deploy("b", version="v3")
        world.until("a", Phase.SUCCEEDED)
        world.until("b", Phase.SUCCEEDED, within=60.0)
        assert world.newest("b").release.version == "v3"

    def test_a_member_that_joins_while_others_bake_keeps_nobody_waiting(self) -> None:
        world = self.world("a", "b")
        world.deploy("a", "b")
        world.until("b", Phase.BAKING)
        world.until("a", Phase.BAKING)
        world.policies["late"] = fleet_policy("late", group="search")
        world.until("a", Phase.SUCCEEDED)
        world.until("b", Phase.SUCCEEDED, within=60.0)

    def test_what_becomes_of_a_partner_after_its_success_matters_to_nobody(self) -> None:
        world = self.world("a", "b")
        world.deploy("a", "b")
        world.until("b", Phase.BAKING)
        world.until("a", Phase.BAKING)
        world.worlds["a"].gateway.available = False
        world.until("b", Phase.BAKING)
        world.live(300.0)
        assert world.newest("b").phase is Phase.BAKING
        world.worlds["a"].gateway.available = True
        world.until("b", Phase.SUCCEEDED)
        world.deploy("b", version="v3")
        world.live(1.0)
        assert world.newest("a").phase is not Phase.ROLLED_BACK
        world.until("a", Phase.SUCCEEDED)

    def test_a_release_long_ago_is_no_partner(self) -> None:
        world = self.world("a", "b")
        world.deploy("a", "b")
        world.until("a", Phase.SUCCEEDED)
        world.until("b", Phase.SUCCEEDED)
        world.deploy("a", version="v3")
        world.live(600.0)
        assert world.newest("a").reason is Reason.WAITING_FOR_GROUP

    def test_a_failure_long_ago_takes_nothing_back(self) -> None:
        world = self.world("a", "b")
        world.deploy("b")
        break_version(world, "b")
        world.until("b", Phase.ROLLED_BACK)
        world.deploy("a")
        world.live(300.0)
        assert world.newest("a").reason is Reason.WAITING_FOR_GROUP

    def test_other_namespaces_have_groups_of_their_own(self) -> None:
        world = FleetWorld(
            fleet_policy("a", group="search", namespace="ml"),
            fleet_policy("b", group="search", namespace="ads"),
        )
        world.deploy("a")
        world.until("a", Phase.SUCCEEDED)


class TestPlacesOfGroups:
    """A member that waits for its group must never wait for one that waits for a place."""

    def test_two_groups_in_places_for_one_go_one_after_the_other(self) -> None:
        world = FleetWorld(
            fleet_policy("a1", group="a"),
            fleet_policy("b1", group="b"),
            fleet_policy("a2", group="a"),
            fleet_policy("b2", group="b"),
            settings=FleetSettings(max_rollouts=2),
        )
        world.deploy("a1", "b1")
        world.live(30.0)
        assert world.under_way() == ["a1"]
        assert world.newest("b1").message == (
            "waits for 2 places for all of its group b: 2 of 2 rollouts run already, "
            "or are kept for groups that have begun"
        )
        world.deploy("b2", "a2")
        for model in ("a1", "a2", "b1", "b2"):
            world.until(model, Phase.SUCCEEDED)

    def test_a_place_is_kept_for_one_that_nobody_has_deployed_yet(self) -> None:
        world = FleetWorld(
            fleet_policy("a1", group="a", gpus=2),
            fleet_policy("a2", group="a", gpus=4),
            fleet_policy("other", gpus=4),
            settings=FleetSettings(gpus=8),
        )
        world.deploy("a1", "other")
        world.live(30.0)
        assert world.under_way() == ["a1"]
        assert world.newest("other").message == (
            "waits for 4 GPUs: 6 of 8 are taken, or are kept for groups that have begun"
        )
        world.restart()
        world.deploy("a2")
        world.live(30.0)
        assert world.under_way() == ["a1", "a2"]
        world.until("other", Phase.SUCCEEDED)

    def test_a_group_that_never_fits_says_so_and_keeps_nobody_waiting(self) -> None:
        world = FleetWorld(
            fleet_policy("a1", group="a"),
            fleet_policy("a2", group="a"),
            fleet_policy("other"),
            settings=FleetSettings(max_rollouts=1),
        )
        world.deploy("a1", "a2", "other")
        world.until("other", Phase.SUCCEEDED)
        assert world.newest("a1").reason is Reason.WAITING_FOR_TURN
        assert world.newest("a1").message == (
            "its group a needs 2 places, and 1 rollouts may run: "
            "raise the limit in the settings, or make the group smaller"
        )

    def test_what_is_kept_is_given_back_when_the_group_fails(self) -> None:
        world = FleetWorld(
            fleet_policy("a1", group="a"),
            fleet_policy("a2", group="a"),
            fleet_policy("other"),
            settings=FleetSettings(max_rollouts=2),
        )
        world.deploy("a1", "other")
        world.live(30.0)
        assert world.under_way() == ["a1"]
        break_version(world, "a1")
        world.until("a1", Phase.ROLLED_BACK)
        world.live(1.0)
        assert world.under_way() == ["other"]

    def test_a_newer_version_takes_the_place_of_the_older_in_its_group(self) -> None:
        world = FleetWorld(
            fleet_policy("a1", group="a"),
            fleet_policy("a2", group="a"),
            settings=FleetSettings(max_rollouts=2),
        )
        world.deploy("a1", "a2")
        world.until("a1", Phase.PROGRESSING)
        world.deploy("a1", version="v3")
        world.until("a1", Phase.SUCCEEDED)
        world.until("a2", Phase.SUCCEEDED, within=60.0)

    def test_one_that_comes_after_another_of_its_group_starts_when_that_is_ready(self) -> None:
        world = FleetWorld(
            fleet_policy("first", group="a"), fleet_policy("second", group="a", after=("first",))
        )
        world.deploy("first", "second")
        world.live(10.0)
        assert world.newest("second").reason is Reason.WAITING_FOR_MODEL
        world.until("second", Phase.PROGRESSING)
        assert world.newest("first").reason is Reason.WAITING_FOR_GROUP
        world.until("first", Phase.SUCCEEDED)
        world.until("second", Phase.SUCCEEDED, within=60.0)
