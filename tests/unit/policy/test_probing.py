"""probe: and the check probes: what a policy may say, and what it is told."""

from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.registry import catalogue
from controller.domain.policy import CheckKind, Policy
from controller.domain.probes import ProbeRules
from controller.policy.explain import explain
from controller.policy.loader import beside, parse_policy

KNOWN = catalogue()
CHECKS = "errors: {max: 1%}, probes: {max: 5%}"


def parsed(more: str, checks: str = CHECKS, route: str = "{envoy: {prefix: /chat, rewrite: /}}") -> object:
    text = f"model: chat\nroute: {route}\nmetrics: envoy-gateway\nsteps: [1%]\nchecks: {{{checks}}}\n{more}"
    if "envoy:" in route:
        text = text.replace("envoy-gateway", "envoy")
    found = parse_policy(text.encode(), "x.yaml", KNOWN, beside(Path()))
    return found if isinstance(found, Policy) else [(each.message, each.suggestion) for each in found]


def test_on_our_own_envoy_little_has_to_be_said() -> None:
    policy = parsed("probe: {path: /chat/v1/chat/completions}")
    assert isinstance(policy, Policy)
    assert policy.probe == ProbeRules("/chat/v1/chat/completions", "chat", "x-serinus-version")
    check = policy.checks[1]
    assert (check.kind, check.of_probes, check.max) == (CheckKind.RATIO, True, 0.05)
    assert not policy.checks[0].of_probes


def test_everything_can_be_said() -> None:
    policy = parsed(
        "probe: {every: 2m, requests: 5, path: /v1/chat/completions, host: chat.example.com, gateway: public,"
        " served_model: org/m, prompt: Hi, max_tokens: 4, first_token: 2s, timeout: 20s,"
        " version_header: X-Model-Version}",
        route="{httpRoute: chat}",
    )
    assert isinstance(policy, Policy)
    assert policy.probe == ProbeRules(
        "/v1/chat/completions",
        served_model="org/m",
        version_header="x-model-version",
        every=timedelta(minutes=2),
        requests=5,
        prompt="Hi",
        max_tokens=4,
        first_token=timedelta(seconds=2),
        timeout=timedelta(seconds=20),
        gateway="public",
        host="chat.example.com",
    )


@pytest.mark.parametrize(
    ("more", "checks", "route", "sentence", "suggestion"),
    [
        ("", CHECKS, "{envoy: /chat}", "does not say what to ask", "add probe: "),
        (
            "probe: {path: /chat/v1/chat/completions}",
            "errors: {max: 1%}",
            "{envoy: /chat}",
            "nothing judges the probes",
            "add probes: {max: 5%} to checks",
        ),
        (
            "probe: {every: 1m}",
            CHECKS,
            "{envoy: /chat}",
            "does not belong to the model's route /chat",
            "write path: /chat/v1/chat/completions",
        ),
        (
            "probe: {path: /chatter/v1}",
            CHECKS,
            "{envoy: /chat}",
            "does not belong to the model's route /chat",
            "write path: /chat/v1/chat/completions",
        ),
        (
            "probe: {every: 1m}",
            CHECKS,
            "{httpRoute: chat}",
            "through a route of the kind httpRoute does not say which version gave it",
            "add version_header: NAME",
        ),
        ("probe: {requests: 0}", CHECKS, "{envoy: /}", "", ""),
        ("probe: {requests: 500}", CHECKS, "{envoy: /}", "", ""),
        ("probe: {path: 'http://elsewhere/v1'}", CHECKS, "{envoy: /}", "", ""),
        ("probe: {version_header: 'a b'}", CHECKS, "{envoy: /}", "", ""),
        (
            "probe: {every: 1m}",
            "probes: {bad: 'x{v=\"$version\"}', of: 'y{v=\"$version\"}', max: 1%}",
            "{envoy: /}",
            "is counted by Serinus itself and takes no bad",
            "a name of its own",
        ),
    ],
)
def test_what_would_not_be_honest_or_makes_no_sense_is_refused(
    more: str, checks: str, route: str, sentence: str, suggestion: str
) -> None:
    found = parsed(more, checks, route)
    assert isinstance(found, list)
    assert any(sentence in said and suggestion in remedy for said, remedy in found), found


def test_any_path_belongs_to_the_route_of_all_paths() -> None:
    assert isinstance(parsed("probe: {every: 1m}", route="{envoy: /}"), Policy)


def test_it_is_explained() -> None:
    assert "They cost tokens" in explain("probe") or "version_header" in explain("probe")
    assert "streamed requests" in explain("checks.probes")
