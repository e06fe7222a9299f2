"""The example policies that look to other models and to the hour do what their files promise."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from controller.adapters.registry import catalogue
from controller.domain.policy import Policy
from controller.domain.vocabulary import Phase, Reason
from controller.fleet_settings import FleetSettings
from controller.policy.loader import load_policy
from tests.domain_outside import usual
from tests.domain_scenes import BAD
from tests.fleet_world import FleetWorld

POLICIES = Path(__file__).parents[2] / "policies"
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY_MORNING = datetime(2026, 9, 14, 9, 30, tzinfo=BERLIN).astimezone(UTC)
DAY = 24 * 3600.0


def world_of(
    *models: str, start: datetime = MONDAY_MORNING, settings: FleetSettings | None = None
) -> FleetWorld:
    policies = [load_policy(POLICIES / f"{model}.yaml", catalogue()) for model in models]
    return FleetWorld(
        *[policy for policy in policies if isinstance(policy, Policy)], settings=settings, start=start
    )


def break_version(world: FleetWorld, model: str) -> None:
    world.worlds[model].versions.setdefault("v2", usual(world.policies[model])).bad["errors"] = BAD


def why(world: FleetWorld, model: str) -> tuple[Phase, Reason]:
    return world.newest(model).phase, world.newest(model).reason


def test_the_ranker_comes_after_the_embedder_and_rolls_in_office_hours() -> None:
    world = world_of("text-embedder", "checkout-ranker")
    world.deploy("text-embedder", "checkout-ranker")
    world.live(60.0)
    assert why(world, "checkout-ranker") == (Phase.PENDING, Reason.WAITING_FOR_MODEL)
    world.until("text-embedder", Phase.SUCCEEDED, within=DAY)
    ended = world.until("checkout-ranker", Phase.SUCCEEDED, within=2 * DAY)
    risen = [
        after.updated_at.astimezone(BERLIN)
        for before, after in pairwise(record for record, _ in world.commits if record.id == ended.id)
        if after.weight_permille > before.weight_permille and after.updated_at is not None
    ]
    assert len(risen) == 5
    assert {(each.weekday() < 4, 9 <= each.hour < 16) for each in risen} == {(True, True)}


def test_the_ranker_is_held_when_the_embedder_rolls_back() -> None:
    world = world_of("text-embedder", "checkout-ranker")
    world.deploy("text-embedder", "checkout-ranker")
    break_version(world, "text-embedder")
    world.until("text-embedder", Phase.ROLLED_BACK, within=DAY)
    world.live(60.0)
    assert why(world, "checkout-ranker") == (Phase.PENDING, Reason.MODEL_NOT_PROMOTED)


def test_the_ranker_rests_while_the_shop_earns_its_year() -> None:
    for when, name in (
        (datetime(2026, 11, 23, 10, tzinfo=BERLIN), "black friday"),
        (datetime(2026, 12, 30, 10, tzinfo=BERLIN), "end of year"),
    ):
        world = world_of("checkout-ranker", start=when.astimezone(UTC))
        world.deploy("checkout-ranker")
        world.live(60.0)
        assert why(world, "checkout-ranker") == (Phase.PENDING, Reason.RELEASE_FREEZE)
        assert f"release freeze {name} until " in world.newest("checkout-ranker").message


def test_the_ranker_goes_first_when_places_are_few() -> None:
    one = FleetSettings(max_rollouts=1)
    world = world_of("fraud-detector", "ad-clicks", "checkout-ranker", settings=one)
    for model in ("fraud-detector", "ad-clicks", "checkout-ranker"):
        world.deploy(model)
        world.live(1.0)
    assert world.under_way() == ["fraud-detector"]
    break_version(world, "fraud-detector")
    world.until("fraud-detector", Phase.ROLLED_BACK, within=DAY)
    world.live(1.0)
    assert world.under_way() == ["checkout-ranker"]
    assert why(world, "ad-clicks") == (Phase.PENDING, Reason.WAITING_FOR_TURN)


def test_the_two_encoders_are_promoted_together() -> None:
    world = world_of("query-encoder", "item-encoder")
    world.deploy("query-encoder", "item-encoder")
    for model in ("query-encoder", "item-encoder"):
        world.until(model, Phase.SUCCEEDED, within=DAY)
    promoted = [
        fact.at
        for of_model in world.worlds.values()
        for fact in of_model.history
        if getattr(getattr(fact, "entry", None), "event", "") == "promotion_started"
    ]
    assert len(promoted) == 2
    assert max(promoted) - min(promoted) <= 30


def test_what_one_encoder_does_wrong_takes_the_other_back() -> None:
    world = world_of("query-encoder", "item-encoder")
    world.deploy("query-encoder", "item-encoder")
    break_version(world, "item-encoder")
    world.until("item-encoder", Phase.ROLLED_BACK, within=DAY)
    world.live(60.0)
    assert why(world, "query-encoder") == (Phase.ROLLED_BACK, Reason.GROUP_FAILED)


def test_the_encoders_wait_for_their_gpus_together() -> None:
    world = world_of("query-encoder", "item-encoder", settings=FleetSettings(gpus=5))
    world.deploy("item-encoder", "query-encoder")
    world.live(60.0)
    for model in ("query-encoder", "item-encoder"):
        assert why(world, model) == (Phase.PENDING, Reason.WAITING_FOR_GPUS)
        assert world.newest(model).message == (
            "needs 6 GPUs for all of its group two-towers, and the fleet has 5: "
            "raise fleet.gpus in the settings, or lower gpus in the policy"
        )
