"""What is said of a policy's route, for every kind that there is."""

from dataclasses import replace

import pytest

from controller.adapters.registry import capabilities
from controller.cli.doctor.abilities import ABILITIES, abilities
from controller.cli.doctor.findings import Outcome
from controller.domain.capabilities import Capabilities
from controller.domain.policy import Policy, RouteRef

POLICY = Policy("fraud", "ml", RouteRef("new", "fraud"), "envoy", steps=(), checks=())


def said(found: Capabilities) -> str:
    finding = abilities(POLICY, {"new": found})
    assert finding is not None
    assert (finding.check, finding.subject, finding.outcome) == ("abilities", "fraud", Outcome.OK)
    return finding.message


def test_what_a_route_can_and_cannot_do_is_told_apart() -> None:
    assert said(Capabilities(finest_permille=10)) == (
        "new can divide requests by 1%, keep a version at weight 0; cannot mirror requests, "
        "route by header or cookie, keep a user with a version, name the version in each answer"
    )


def test_a_route_that_can_do_everything_lacks_nothing() -> None:
    all_of_it = Capabilities(mirror=True, match=True, sticky=True, version_header="x")
    assert "cannot" not in said(all_of_it)
    assert all(what in said(all_of_it) for what in ABILITIES)
    assert "cannot keep a version at weight 0" in said(replace(all_of_it, zero_weight=False))


@pytest.mark.parametrize("kind", sorted(capabilities()))
def test_every_kind_of_the_registry_is_told(kind: str) -> None:
    policy = replace(POLICY, route=RouteRef(kind, "fraud"))
    assert abilities(policy, capabilities()) is not None
    assert abilities(policy, {}) is None
