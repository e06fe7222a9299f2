"""The daemon has exactly the rights that the manifests give it, and needs every one of them.

It runs whole rollouts with every feature on. What it asked for is what a proxy of its own has recorded; what
it may do is what the adapters declare; the two are the same. (What the absence of one right does is shown
verb by verb in `tests/integration/test_deploy_apply.py`.)
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest

from controller.adapters.kube.declared import PERMISSIONS
from controller.features import Feature
from tests.deploy.requests import Need, need_of, needs
from tests.e2e.cluster.buttons import button_settings
from tests.e2e.cluster.plays_rights import AFTER_THE_CHANGE, BEFORE_THE_CHANGE, Play
from tests.e2e.cluster.robots import API_SETTINGS
from tests.e2e.cluster.stage import ClusterStage
from tests.kube.apiserver import ApiServer
from tests.kube.fault_rules import Fault, Planned, script
from tests.kube.rewrite_groups import FORMER, NEWER, serve_newer

pytestmark = pytest.mark.integration

CONFLICTS = (
    "/modelrollouts/",
    "/httproutes/",
    "/grpcroutes/",
    "/virtualservices/",
    "/aigatewayroutes/",
    "/serving.knative.dev/v1/",
    "/inferenceservices/",
    "/llminferenceservices/",
    f"/{FORMER}/",
    f"/{NEWER}/",
)
"""One write of each is refused, for what is refused is read again."""


@pytest.fixture(scope="module")
def stage(apiserver: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStage]:
    """Before the change the server knows rewrites of the former group alone."""
    folder = tmp_path_factory.mktemp("rights")
    try:
        serve_newer(apiserver.admin, served=False)
        with ClusterStage(
            apiserver, folder, "rights", tuple(Feature), {**button_settings(folder), **API_SETTINGS}
        ) as stage:
            yield stage
    finally:
        serve_newer(apiserver.admin, served=True)


def act(stage: ClusterStage, plays: Mapping[str, Play]) -> None:
    with ThreadPoolExecutor(len(plays)) as pool:
        for done in [pool.submit(play, stage, name) for name, play in plays.items()]:
            done.result()


def test_it_does_everything_that_it_may_and_nothing_else(stage: ClusterStage) -> None:
    [replica] = stage.replicas
    stream = stage.traffic("held", "cloned", "copied")
    replica.proxy.inject(script(*(Planned(Fault.CONFLICT, "PATCH", path) for path in CONFLICTS)))
    act(stage, BEFORE_THE_CHANGE)
    replica.stop()
    serve_newer(stage.server.admin, served=True)
    replica.start()
    act(stage, AFTER_THE_CHANGE)
    stream.stop()
    asked = list(chain.from_iterable(stage.recorded.values()))
    refused = {f"{each.method} {each.path}" for each in asked if each.server_status == 403}
    assert refused == set(), "it asked for what it may not do"
    used = {need for each in asked if (need := need_of(each.method, each.path, each.query)) is not None}
    declared: set[Need] = {need for permission in PERMISSIONS for need in needs(permission)}
    assert declared - used == set(), "rights that nothing needs"
    assert used - declared == set()
