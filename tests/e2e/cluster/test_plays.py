"""Every play on one stage, side by side, with real traffic through the gateway all the time."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import pytest

from controller.features import Feature
from deploy.local.stream import Stream
from tests.e2e.cluster import plays_ends, plays_gateway, plays_people
from tests.e2e.cluster.casting import PLAYS, model_of
from tests.e2e.cluster.checker import violations
from tests.e2e.cluster.daemon import CALM_LEASE
from tests.e2e.cluster.history import unknown
from tests.e2e.cluster.policies import TWO_STEPS
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.proof import eventually
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

FEATURES = (Feature.WORKLOADS, Feature.CAPACITY, Feature.INFERENCE_POOLS, Feature.DISCOVERY)
MODULES = (plays_ends, plays_people, plays_gateway)
"""Importing them has entered their plays."""
NAMESPACE = "plays"
LONGEST_SECONDS = 120
RESTARTED = "restarted"
IDLE_SECONDS = 2.5
FAILING = frozenset({"rollback"})
"""Plays whose canary fails requests."""


@dataclass(frozen=True, slots=True)
class Playing:
    """The plays under way, and the requests to all of their models."""

    plays: Mapping[str, Future[None]]
    stream: Stream


@pytest.fixture(scope="module")
def stage(apiserver: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStage]:
    folder = tmp_path_factory.mktemp("plays")
    with ClusterStage(apiserver, folder, NAMESPACE, FEATURES, CALM_LEASE) as stage:
        yield stage


@pytest.fixture(scope="module")
def playing(stage: ClusterStage) -> Iterator[Playing]:
    """All plays, begun at once."""
    stream = stage.traffic(*map(model_of, PLAYS), RESTARTED)
    with ThreadPoolExecutor(len(PLAYS)) as pool:
        plays = {name: pool.submit(act, stage, model_of(name)) for name, act in PLAYS.items()}
        yield Playing(plays, stream)
    stream.stop()


@pytest.mark.parametrize("name", PLAYS)
def test_play(playing: Playing, name: str) -> None:
    playing.plays[name].result(LONGEST_SECONDS)


def test_a_rollout_outlasts_a_stop_and_a_kill_of_the_daemon(stage: ClusterStage, playing: Playing) -> None:
    wait(playing.plays.values(), LONGEST_SECONDS)
    (daemon,) = stage.replicas
    model = RESTARTED
    stage.policy(model, TWO_STEPS)
    stage.in_service(model)
    stage.candidate(model, "v2", "models/tumor:v2")
    name = stage.release(model, "v2")
    stage.until_weight(name, 20)
    assert daemon.stop() == 0
    assert set(stage.weights(model).values()) == {800, 200}, "a daemon that stops leaves the route as it is"
    daemon.start()
    stage.until_weight(name, 50)
    daemon.kill()
    daemon.start()
    stage.wait(name, "Promoted")
    assert list(stage.weights(model)) == [f"{model}-v2"]


def test_a_restart_with_nothing_to_do_writes_nothing(stage: ClusterStage, playing: Playing) -> None:
    wait(playing.plays.values(), LONGEST_SECONDS)
    (daemon,) = stage.replicas
    before, reigns = len(stage.writes()), len(daemon.log("leading"))
    daemon.stop()
    daemon.start()
    eventually(lambda: len(daemon.log("leading")) > reigns, "it leads again")
    time.sleep(IDLE_SECONDS)
    assert [write.name for write in stage.writes()[before:]] == []


def test_nothing_was_written_that_must_not_be(stage: ClusterStage, playing: Playing) -> None:
    wait(playing.plays.values(), LONGEST_SECONDS)
    assert unknown(stage.recorded) == []
    history = stage.writes()
    assert len(history) > 100
    assert violations(history, stage.before, stage.routes(), stage.backends) == []


def test_users_met_no_errors_but_those_of_bad_versions(playing: Playing) -> None:
    wait(playing.plays.values(), LONGEST_SECONDS)
    traffic = playing.stream.stop()
    assert traffic.errors == {}
    served = {
        backend: counts for backend, counts in traffic.backends.items() if backend.startswith("httproute/")
    }
    assert sum(sum(counts.values()) for counts in served.values()) > 1000
    failed = {
        backend: counts
        for backend, counts in served.items()
        if any(not status.startswith("2") for status in counts)
        and backend.split("/")[2] not in map(model_of, FAILING)
    }
    assert failed == {}
