"""How long a pod that is stopped has for its requests, as its template says, against the drain time."""

from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.kube.resources import DEPLOYMENTS
from controller.adapters.workload.kube_grace import grace_of
from controller.domain.grace import Grace, short_grace
from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase
from tests.kube_fake import FakeApi
from tests.kube_workloads import deployment
from tests.unit.workload.cluster import EXISTING, a_cluster, adapter, rollout, with_canary

Obj = dict[str, Any]
SECOND = timedelta(seconds=1)


def template(*containers: Obj, **spec: Any) -> Obj:
    return {"spec": {"containers": list(containers), **spec}}


def sleeping(**hook: Any) -> Obj:
    return {"name": "model", "lifecycle": {"preStop": hook}}


@pytest.mark.parametrize(
    ("pod", "grace"),
    [
        (template(), Grace(30 * SECOND)),
        (template(terminationGracePeriodSeconds=120), Grace(120 * SECOND)),
        (template(terminationGracePeriodSeconds=0), Grace(0 * SECOND)),
        (template(sleeping(sleep={"seconds": 15})), Grace(30 * SECOND, 15 * SECOND)),
        (template(sleeping(exec={"command": ["sleep", "20"]})), Grace(30 * SECOND, 20 * SECOND)),
        (
            template(sleeping(exec={"command": ["/bin/sh", "-c", "touch x; sleep 7s && true"]})),
            Grace(30 * SECOND, 7 * SECOND),
        ),
        (template(sleeping(httpGet={"path": "/drain", "port": 80})), Grace(30 * SECOND)),
        (
            template(sleeping(sleep={"seconds": 5}), sleeping(sleep={"seconds": 9})),
            Grace(30 * SECOND, 9 * SECOND),
        ),
        (
            template({"args": ["--model", "x", "--shutdown-timeout", "90"]}),
            Grace(30 * SECOND, shutdown=90 * SECOND),
        ),
        (
            template({"command": ["sh", "-c", "vllm serve x --shutdown-timeout=45"]}),
            Grace(30 * SECOND, shutdown=45 * SECOND),
        ),
        (template({"args": ["--shutdown-timeout", "soon"]}), Grace(30 * SECOND)),
        ({}, Grace(30 * SECOND)),
        ({"spec": {"containers": ["?", {"args": [7, None]}, {"lifecycle": 1}]}}, Grace(30 * SECOND)),
    ],
)
def test_a_template_says_how_long_a_pod_has(pod: Obj, grace: Grace) -> None:
    assert grace_of(pod) == grace


def test_a_pod_that_has_the_drain_time_is_not_spoken_of() -> None:
    assert short_grace("x", Grace(60 * SECOND), 60 * SECOND) == ""
    assert short_grace("x", Grace(75 * SECOND, 15 * SECOND), 60 * SECOND) == ""


def test_what_is_too_short_is_said_with_what_to_set() -> None:
    assert short_grace("Deployment fraud-v6", Grace(60 * SECOND, 15 * SECOND), 60 * SECOND) == (
        "Deployment fraud-v6: a pod that is stopped has 1m to end its requests, of which preStop takes 15s, "
        "less than the policy's drain time of 1m: set terminationGracePeriodSeconds to 75, or more"
    )


def test_an_engine_that_takes_longer_than_the_drain_time_counts() -> None:
    said = short_grace("x", Grace(100 * SECOND, 15 * SECOND, 90 * SECOND), 60 * SECOND)
    assert "less than the engine's --shutdown-timeout of 1m30s" in said
    assert said.endswith("to 105, or more")


def with_grace(api: FakeApi, name: str, seconds: int) -> None:
    made = deployment(name, replicas=1)
    made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = seconds
    api.put(DEPLOYMENTS, made)


async def cautions(api: FakeApi, what: Rollout) -> tuple[str, ...]:
    return (await adapter(api).readiness(what, what.release)).cautions


async def test_before_its_traffic_a_rollout_is_told_of_both_versions_pods() -> None:
    api = with_canary(a_cluster())
    (said,) = await cautions(api, rollout(EXISTING, scale=True))
    assert said.startswith("Deployment fraud-v6 and Deployment fraud-v7: a pod that is stopped has 30s")
    with_grace(api, "fraud-v6", 60)
    (said,) = await cautions(api, rollout(EXISTING, scale=True))
    assert said.startswith("Deployment fraud-v7: ")
    with_grace(api, "fraud-v7", 90)
    assert await cautions(api, rollout(EXISTING, scale=True)) == ()


async def test_what_serinus_does_not_scale_and_what_has_traffic_is_not_spoken_of() -> None:
    api = with_canary(a_cluster())
    assert await cautions(api, rollout(EXISTING)) == ()
    assert await cautions(api, rollout(EXISTING, scale=True, weight=50, phase=Phase.PROGRESSING)) == ()
