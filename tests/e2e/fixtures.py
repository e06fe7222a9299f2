"""The fixtures of the end-to-end tests and of the fault tests."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.local.stage import Stage
from tests.e2e.harness import Harness
from tests.e2e.telling import telling

MODELS = 56


@contextmanager
def hanging_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        yield listener.getsockname()[1]


@pytest.fixture(scope="session")
def whole_harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """One real stack for all: Envoy, Prometheus, engines of v1 to v3, the daemon."""
    folder = tmp_path_factory.mktemp("stack")
    with hanging_server() as port, telling(tmp_path_factory.mktemp("secrets")) as told:
        settings = {
            # a policy that says notify: [hanging] tells somebody who never answers
            "SERINUS_DESTINATIONS__HANGING__URL": f"http://127.0.0.1:{port}/",
            "SERINUS_DESTINATIONS__HANGING__PRIVATE_ADDRESSES": "true",
            "SERINUS_DESTINATIONS__HANGING__PLAIN_HTTP": "true",
            "SERINUS_PROMETHEUS__TIMEOUT_SECONDS": "3",
            **told.settings,
        }
        with Stage(folder, versions=("v1", "v2", "v3"), settings=settings) as stage:
            harness = Harness(stage, told)
            harness.prepare(MODELS)
            yield harness


@pytest.fixture
def harness(whole_harness: Harness) -> Harness:
    """The stack, with every part running."""
    whole_harness.heal()
    whole_harness.told.quiet()
    return whole_harness
