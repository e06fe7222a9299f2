"""Streams that are under way when the weight changes go on to their end: at a promotion and a rollback."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

import pytest

from controller.domain.vocabulary import Phase
from tests.e2e.fake_model import CHUNKS, END, FakeModel, fake_model
from tests.e2e.harness import Harness
from tests.e2e.policies import Steps, step
from tests.e2e.proof import eventually

pytestmark = pytest.mark.integration

STREAM_SECONDS = 2.0
USERS = 16
LONG_STEP = (step("50%", "1h"),)
SHORT_STEP = (step("50%", "1s", min_requests=4),)


class Streams:
    """Users who each read one stream after another through the gateway."""

    def __init__(self, harness: Harness, model: str) -> None:
        self.whole: Counter[str] = Counter()
        self.cut: list[str] = []
        self._harness = harness
        self._model = model
        self._over = threading.Event()
        self._users = [threading.Thread(target=self._use, args=(number,)) for number in range(USERS)]

    def start(self) -> None:
        for user in self._users:
            user.start()

    def finish(self) -> None:
        """No more are begun; returns when those under way have ended."""
        self._over.set()
        for user in self._users:
            user.join(4 * STREAM_SECONDS)

    def _use(self, number: int) -> None:
        self._over.wait(number * STREAM_SECONDS / USERS)  # so that some are under way at any moment
        while not self._over.is_set():
            try:
                self._read()
            except (OSError, HTTPException) as error:
                self.cut.append(repr(error))

    def _read(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._harness.stage.gateway.port, timeout=5 * STREAM_SECONDS)
        try:
            connection.request("POST", f"/v2/models/{self._model}/infer", b"{}")
            answer = connection.getresponse()
            body = answer.read()
            served_by = answer.headers.get("x-serinus-version", "nobody")
        finally:
            connection.close()
        if answer.status == 200 and body.count(b"\n\n") == CHUNKS + 1 and body.endswith(END):
            self.whole[served_by] += 1
        else:
            self.cut.append(f"{answer.status} of {served_by}: {body[-40:]!r}")


@contextmanager
def streaming(harness: Harness, model: str) -> Iterator[Streams]:
    streams = Streams(harness, model)
    streams.start()
    try:
        yield streams
    finally:
        streams.finish()


@contextmanager
def versions() -> Iterator[tuple[FakeModel, FakeModel]]:
    with fake_model(STREAM_SECONDS) as stable, fake_model(STREAM_SECONDS) as canary:
        yield stable, canary


def serving(harness: Harness, stable: FakeModel, steps: Steps) -> str:
    """A new model that the stable version serves alone."""
    model = harness.new_model(steps)
    harness.deploy(model, "v1", stable.endpoint)
    harness.until(model, Phase.SUCCEEDED)
    return model


def test_streams_in_flight_survive_a_rollback(harness: Harness) -> None:
    with versions() as (stable, canary):
        model = serving(harness, stable, LONG_STEP)
        with streaming(harness, model) as streams:
            rollout = harness.deploy(model, "v2", canary.endpoint)
            harness.until_weight(rollout, 50)
            eventually(lambda: canary.streaming >= 4, "streams of the canary are under way")
            canary.ready = False
            harness.until(rollout, Phase.ROLLED_BACK)
            in_flight = canary.streaming
            eventually(
                lambda: not canary.streaming, "the canary's last streams have ended", 3 * STREAM_SECONDS
            )
    assert in_flight, "no stream was under way when the canary got its last request"
    assert streams.cut == []
    assert streams.whole["v2"] >= in_flight
    assert streams.whole["v1"] > 0


def test_streams_in_flight_survive_a_promotion(harness: Harness) -> None:
    with versions() as (stable, canary):
        model = serving(harness, stable, SHORT_STEP)
        with streaming(harness, model) as streams:
            rollout = harness.deploy(model, "v2", canary.endpoint)
            harness.until_weight(rollout, 100)
            in_flight = stable.streaming
            eventually(lambda: not stable.streaming, "stable's last streams have ended", 3 * STREAM_SECONDS)
            harness.until(rollout, Phase.SUCCEEDED)
    assert in_flight, "no stream was under way when stable got its last request"
    assert streams.cut == []
    assert streams.whole["v1"] >= in_flight
    assert streams.whole["v2"] > 0
