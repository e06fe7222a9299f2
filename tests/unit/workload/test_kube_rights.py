"""Every right that the adapter declares is one that it needs: without it something goes otherwise."""

from collections.abc import Awaitable

import pytest

from controller.adapters.kube.resources import (
    AI_SERVICE_BACKENDS,
    DEPLOYMENTS,
    ENVOY_BACKENDS,
    HORIZONTAL_POD_AUTOSCALERS,
    INFERENCE_POOLS,
    LEADER_WORKER_SETS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REVISIONS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.adapters.workload.kubernetes import PERMISSIONS, WATCHED
from controller.errors import TargetError, TransientError
from tests.kube_fake import Serve
from tests.kube_workloads import autoscaler, budget, deployment, meta, node, pod, service, unscheduled
from tests.unit.workload.cluster import EVERYTHING, EXISTING, IMAGE, a_cluster, adapter, endpoints, rollout
from tests.unit.workload.test_kube_backends import SUBSET, subsets

Right = tuple[str, str]
FOLLOWED = (AI_SERVICE_BACKENDS, ENVOY_BACKENDS, REVISIONS)
"""Single objects of these are read, and from their caches alone: the right to list fills those."""
RIGHTS: list[Right] = sorted(
    {
        (verb, f"{each.resource.plural}/{each.subresource}" if each.subresource else each.resource.plural)
        for each in PERMISSIONS
        for verb in each.verbs - {"watch"}
        if each.resource not in FOLLOWED
    }
)


async def outcome(doing: Awaitable[object]) -> object:
    try:
        return await doing
    except (TargetError, TransientError) as error:
        return str(error)


async def lose_creations(request: ApiRequest, serve: Serve) -> ApiAnswer:
    """The answer to each object that is created gets lost."""
    answer = serve(request)
    if request.method == "POST" and answer.status == 201:
        raise TransientError("connection reset")
    return answer


async def a_clone(denied: set[Right]) -> list[object]:
    """Created with lost answers, raised, looked at without room, taken away, deleted."""
    api = a_cluster()
    volume = {"name": "w", "persistentVolumeClaim": {"claimName": "weights"}}
    api.put(DEPLOYMENTS, deployment("fraud-v6", volumes=[volume]))
    api.put(
        PERSISTENT_VOLUME_CLAIMS, {"metadata": meta("weights"), "spec": {"accessModes": ["ReadOnlyMany"]}}
    )
    api.put(HORIZONTAL_POD_AUTOSCALERS, autoscaler())
    api.put(POD_DISRUPTION_BUDGETS, budget())
    api.put(NODES, node("n", cpu="1"))
    api.denied, api.fault = denied, lose_creations
    workload = adapter(api, EVERYTHING)
    seen = [await outcome(workload.supply(rollout(), 250)) for _ in range(5)]
    seen.append(await outcome(workload.supply(rollout(), 1000)))
    copy = api.get(DEPLOYMENTS, "ml", "fraud-v7") or deployment()
    waits = pod("x", copy["spec"]["template"]["metadata"]["labels"], status=unscheduled("x"))
    waits["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "2"}}
    api.put(PODS, waits)
    endpoints(api, 1)
    seen.append(await outcome(workload.readiness(rollout(), IMAGE)))
    seen.append(await outcome(workload.created("ml", "fraud")))
    seen += [await outcome(workload.retire("ml", IMAGE, delete=delete)) for delete in (False, True, True)]
    return seen


async def a_scaling(denied: set[Right], resource: Resource) -> object:
    api = a_cluster()
    made = deployment("fraud-v7", replicas=1)
    if resource is LEADER_WORKER_SETS:
        template = made["spec"]["template"]
        made["spec"] = {"replicas": 1, "leaderWorkerTemplate": {"workerTemplate": template}}
    api.put(resource, {"metadata": made["metadata"], "spec": made["spec"]})
    api.put(SERVICES, service("fraud-v7"))
    api.denied = denied
    return await outcome(adapter(api, EVERYTHING).supply(rollout(EXISTING, scale=True), 500))


async def a_subset(denied: set[Right]) -> object:
    api = subsets()
    api.denied = denied
    return await outcome(adapter(api, EVERYTHING).readiness(rollout(SUBSET), SUBSET))


async def everything(denied: set[Right]) -> list[object]:
    scaled = [await a_scaling(denied, each) for each in (STATEFUL_SETS, LEADER_WORKER_SETS)]
    return [*await a_clone(denied), *scaled, await a_subset(denied)]


@pytest.mark.parametrize("right", RIGHTS, ids=" ".join)
async def test_without_any_one_right_something_goes_otherwise(right: Right) -> None:
    assert await everything({right}) != await everything(set())


async def test_with_all_rights_everything_goes_well() -> None:
    seen = await everything(set())
    assert seen[:4] == ["connection reset"] * 4
    assert seen[4:6] == [None, None]
    assert seen[-6:-1] == [True, False, True, None, None]


def test_what_is_followed_may_be_listed_and_watched() -> None:
    for resource, feature in WATCHED:
        verbs = {
            verb
            for each in PERMISSIONS
            if (each.resource, each.feature) == (resource, feature)
            for verb in each.verbs
        }
        assert {"list", "watch"} <= verbs
    assert INFERENCE_POOLS in dict(WATCHED)
