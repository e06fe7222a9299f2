"""Testers and users who keep their version, through whole rollouts on a real Envoy and a real Prometheus."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection

import pytest

from controller.domain.vocabulary import Phase, Reason
from tests.e2e.fake_model import fake_model
from tests.e2e.harness import Harness
from tests.e2e.policies import Fields, step
from tests.e2e.proof import assert_gapless, eventually, weights

pytestmark = pytest.mark.integration

TESTER = {"x-tester": "1"}
AUDIENCE: Fields = {
    "testers": [{"header": "x-tester", "value": "1"}],
    "sticky": {"header": "x-user-id", "requests_per_user": 1},
}
TESTERS: Fields = {"testers": True, "for": "2s", "min_requests": 20}
STEPS = (TESTERS, step("20%", "4s"), step("50%", "4s"))
JUDGED: Fields = {
    "judge": "sequential",
    "audience": AUDIENCE,
    "checks": {"errors": {"max": "5%"}, "latency_p99": {"max": "250ms"}},
}
RATE = 100
PAUSE_SECONDS = 0.02
USERS = 250
WITHIN = 60
SLOW_SECONDS = 0.4


def asked(harness: Harness, model: str, headers: Mapping[str, str], method: str = "GET") -> str:
    """Who answered one request."""
    connection = HTTPConnection("127.0.0.1", harness.stage.gateway.port, timeout=5)
    try:
        connection.request(method, f"/v2/models/{model}", headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
        return answer.headers.get("x-served-by", "nobody")
    finally:
        connection.close()


@contextmanager
def somebody_tests(harness: Harness, model: str, method: str = "GET") -> Iterator[Counter[str]]:
    """Somebody who tests while the context lasts; who answered so far."""
    found: Counter[str] = Counter()
    over = threading.Event()

    def work() -> None:
        while not over.wait(PAUSE_SECONDS):
            found[asked(harness, model, TESTER, method)] += 1

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def users_of(harness: Harness, model: str, version: str) -> set[int]:
    """The users whom the version answers now."""
    answers = {user: asked(harness, model, {"x-user-id": f"user-{user}"}) for user in range(USERS)}
    return {user for user, served_by in answers.items() if served_by == f"{model}@{version}"}


def test_testers_come_first_and_users_keep_a_good_version_until_all_have_it(harness: Harness) -> None:
    model = harness.model(STEPS, **JUDGED)
    with ExitStack() as stack:
        stream = stack.enter_context(harness.traffic(model, RATE))
        found = stack.enter_context(somebody_tests(harness, model))
        rollout = harness.deploy(model, "v2")
        eventually(lambda: found[f"{model}@v2@testers"] > 5, "testers have the canary", WITHIN)
        assert harness.client.status(rollout).weight == 0
        assert harness.ask(model, 20) == {f"{model}@v1": 20}
        assert "testers" in harness.cli("get", rollout).stdout
        harness.until_weight(rollout, 20, within=WITHIN)
        first = users_of(harness, model, "v2")
        harness.until_weight(rollout, 50, within=WITHIN)
        second = users_of(harness, model, "v2")
        status = harness.until(rollout, Phase.SUCCEEDED, within=WITHIN)
        traffic = stream.stop()
    assert status.reason is Reason.PROMOTED
    assert first < second, (len(first), len(second), len(first - second))
    assert 0.1 * USERS < len(first) < 0.3 * USERS, len(first)
    assert 0.38 * USERS < len(second) < 0.62 * USERS, len(second)
    assert traffic.failed == 0, traffic
    entries = harness.entries(rollout)
    assert_gapless(entries)
    assert weights(entries) == [0, 20, 50, 100]
    assert users_of(harness, model, "v2") == set(range(USERS))


def test_what_is_too_slow_for_testers_is_taken_from_them_and_nobody_else_had_it(harness: Harness) -> None:
    model = harness.model(({**TESTERS, "for": "20s"}, step("50%", "4s")), **JUDGED)
    with ExitStack() as stack:
        canary = stack.enter_context(fake_model())
        canary.seconds = SLOW_SECONDS
        stream = stack.enter_context(harness.traffic(model, RATE))
        stack.enter_context(somebody_tests(harness, model, "POST"))
        rollout = harness.deploy(model, "v2", canary.endpoint)
        status = harness.until(rollout, Phase.ROLLED_BACK, within=WITHIN)
        traffic = stream.stop()
    assert status.reason is Reason.CHECK_FAILED
    assert status.message.startswith("latency_p99 "), status.message
    assert "250ms" in status.message, status.message
    assert set(traffic.backends) == {f"{model}@v1"}, traffic.backends
    assert set(weights(harness.entries(rollout))) == {0}
    assert asked(harness, model, TESTER) == f"{model}@v1"
    assert users_of(harness, model, "v1") == set(range(USERS))
