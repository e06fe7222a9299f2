"""What a policy may say of who gets the canary, and what is refused with which words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.registry import catalogue
from controller.domain.audience import AudienceRules, Carrier, Digits, Key, Match, Sticky
from controller.domain.capabilities import Capabilities
from controller.domain.policy import Policy
from controller.policy.catalogue import Catalogue
from controller.policy.faults import PolicyFault
from controller.policy.loader import parse_policy

KNOWN = catalogue()
TESTERS = '{testers: [{header: X-Tester, value: "1"}, {cookie: beta, value: "yes"}]}'
STICKY = "{sticky: {header: X-User-Id, requests_per_user: 50}}"
WORSE = "  errors: {worse_by: 1pp}"
BOTH = "  errors: {max: 1%, worse_by: 0.5pp}"


def parsed(
    audience: str,
    steps: str = "[5%]",
    checks: str = BOTH,
    route: str = "{envoy: /m}",
    metrics: str = "envoy",
    known: Catalogue = KNOWN,
) -> Policy | tuple[PolicyFault, ...]:
    head = f"model: m\nroute: {route}\nmetrics: {metrics}\naudience: {audience}\n"
    text = f"{head}steps: {steps}\nchecks:\n{checks}\n"
    return parse_policy(text.encode(), "m.yaml", known, lambda _: b"")


def told(*arguments: Any, **more: Any) -> dict[str, str]:
    found = parsed(*arguments, **more)
    assert isinstance(found, tuple), found
    return {fault.field: f"{fault.sentence}; {fault.suggestion}" for fault in found}


def rules(*arguments: Any, **more: Any) -> AudienceRules:
    found = parsed(*arguments, **more)
    assert isinstance(found, Policy), found
    return found.audience


def test_testers_and_users_who_keep_it_are_read_with_headers_in_one_spelling() -> None:
    assert rules(TESTERS) == AudienceRules(
        (Match(Key(Carrier.HEADER, "x-tester"), "1"), Match(Key(Carrier.COOKIE, "beta"), "yes"))
    )
    found = rules(STICKY)
    assert (found.sticky, found.requests_per_user) == (Sticky(Key(Carrier.HEADER, "x-user-id")), 50)


def test_nothing_is_asked_for_without_it() -> None:
    assert rules("{testers: []}") == AudienceRules()


@pytest.mark.parametrize("step", ["testers", "{testers: true, for: 10m, min_requests: 50}"])
def test_testers_have_a_step_of_their_own(step: str) -> None:
    found = parsed(TESTERS, f"[{step}, 5%]")
    assert isinstance(found, Policy)
    assert [(each.testers, each.weight_permille) for each in found.steps] == [(True, 0), (False, 50)]


REFUSED = {
    "a step for nobody": ((STICKY, "[testers, 5%]"), "steps[0]", "names none"),
    "a step after a weight": ((TESTERS, "[1%, testers, 5%]"), "steps[1]", "before everybody else"),
    "two steps": ((TESTERS, "[testers, testers, 5%]"), "steps[1]", "once"),
    "nobody else after them": ((TESTERS, "[testers]"), "steps[0]", "no weight follows"),
    "a weight for testers": ((TESTERS, "[{testers: true, weight: 1%}, 5%]"), "steps[0].weight", "no weight"),
    "neither": ((TESTERS, "[{for: 5m}]"), "steps[0].weight", "missing"),
    "nothing judges them": ((TESTERS, "[testers, 5%]", WORSE), "checks", "give a check max"),
    "a query that counts them": (
        (TESTERS, "[5%]", '  own: {query: "sum(x{v=\\"$version\\"})", max: 5, worse_by: 5%}'),
        "checks.own.worse_by",
        "cannot be compared",
    ),
    "all cookies": (("{sticky: {header: Cookie}}",), "audience.sticky.header", "cookie: NAME"),
    "no sender": (("{sticky: {header: host}}",), "audience.sticky.header", "does not say who"),
    "no name": (("{sticky: {requests_per_user: 3}}",), "audience.sticky", "neither"),
    "two names": (("{sticky: {header: a, cookie: b}}",), "audience.sticky", "name one"),
    "too many requests": (
        ("{sticky: {header: a, requests_per_user: 2000}}",),
        "audience.sticky.requests_per_user",
        "1000",
    ),
    "digits": (("{sticky: {header: a, digits: hex}}",), "audience.sticky.digits", "hashes"),
    "twice": (
        ("{testers: [{header: a, value: x}, {header: A, value: x}]}",),
        "audience.testers[1]",
        "given twice",
    ),
    "a number": (("{testers: [{header: a, value: 1}]}",), "audience.testers[0].value", 'write "1"'),
    "true": (("{testers: [{header: a, value: true}]}",), "audience.testers[0].value", 'write "true"'),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "field", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_where_it_stands(arguments: tuple[str, ...], field: str, why: str) -> None:
    found = told(*arguments)
    assert list(found) == [field]
    assert why in found[field]


HOSTILE = ["a b", "a:b", "a\\nb", "a\\u0000b", "a\\u00e9", "", " a", "a ", "a" * 200, "a\\tb", "\\u202e"]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_and_values_that_would_mean_something_else_to_a_gateway_are_refused(text: str) -> None:
    assert "audience.sticky.header" in told(f'{{sticky: {{header: "{text}"}}}}')
    if text not in ("a b", "a:b"):
        assert "audience.testers[0].value" in told(f'{{testers: [{{header: h, value: "{text}"}}]}}')
    assert "audience.testers[0].value" in told(f'{{testers: [{{cookie: c, value: "{text};"}}]}}')


@given(st.text(max_size=200))
def test_whatever_is_accepted_can_stand_in_a_header(value: str) -> None:
    found = parsed(f"{{testers: [{{cookie: c, value: {value!r}}}, {{header: h, value: {value!r}}}]}}")
    if isinstance(found, Policy):
        for match in found.audience.testers:
            assert match.value.isascii()
            assert match.value.isprintable()
            assert 0 < len(match.value) <= 128
            assert match.value == match.value.strip()
        assert not set(found.audience.testers[0].value) & set(' ",;\\')


def test_a_route_that_cannot_is_told_with_those_that_can() -> None:
    able = {"envoy": Capabilities(), "httpRoute": Capabilities(match=True, sticky=True)}
    known = Catalogue(able, KNOWN.packs, KNOWN.judges)
    found = told("{testers: [{header: a, value: x}], sticky: {header: b}}", known=known)
    assert found.keys() == {"audience.testers", "audience.sticky"}
    assert all("kinds that can: httpRoute" in each for each in found.values())


def test_a_route_of_a_cluster_keeps_users_by_the_digits_of_an_id() -> None:
    in_a_cluster = {"route": "{httpRoute: m}", "metrics": "envoy-gateway"}
    found = rules("{sticky: {cookie: sid, digits: hex}}", **in_a_cluster)
    assert found.sticky == Sticky(Key(Carrier.COOKIE, "sid"), Digits.HEX)
    assert "digits: hex" in told(STICKY, **in_a_cluster)["audience.sticky"]


@pytest.mark.parametrize("metrics", ["vllm", "istio", "auto"])
def test_metrics_that_mix_testers_with_all_others_compare_nothing(metrics: str) -> None:
    checks = "  errors: {max: 1%, worse_by: 0.5pp}"
    found = told(TESTERS, checks=checks, route="{httpRoute: m}", metrics=metrics)
    assert f"metrics: {metrics} counts testers' requests" in found["checks.errors.worse_by"]
    alone = "  errors: {max: 1%}"
    assert rules(TESTERS, checks=alone, route="{httpRoute: m}", metrics=metrics).mixed
    assert not rules(STICKY.replace("50", "50, digits: hex"), route="{httpRoute: m}", metrics=metrics).mixed


@pytest.mark.parametrize(
    ("route", "metrics"), [("{envoy: /m}", "envoy"), ("{httpRoute: m}", "envoy-gateway")]
)
def test_metrics_by_upstream_tell_testers_apart_and_compare_everybody_else(route: str, metrics: str) -> None:
    assert not rules(TESTERS, "[testers, 5%]", route=route, metrics=metrics).mixed
