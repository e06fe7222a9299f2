"""Copies are created and raised, once, and never taken away."""

from typing import Any

import pytest

from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    HORIZONTAL_POD_AUTOSCALERS,
    LEADER_WORKER_SETS,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SERVICES,
    STATEFUL_SETS,
    Obj,
)
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.domain.release import Backend, BackendKind, Image, Release
from controller.errors import Conflict, TargetError, TransientError
from tests.kube_fake import FakeApi, Serve
from tests.kube_workloads import autoscaler, budget, deployment, service
from tests.unit.workload.cluster import (
    EXISTING,
    IMAGE,
    Follower,
    a_cluster,
    adapter,
    minimum,
    replicas,
    rollout,
    with_canary,
)

POOL = Release("v6", backend=Backend(BackendKind.INFERENCE_POOL, "fraud-v6"))


def created(api: FakeApi) -> list[str]:
    return [each.body["kind"] for each in api.writes if each.method == "POST"]


async def test_an_image_is_cloned_in_the_copies_that_the_share_needs() -> None:
    api = a_cluster(replicas=10)
    await adapter(api).supply(rollout(), 250)
    assert created(api) == ["Service", "Deployment"]
    assert replicas(api) == 3
    copy = api.get(DEPLOYMENTS, "ml", "fraud-v7")
    assert copy is not None
    assert copy["spec"]["template"]["spec"]["containers"][0]["image"] == "registry/fraud:v7"


@pytest.mark.parametrize(("share", "copies"), [(1, 1), (100, 1), (101, 2), (500, 5), (1000, 10)])
async def test_copies_are_rounded_up(share: int, copies: int) -> None:
    api = a_cluster(replicas=10)
    await adapter(api).supply(rollout(), share)
    assert replicas(api) == copies


async def test_a_share_of_nothing_makes_nothing() -> None:
    api = a_cluster()
    await adapter(api).supply(rollout(), 0)
    assert api.writes == []


async def test_what_is_there_is_not_made_again() -> None:
    api = a_cluster(replicas=10)
    workload = adapter(api)
    await workload.supply(rollout(), 100)
    before = len(api.writes)
    await workload.supply(rollout(), 100)
    await workload.supply(rollout(rollout_id="fraud-v7.2"), 100)  # tried again
    assert len(api.writes) == before


async def test_a_higher_share_raises_and_a_lower_one_takes_nothing_away() -> None:
    api = a_cluster(replicas=10)
    workload = adapter(api)
    for share, expected in ((100, 1), (500, 5), (100, 5), (1000, 10)):
        await workload.supply(rollout(), share)
        assert replicas(api) == expected


async def test_a_crash_after_any_creation_is_made_good() -> None:
    for survived in range(5):
        api = a_cluster()
        api.put(HORIZONTAL_POD_AUTOSCALERS, autoscaler())
        api.put(POD_DISRUPTION_BUDGETS, budget())
        left = survived

        async def crashing(request: ApiRequest, serve: Serve) -> ApiAnswer:
            nonlocal left
            if request.method == "POST":
                if left == 0:
                    raise TransientError("connection reset")
                left -= 1
            return serve(request)

        api.fault = crashing
        if survived < 4:
            with pytest.raises(TransientError):
                await adapter(api).supply(rollout(), 500)
        api.fault = None
        await adapter(api).supply(rollout(), 500)
        for resource in (SERVICES, POD_DISRUPTION_BUDGETS, HORIZONTAL_POD_AUTOSCALERS, DEPLOYMENTS):
            assert api.get(resource, "ml", "fraud-v7") is not None
        assert replicas(api) == 2


async def test_a_lost_answer_to_a_creation_is_no_loss() -> None:
    api = a_cluster()

    async def lost(request: ApiRequest, serve: Serve) -> ApiAnswer:
        answer = serve(request)
        if request.method == "POST":
            raise TransientError("connection reset")
        return answer

    api.fault = lost
    for _ in range(2):
        with pytest.raises(TransientError):
            await adapter(api).supply(rollout(), 500)
    api.fault = None
    await adapter(api).supply(rollout(), 500)
    assert replicas(api) == 2


async def test_a_deployment_of_somebody_else_is_never_taken_for_ours() -> None:
    api = with_canary(a_cluster())
    with pytest.raises(TargetError, match="Deployment fraud-v7 exists and was not created by Serinus"):
        await adapter(api).supply(rollout(), 1000)
    assert replicas(api) == 1
    assert api.writes == []


async def test_our_labels_without_our_mark_are_somebody_elses() -> None:
    api = a_cluster()
    await adapter(api).supply(rollout(), 250)

    def unmarked(obj: Obj) -> None:
        del obj["metadata"]["labels"]["serinus.dev/created"]

    api.modify(DEPLOYMENTS, "ml", "fraud-v7", unmarked)
    with pytest.raises(TargetError, match="was not created by Serinus"):
        await adapter(api).supply(rollout(), 1000)


async def test_a_service_of_somebody_else_is_never_taken_for_ours() -> None:
    api = a_cluster()
    api.put(SERVICES, service("fraud-v7", selector={"team": "x"}))
    with pytest.raises(TargetError, match="Service fraud-v7 exists and was not created by Serinus"):
        await adapter(api).supply(rollout(), 1000)
    assert api.get(DEPLOYMENTS, "ml", "fraud-v7") is None


async def test_the_copy_of_another_rollout_will_do_if_it_runs_the_very_same() -> None:
    api = a_cluster()
    await adapter(api).supply(rollout(), 250)
    again = rollout(rollout_id="once-more")
    await adapter(api).supply(again, 500)
    assert replicas(api) == 2
    other = Release("v7", backend=IMAGE.backend, image=Image("registry/fraud:other"))
    with pytest.raises(TargetError, match="was created by rollout fraud-v7: delete it"):
        await adapter(api).supply(rollout(other, rollout_id="another"), 500)


async def test_a_service_that_was_deleted_is_made_again() -> None:
    api = a_cluster()
    await adapter(api).supply(rollout(), 250)
    api.delete(SERVICES, "ml", "fraud-v7")
    await adapter(api).supply(rollout(rollout_id="once-more"), 250)
    remade = api.get(SERVICES, "ml", "fraud-v7")
    copy = api.get(DEPLOYMENTS, "ml", "fraud-v7")
    assert remade is not None
    assert copy is not None
    assert copy["spec"]["selector"] == {"matchLabels": remade["spec"]["selector"]}


async def test_a_volume_for_one_node_refuses_the_clone() -> None:
    api = a_cluster()
    volume = {"name": "model", "persistentVolumeClaim": {"claimName": "weights"}}
    api.put(DEPLOYMENTS, deployment("fraud-v6", volumes=[volume]))
    claim = {"metadata": {"name": "weights", "namespace": "ml"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    api.put(PERSISTENT_VOLUME_CLAIMS, claim)
    with pytest.raises(TargetError, match="its volume claim weights is ReadWriteOnce"):
        await adapter(api).supply(rollout(), 250)
    assert api.writes == []
    claim["spec"] = {"accessModes": ["ReadOnlyMany"]}
    api.put(PERSISTENT_VOLUME_CLAIMS, claim)
    await adapter(api).supply(rollout(), 250)
    assert replicas(api) == 1


async def test_a_claim_that_does_not_exist_refuses_nothing() -> None:
    api = a_cluster()
    volume = {"name": "model", "persistentVolumeClaim": {"claimName": "gone"}}
    api.put(DEPLOYMENTS, deployment("fraud-v6", volumes=[volume]))
    await adapter(api).supply(rollout(), 250)
    assert replicas(api) == 1


async def test_only_a_deployment_behind_a_service_is_cloned() -> None:
    api = a_cluster()
    with pytest.raises(TargetError, match="stable is InferencePool fraud-v6"):
        await adapter(api).supply(rollout(stable=POOL), 250)
    api.delete(DEPLOYMENTS, "ml", "fraud-v6")
    with pytest.raises(TargetError, match="no Deployment makes the pods of stable's Service fraud-v6"):
        await adapter(api).supply(rollout(), 250)
    api.put(STATEFUL_SETS, {**deployment("fraud-v6"), "kind": "StatefulSet", "apiVersion": "apps/v1"})
    with pytest.raises(TargetError, match="stable is StatefulSet fraud-v6, and only Deployments are cloned"):
        await adapter(api).supply(rollout(), 250)
    with pytest.raises(TargetError, match="no version serves yet"):
        await adapter(api).supply(rollout(stable=None), 250)
    assert api.writes == []


async def test_two_workloads_behind_stable_refuse_the_clone() -> None:
    api = a_cluster()
    api.put(DEPLOYMENTS, deployment("fraud-x", labels={"app": "fraud-v6"}))
    with pytest.raises(TargetError, match="Deployment fraud-v6 and Deployment fraud-x are both behind"):
        await adapter(api).supply(rollout(), 250)


async def test_a_stable_service_that_is_missing_may_come_back() -> None:
    api = a_cluster()
    api.delete(SERVICES, "ml", "fraud-v6")
    with pytest.raises(TransientError, match="stable's Service fraud-v6 does not exist in ml"):
        await adapter(api).supply(rollout(), 250)


async def test_any_service_of_the_namespace_is_kept_away() -> None:
    api = a_cluster()
    api.put(SERVICES, service("wide", selector={"app": "fraud-v7"}))
    await adapter(api).supply(rollout(), 250)
    copy = api.get(DEPLOYMENTS, "ml", "fraud-v7")
    assert copy is not None
    assert "app" not in copy["spec"]["template"]["metadata"]["labels"]


async def test_autoscaler_and_budget_are_cloned_and_the_minimum_goes_first() -> None:
    api = a_cluster(replicas=4)
    api.put(HORIZONTAL_POD_AUTOSCALERS, autoscaler(least=2, most=5))
    api.put(POD_DISRUPTION_BUDGETS, budget())
    workload = adapter(api)
    await workload.supply(rollout(), 250)
    assert created(api) == ["Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Deployment"]
    assert minimum(api) == (1, 5, "2")
    await workload.supply(rollout(), 500)
    assert (minimum(api), replicas(api)) == ((2, 5, "2"), 2)
    assert [each.path.split("/")[-2] for each in api.writes[-2:]] == ["horizontalpodautoscalers", "fraud-v7"]


async def test_a_created_autoscaler_gives_way_where_stable_outgrew_it() -> None:
    api = a_cluster(replicas=4)
    api.put(HORIZONTAL_POD_AUTOSCALERS, autoscaler(least=2, most=5))
    workload = adapter(api)
    await workload.supply(rollout(), 250)
    api.modify(DEPLOYMENTS, "ml", "fraud-v6", lambda obj: obj["spec"].update(replicas=8))
    await workload.supply(rollout(), 1000)
    assert (minimum(api), replicas(api)) == ((8, 8, "2"), 8)


async def test_the_share_is_measured_in_stables_first_copies_when_they_were_more() -> None:
    api = a_cluster(replicas=10)
    workload = adapter(api)
    await workload.supply(rollout(), 100)
    api.modify(DEPLOYMENTS, "ml", "fraud-v6", lambda obj: obj["spec"].update(replicas=2))
    await workload.supply(rollout(), 500)
    assert replicas(api) == 5


async def test_a_copy_of_another_rollout_is_measured_in_stables_copies_of_now() -> None:
    api = a_cluster(replicas=10)
    await adapter(api).supply(rollout(), 100)
    api.modify(DEPLOYMENTS, "ml", "fraud-v6", lambda obj: obj["spec"].update(replicas=4))
    await adapter(api).supply(rollout(rollout_id="once-more"), 500)
    assert replicas(api) == 2


async def test_a_budget_for_other_pods_is_not_cloned() -> None:
    api = a_cluster()
    api.put(POD_DISRUPTION_BUDGETS, budget("another", selector={"app": "other"}))
    await adapter(api).supply(rollout(), 250)
    assert created(api) == ["Service", "Deployment"]


async def test_an_existing_workload_is_left_alone_unless_the_policy_says_so() -> None:
    api = with_canary(a_cluster())
    await adapter(api).supply(rollout(EXISTING), 1000)
    assert api.writes == []
    await adapter(api).supply(rollout(EXISTING, scale=True), 500)
    assert replicas(api) == 2
    assert replicas(api, "fraud-v6") == 4


async def test_copies_that_no_known_workload_makes_are_left_alone_unless_the_policy_says_so() -> None:
    api = with_canary(a_cluster())
    api.delete(DEPLOYMENTS, "ml", "fraud-v7")
    await adapter(api).supply(rollout(EXISTING), 500)
    assert api.writes == []
    with pytest.raises(TargetError, match="nothing that Serinus may scale"):
        await adapter(api).supply(rollout(EXISTING, scale=True), 500)


async def test_what_makes_an_existing_version_is_nobodys_business_without_the_policys_word() -> None:
    api = with_canary(a_cluster())
    api.put(DEPLOYMENTS, deployment("second", labels={"app": "fraud-v7"}))
    await adapter(api).supply(rollout(EXISTING), 500)
    api.delete(DEPLOYMENTS, "ml", "fraud-v7")
    api.delete(DEPLOYMENTS, "ml", "second")
    await adapter(api).supply(rollout(EXISTING), 500)
    assert api.writes == []


async def test_a_workload_that_serinus_created_earlier_is_given_copies_again() -> None:
    api = a_cluster()
    await adapter(api).supply(rollout(), 1000)
    api.modify(DEPLOYMENTS, "ml", "fraud-v7", lambda obj: obj["spec"].update(replicas=0))
    await adapter(api).supply(rollout(EXISTING, rollout_id="back"), 500)
    assert replicas(api) == 2


async def test_an_existing_autoscaler_keeps_its_maximum() -> None:
    api = with_canary(a_cluster(replicas=10))
    api.put(HORIZONTAL_POD_AUTOSCALERS, autoscaler("fraud-v7", least=1, most=3))
    await adapter(api).supply(rollout(EXISTING, scale=True), 500)
    assert (minimum(api), replicas(api)) == ((3, 3, "1"), 3)
    before = len(api.writes)
    await adapter(api).supply(rollout(EXISTING, scale=True), 500)
    assert len(api.writes) == before


@pytest.mark.parametrize("resource", [STATEFUL_SETS, LEADER_WORKER_SETS])
async def test_other_workloads_are_scaled_too(resource: Any) -> None:
    api = a_cluster()
    obj = deployment("fraud-v7", replicas=1)
    if resource is LEADER_WORKER_SETS:
        obj["spec"] = {"replicas": 1, "leaderWorkerTemplate": {"workerTemplate": obj["spec"]["template"]}}
    api.put(resource, {"metadata": obj["metadata"], "spec": obj["spec"]})
    api.put(SERVICES, service("fraud-v7"))
    await adapter(api).supply(rollout(EXISTING, scale=True), 750)
    assert replicas(api, resource=resource) == 3


async def test_what_to_scale_must_be_clear() -> None:
    api = with_canary(a_cluster())
    api.put(DEPLOYMENTS, deployment("second", labels={"app": "fraud-v7"}))
    with pytest.raises(TargetError, match="are both behind Service fraud-v7: scale them yourself"):
        await adapter(api).supply(rollout(EXISTING, scale=True), 500)


async def test_somebody_elses_change_in_between_is_a_conflict() -> None:
    api = with_canary(a_cluster())
    follower = Follower(api, DEPLOYMENTS)
    stale = follower.all("ml")
    api.modify(DEPLOYMENTS, "ml", "fraud-v7", lambda obj: obj["metadata"].update(labels={"x": "y"}))
    follower.all = lambda namespace=None: stale  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        await adapter(api, followers={DEPLOYMENTS: follower}).supply(rollout(EXISTING, scale=True), 500)
    assert replicas(api) == 1


async def test_our_own_write_is_in_the_cache_at_once() -> None:
    api = with_canary(a_cluster())
    follower = Follower(api, DEPLOYMENTS)
    await adapter(api, followers={DEPLOYMENTS: follower}).supply(rollout(EXISTING, scale=True), 500)
    (kept,) = follower.put_in
    expected = api.get(DEPLOYMENTS, "ml", "fraud-v7")
    assert expected is not None
    for key in ("resourceVersion", "generation", "uid"):
        assert kept["metadata"][key] == expected["metadata"][key]
    assert kept["spec"] == expected["spec"]


async def test_at_rest_nothing_is_asked_of_the_api() -> None:
    api = a_cluster()
    kinds = (SERVICES, ENDPOINT_SLICES, DEPLOYMENTS, PODS, STATEFUL_SETS, LEADER_WORKER_SETS)
    workload = adapter(api, followers={each: Follower(api, each) for each in kinds})
    await workload.supply(rollout(), 250)
    before = len(api.requests)
    await workload.supply(rollout(), 250)
    for release in (IMAGE, rollout().stable):
        assert release is not None
        await workload.readiness(rollout(weight=50), release)
    assert len(api.requests) == before


async def test_without_the_feature_nothing_is_created_or_scaled() -> None:
    core = frozenset({Feature.CORE})
    api = with_canary(a_cluster())
    with pytest.raises(TargetError, match="add workloads to SERINUS_KUBERNETES__FEATURES"):
        await adapter(api, core).supply(rollout(), 250)
    with pytest.raises(TargetError, match=r"the policy's workload\.scale is set: add workloads"):
        await adapter(api, core).supply(rollout(EXISTING, scale=True), 250)
    await adapter(api, core).supply(rollout(EXISTING), 250)
    assert api.requests == []


async def test_only_in_namespaces_that_the_operator_allows() -> None:
    api = a_cluster()
    workload = adapter(api, namespaces=frozenset({"other"}))
    with pytest.raises(TargetError, match="may not act in namespace ml"):
        await workload.supply(rollout(), 250)
    with pytest.raises(TargetError, match="may not act in namespace ml"):
        await workload.readiness(rollout(), IMAGE)
    with pytest.raises(TargetError, match="may not act in namespace ml"):
        await workload.retire("ml", IMAGE, delete=True)
    assert api.requests == []


async def test_a_missing_right_is_said_with_the_rule_to_add() -> None:
    api = a_cluster()
    api.denied.add(("create", "services"))
    with pytest.raises(TargetError, match="create"):
        await adapter(api).supply(rollout(), 250)


async def test_kinds_that_are_not_installed_are_as_good_as_empty() -> None:
    api = with_canary(a_cluster())
    api.unserved |= {LEADER_WORKER_SETS}
    await adapter(api).supply(rollout(EXISTING, scale=True), 500)
    assert replicas(api) == 2
