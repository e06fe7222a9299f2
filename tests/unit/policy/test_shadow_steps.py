"""Shadow steps in a policy file: what they become, where they are measured, and what lint says of them."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from controller.adapters import registry
from controller.domain.capabilities import Capabilities
from controller.domain.exposure import past_shadows
from controller.domain.policy import Policy
from controller.policy.catalogue import Catalogue
from controller.policy.loader import Faults, parse_policy
from controller.policy.shadows import shadow_notes

KNOWN = registry.catalogue()
NOTHING: Mapping[str, Capabilities] = {kind: Capabilities() for kind in KNOWN.routes}


def read(
    steps: str, *, route: str = "{httpRoute: m}", pack: str = "envoy-gateway", known: Catalogue = KNOWN
) -> Policy | Faults:
    text = f"model: m\nroute: {route}\nmetrics: {pack}\nsteps: {steps}\nchecks: {{errors: {{max: 1%}}}}\n"

    def nothing(name: str) -> bytes:
        raise AssertionError(name)

    return parse_policy(text.encode(), "m.yaml", known, nothing)


def policy(steps: str, pack: str = "envoy-gateway") -> Policy:
    found = read(steps, pack=pack)
    assert isinstance(found, Policy), [str(fault) for fault in found]
    return found


def test_the_short_and_the_long_form_say_the_same() -> None:
    short = policy("[shadow: 10%, 1%]")
    long = policy("[{shadow: 10%, for: 5m, min_requests: 100}, {weight: 1%}]")
    assert short.steps == long.steps
    assert [(step.weight_permille, step.mirror_permille) for step in short.steps] == [(0, 100), (10, 0)]
    assert past_shadows(short) == 1


@pytest.mark.parametrize("pack", ["istio", "traefik", "ai-gateway", "epp"])
def test_a_pack_that_does_not_see_copies_is_a_fault_at_the_first_shadow(pack: str) -> None:
    faults = read("[shadow: 10%, shadow: 20%, 1%]", pack=pack)
    assert not isinstance(faults, Policy)
    (fault,) = faults
    assert (fault.line, fault.field) == (4, "steps[0].shadow")
    assert (
        fault.sentence
        == f"the metrics pack {pack} does not see copied requests: {KNOWN.packs[pack].unmirrored}"
    )
    assert isinstance(read("[1%]", pack=pack), Policy)


@pytest.mark.parametrize("pack", ["vllm", "mlserver", "envoy-gateway", "auto"])
def test_engines_and_a_gateway_with_clusters_for_copies_measure_them(pack: str) -> None:
    assert policy("[shadow: 10%, 1%]", pack=pack).steps[0].mirror_permille == 100


def test_where_nothing_is_copied_the_pack_does_not_matter_and_a_note_says_what_is_left_out() -> None:
    unable = replace(KNOWN, routes=NOTHING)
    found = read("[shadow: 10%, shadow: 0.5%, 1%]", known=unable)
    assert not isinstance(found, Policy)
    found = read("[shadow: 10%, 1%]", pack="istio", known=unable)
    assert isinstance(found, Policy)
    assert shadow_notes(found, unable) == (
        "m: shadow 10% is left out, with a warning: a route of the kind httpRoute cannot copy requests",
    )


def test_whoever_writes_a_shadow_is_told_that_requests_run_twice() -> None:
    (note,) = shadow_notes(policy("[shadow: 10%, 1%]"), KNOWN)
    assert note.startswith("m: shadow 10%: a copied request runs twice")
    assert shadow_notes(policy("[1%]"), KNOWN) == ()


def test_every_registered_kind_of_route_says_whether_it_copies() -> None:
    assert KNOWN.routes["envoy"].mirror
    assert KNOWN.routes["httpRoute"].mirror
    assert KNOWN.routes["grpcRoute"].mirror
