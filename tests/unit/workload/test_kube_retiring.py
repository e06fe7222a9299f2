"""Copies are taken away from versions that serve nobody, and what Serinus made is deleted, nothing else."""

import pytest

from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import (
    DEPLOYMENTS,
    HORIZONTAL_POD_AUTOSCALERS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    STATEFUL_SETS,
)
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.domain.release import Backend, BackendKind, Release
from controller.errors import Conflict, TargetError, TransientError
from tests.kube_fake import FakeApi, Serve
from tests.kube_workloads import autoscaler, budget, deployment
from tests.unit.workload.cluster import (
    EXISTING,
    IMAGE,
    STABLE,
    Follower,
    a_cluster,
    adapter,
    minimum,
    replicas,
    rollout,
    with_canary,
)

KINDS = (SERVICES, POD_DISRUPTION_BUDGETS, HORIZONTAL_POD_AUTOSCALERS, DEPLOYMENTS)


async def with_copy() -> FakeApi:
    """A cluster in which Serinus cloned the whole of stable."""
    api = a_cluster()
    api.put(HORIZONTAL_POD_AUTOSCALERS, autoscaler())
    api.put(POD_DISRUPTION_BUDGETS, budget())
    await adapter(api).supply(rollout(), 500)
    return api


def left(api: FakeApi, name: str = "fraud-v7") -> list[str]:
    return [each.kind for each in KINDS if api.get(each, "ml", name) is not None]


async def test_all_copies_are_taken_away_and_the_rest_stays() -> None:
    api = await with_copy()
    assert await adapter(api).retire("ml", IMAGE, delete=False)
    assert replicas(api) == 0
    assert len(left(api)) == 4
    assert minimum(api) == (2, 10, None)


async def test_to_do_it_again_writes_nothing() -> None:
    api = await with_copy()
    await adapter(api).retire("ml", IMAGE, delete=False)
    before = len(api.writes)
    assert await adapter(api).retire("ml", IMAGE, delete=False)
    assert len(api.writes) == before


async def test_a_stable_version_is_scaled_down_by_its_service() -> None:
    api = with_canary(a_cluster())
    assert await adapter(api).retire("ml", STABLE, delete=False)
    assert (replicas(api, "fraud-v6"), replicas(api, "fraud-v7")) == (0, 1)


async def test_nothing_is_scaled_that_is_not_clear() -> None:
    api = with_canary(a_cluster())
    api.put(DEPLOYMENTS, deployment("second", labels={"app": "fraud-v7"}))
    with pytest.raises(TargetError, match="Deployment fraud-v7 and Deployment second are both behind"):
        await adapter(api).retire("ml", EXISTING, delete=False)
    assert api.writes == []


async def test_copies_that_nothing_known_makes_are_said_not_forgotten() -> None:
    api = with_canary(a_cluster())
    api.delete(DEPLOYMENTS, "ml", "fraud-v7")
    api.put(STATEFUL_SETS, {**deployment("fraud-v7"), "kind": "StatefulSet"})
    workload = adapter(api, frozenset({Feature.CORE, Feature.WORKLOADS}))
    with pytest.raises(
        TargetError, match="nothing that Serinus may scale makes the pods of Service fraud-v7"
    ):
        await workload.retire("ml", EXISTING, delete=False)


async def test_a_version_that_is_gone_is_done_with() -> None:
    api = a_cluster()
    assert await adapter(api).retire("ml", IMAGE, delete=False)
    assert await adapter(api).retire("ml", IMAGE, delete=True)
    assert await adapter(api).retire("ml", Release("v7"), delete=True)
    assert api.writes == []


async def test_copies_without_their_service_are_taken_away_too() -> None:
    api = await with_copy()
    api.delete(SERVICES, "ml", "fraud-v7")
    await adapter(api).retire("ml", IMAGE, delete=False)
    assert replicas(api) == 0


async def test_everything_created_is_deleted_and_then_it_is_done() -> None:
    api = await with_copy()
    assert not await adapter(api).retire("ml", IMAGE, delete=True)
    assert left(api) == []
    assert len(left(api, "fraud-v6")) == 4
    assert await adapter(api).retire("ml", IMAGE, delete=True)


async def test_a_deletion_that_is_cut_short_goes_on() -> None:
    api = await with_copy()

    async def lost(request: ApiRequest, serve: Serve) -> ApiAnswer:
        answer = serve(request)
        if request.method == "DELETE":
            raise TransientError("connection reset")
        return answer

    api.fault = lost
    for expected in (3, 2, 1, 0):
        with pytest.raises(TransientError):
            await adapter(api).retire("ml", IMAGE, delete=True)
        assert len(left(api)) == expected
    api.fault = None
    assert await adapter(api).retire("ml", IMAGE, delete=True)


async def test_what_serinus_did_not_create_is_never_deleted() -> None:
    api = with_canary(a_cluster())
    assert await adapter(api).retire("ml", EXISTING, delete=True)
    assert await adapter(api).retire("ml", IMAGE, delete=True)
    assert [each for each in api.writes if each.method == "DELETE"] == []


@pytest.mark.parametrize(
    ("label", "value"),
    [("serinus.dev/created", "no"), ("serinus.dev/version", "v8"), ("serinus.dev/model", "other")],
)
async def test_an_object_with_another_label_is_never_deleted(label: str, value: str) -> None:
    api = await with_copy()
    api.modify(SERVICES, "ml", "fraud-v7", lambda obj: obj["metadata"]["labels"].update({label: value}))
    await adapter(api).retire("ml", IMAGE, delete=True)
    assert left(api) == ["Service"]


async def test_an_object_that_was_replaced_in_between_is_not_deleted() -> None:
    api = await with_copy()

    async def replaced(request: ApiRequest, serve: Serve) -> ApiAnswer:
        if request.method == "DELETE" and request.path.endswith("/deployments/fraud-v7"):
            api.delete(DEPLOYMENTS, "ml", "fraud-v7")
            api.put(DEPLOYMENTS, deployment("fraud-v7"))
        return serve(request)

    api.fault = replaced
    with pytest.raises(Conflict):
        await adapter(api).retire("ml", IMAGE, delete=True)
    assert left(api) == ["Deployment"]


async def test_what_was_created_is_listed_with_its_copies() -> None:
    api = await with_copy()
    api.put(DEPLOYMENTS, deployment("fraud-v5"))
    (found,) = await adapter(api).created("ml", "fraud")
    assert found.release.version == "v7"
    assert found.release.backend is not None
    assert found.release.backend.name == "fraud-v7"
    assert found.release.image is not None
    assert found.copies == 2
    assert found.created_at
    assert await adapter(api).created("ml", "other") == []
    assert await adapter(api, frozenset({Feature.CORE})).created("ml", "fraud") == ()


async def test_only_the_models_own_are_listed_from_a_cache_too() -> None:
    api = await with_copy()
    workload = adapter(api, followers={DEPLOYMENTS: Follower(api, DEPLOYMENTS)})
    assert len(await workload.created("ml", "fraud")) == 1
    assert await workload.created("ml", "other") == []


async def test_a_version_can_be_given_copies_again() -> None:
    api = await with_copy()
    workload = adapter(api)
    await workload.retire("ml", IMAGE, delete=False)
    await workload.revive("ml", IMAGE, 3)
    assert replicas(api) == 3
    await workload.revive("ml", IMAGE, 1)
    assert replicas(api) == 3


async def test_a_promoted_version_may_go_down_again_to_stables_minimum() -> None:
    api = await with_copy()
    workload = adapter(api)
    await workload.supply(rollout(), 1000)
    assert minimum(api) == (4, 10, "2")
    for _ in range(2):
        await workload.settle("ml", IMAGE)
        assert (minimum(api), replicas(api)) == ((2, 10, None), 4)


async def test_an_autoscaler_of_somebody_else_that_was_not_raised_is_left_alone() -> None:
    api = with_canary(a_cluster())
    api.put(HORIZONTAL_POD_AUTOSCALERS, autoscaler("fraud-v7"))
    await adapter(api).settle("ml", EXISTING)
    assert api.writes == []


async def test_scaling_needs_its_feature() -> None:
    api = a_cluster()
    workload = adapter(api, frozenset({Feature.CORE}))
    for delete in (False, True):
        with pytest.raises(TargetError, match="add workloads to SERINUS_KUBERNETES__FEATURES"):
            await workload.retire("ml", IMAGE, delete=delete)
    await workload.settle("ml", IMAGE)
    assert api.requests == []


@pytest.mark.parametrize("delete", [False, True])
async def test_copies_that_a_backend_in_use_has_too_are_kept(delete: bool) -> None:
    api = a_cluster()
    workload = adapter(api)
    await workload.supply(rollout(), 500)
    in_use = [Backend(BackendKind.SERVICE, "fraud-v6")]
    pods = api.get(SERVICES, "ml", "fraud-v7")
    assert pods is not None
    api.modify(SERVICES, "ml", "fraud-v6", lambda obj: obj["spec"].update(selector=pods["spec"]["selector"]))
    before = len(api.writes)
    with pytest.raises(TargetError, match="fraud-v6 too, which is in use"):
        await workload.retire("ml", IMAGE, delete=delete, in_use=in_use)
    assert len(api.writes) == before


async def test_a_backend_in_use_that_nothing_known_is_behind_keeps_nothing_from_going() -> None:
    api = a_cluster()
    workload = adapter(api)
    await workload.supply(rollout(), 500)
    in_use = [Backend(BackendKind.SERVICE, "elsewhere")]
    assert await workload.retire("ml", IMAGE, delete=False, in_use=in_use)
    assert replicas(api) == 0
