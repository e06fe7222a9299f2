"""Testers and users who keep their version, on routes of a real API server."""

from typing import TYPE_CHECKING

import pytest

from controller.domain.audience import Audience, AudienceRules, Carrier, Digits, Key, Match, Sticky
from controller.domain.release import RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict
from tests.gateway_routes import C, S, ref
from tests.integration.test_gateway_route import World

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

RULES = AudienceRules(
    (Match(Key(Carrier.HEADER, "x-tester"), "1"), Match(Key(Carrier.COOKIE, "beta"), "yes")),
    Sticky(Key(Carrier.HEADER, "x-user-id"), Digits.HEX),
)
FIRST = Split(S, C, 0, audience=Audience(RULES.testers))


def at(weight: int) -> Split:
    return Split(S, C, weight, audience=Audience(RULES.testers, RULES.sticky))


class Audienced(World):
    """A world whose policy names an audience."""

    def routed(self, **changes: object) -> RoutedModel:
        return super().routed(audience=RULES, **changes)


@pytest.fixture(params=["HTTPRoute", "GRPCRoute"])
def world(request: pytest.FixtureRequest, apiserver: "ApiServer", namespace: str) -> Audienced:
    world = Audienced(apiserver, namespace, request.param)
    world.create(ref("fraud-v6"))
    world.allow("serinus-a")
    return world


async def test_the_server_keeps_the_rules_as_they_were_written_and_a_rollback_gives_the_route_back(
    world: Audienced,
) -> None:
    before = world.route()["spec"]
    async with world.router() as router:
        held = Split(S)
        for split, rules in ((FIRST, 3), (at(50), 5), (at(250), 5), (at(500), 5)):
            await router.apply(world.routed(), split, held)
            world.accept()
            await world.until(router, split, accepted=True)
            assert len(world.route()["spec"]["rules"]) == rules
            held = split
        await router.apply(world.routed(), Split(S), held)
        await world.until(router, Split(S), accepted=False)
    assert world.route()["spec"] == before


async def test_a_promotion_leaves_the_rules_that_were_there(world: Audienced) -> None:
    before = world.route()["spec"]
    async with world.router() as router:
        held = Split(S)
        for split in (FIRST, at(500), Split(S, C, 1000), Split(C)):
            await router.apply(world.routed(), split, held)
            await world.until(router, split, accepted=False)
            held = split
    after = world.route()["spec"]
    after["rules"][1]["backendRefs"][0]["name"] = "fraud-v6"
    assert after == before


@pytest.mark.parametrize("held", [FIRST, at(50)])
async def test_an_emergency_takes_testers_back_as_well(world: Audienced, held: Split) -> None:
    before = world.route()["spec"]
    async with world.router() as router:
        await router.apply(world.routed(), held, Split(S))
        await router.roll_back_unrecorded(world.routed(), Reason.CHECK_FAILED)
    assert world.route()["spec"] == before


async def test_what_kubectl_changes_in_a_rule_of_ours_is_drift_that_names_kubectl(world: Audienced) -> None:
    async with world.router() as router:
        await router.apply(world.routed(), FIRST, Split(S))
        path = "/spec/rules/2/matches/0/headers/0/value"
        world.kubectl_patch({"op": "replace", "path": path, "value": "everybody"})
        edited = Split(S, C, 0, audience=Audience(edited=True))
        seen = await world.until(router, edited, accepted=False)
        assert "kubectl-patch wrote last" in seen.message
        with pytest.raises(Conflict, match="rules for testers"):
            await router.apply(world.routed(), at(50), FIRST)
        await router.apply(world.routed(), Split(S), edited)
        await world.until(router, Split(S), accepted=False)
