"""Workloads against a real API server, by an identity with exactly the declared rights.

Nothing runs pods here: statuses and endpoints are set by the tests.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from controller.adapters.kube.client import KubeClient, connect
from controller.adapters.kube.permissions import Feature, rules
from controller.adapters.kube.reflector import Reflector, without_managed_fields
from controller.adapters.kube.resources import PODS, Resource
from controller.adapters.workload.kube_view import kept_pod
from controller.adapters.workload.kubernetes import PERMISSIONS, WATCHED, KubernetesWorkload
from controller.adapters.workload.served_models import ServedModels
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.release import Backend, BackendKind, Image, Release
from controller.domain.vocabulary import Phase, Reason
from controller.errors import TargetError
from tests.kube_workloads import autoscaler, budget, deployment, endpoint_slice, pod, ready, service, waiting
from tests.unit.workload import cluster
from tests.unit.workload.cluster import EXISTING, IMAGE, STABLE

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

Obj = dict[str, Any]
FEATURES = frozenset(Feature) - {Feature.DISCOVERY, Feature.GRPC_ROUTES}
RBAC = "rbac.authorization.k8s.io"


class Namespace:
    """A namespace of a real cluster, and what the tests do in it as others."""

    def __init__(self, server: "ApiServer", name: str) -> None:
        self.server, self.name = server, name

    def put(self, obj: Obj) -> Obj:
        return self.server.admin.apply({**obj, "metadata": {**obj["metadata"], "namespace": self.name}})

    def get(self, kind: str, name: str = "fraud-v7") -> Obj | None:
        versions = {
            "Service": "v1",
            "PodDisruptionBudget": "policy/v1",
            "HorizontalPodAutoscaler": "autoscaling/v2",
            "LeaderWorkerSet": "leaderworkerset.x-k8s.io/v1",
        }
        return self.server.admin.get(versions.get(kind, "apps/v1"), kind, self.name, name)

    def found(self, kind: str, name: str = "fraud-v7") -> Obj:
        obj = self.get(kind, name)
        assert obj is not None, f"{kind} {name}"
        return obj

    def replicas(self, name: str = "fraud-v7", kind: str = "Deployment") -> int:
        return int(self.found(kind, name)["spec"]["replicas"])

    def set_status(self, kind: str, name: str, status: Obj, version: str = "apps/v1") -> None:
        self.server.admin.patch(version, kind, self.name, name, {"status": status}, subresource="status")

    def stable(self, replicas: int = 4, **template: Any) -> None:
        """Stable as a chart would make it, published to the outside, scaled and protected."""
        spread = {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": "fraud"}},
        }
        labels = {"app": "fraud", "app.kubernetes.io/managed-by": "Helm"}
        made = deployment("fraud-v6", labels, replicas, topologySpreadConstraints=[spread], **template)
        made["spec"]["selector"] = {"matchLabels": {"app": "fraud"}}
        made["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "x", "team": "ml"}
        self.put(made)
        published = service("fraud-v6", selector={"app": "fraud"})
        published["spec"] |= {"type": "NodePort", "externalTrafficPolicy": "Local"}
        self.put(published)
        self.put(autoscaler())
        self.put(budget(selector={"app": "fraud"}))
        self.put(endpoint_slice("fraud-v6", ["10.0.6.1"]))

    def rollout(self, release: Release = IMAGE, **more: Any) -> Rollout:
        made = cluster.rollout(release, **more)
        return replace(made, policy=replace(made.policy, namespace=self.name))


@pytest.fixture
def ml(apiserver: "ApiServer", namespace: str) -> Namespace:
    """The namespace, in which ``serinus-a`` has the rights that the adapter declares."""
    admin = apiserver.admin
    subject = {"kind": "User", "name": "serinus-a", "apiGroup": RBAC}
    for kind, where, wanted in (("Role", namespace, True), ("ClusterRole", None, False)):
        metadata = {"name": f"workload-{namespace}", **({"namespace": where} if where else {})}
        head = {"apiVersion": f"{RBAC}/v1", "metadata": metadata}
        admin.create({**head, "kind": kind, "rules": rules(PERMISSIONS, FEATURES, namespaced=wanted)})
        role = {"apiGroup": RBAC, "kind": kind, "name": metadata["name"]}
        admin.create({**head, "kind": f"{kind}Binding", "roleRef": role, "subjects": [subject]})
    return Namespace(apiserver, namespace)


class Calls(Counter[str]):
    """Counts what was asked of the API server, by verb."""

    def __call__(self, verb: str, _status: int) -> None:
        self[verb] += 1

    @property
    def writes(self) -> int:
        return self["create"] + self["patch"] + self["delete"]


@asynccontextmanager
async def working(ml: Namespace, calls: Calls | None = None) -> AsyncIterator[KubernetesWorkload]:
    """The adapter, reading through the API."""
    client = await connect(ml.server.kubeconfig("serinus-a"), count=calls or Calls())
    try:
        yield built(client, ml)
    finally:
        await client.close()


def built(
    client: KubeClient, ml: Namespace, find: Callable[..., Any] = lambda *_: None
) -> KubernetesWorkload:
    return KubernetesWorkload(
        client, find, features=FEATURES, namespaces=frozenset({ml.name}), models=ServedModels()
    )


class Cached:
    """The adapter, reading through caches that follow the server."""

    def __init__(self, ml: Namespace, client: KubeClient, following: KubeClient) -> None:
        self._changed = asyncio.Event()
        self.reflectors = {resource: self._follow(following, resource, ml.name) for resource, _ in WATCHED}
        self.workload = built(client, ml, lambda resource, _namespace: self.reflectors.get(resource))

    def _follow(self, client: KubeClient, resource: Resource, namespace: str) -> Reflector:
        keep = kept_pod if resource is PODS else without_managed_fields
        return Reflector(
            client, resource, namespace, changed=lambda _old, _new: self._changed.set(), keep=keep
        )

    async def until(
        self, rollout: Rollout, wanted: Callable[[Readiness], bool], release: Release = IMAGE
    ) -> Readiness:
        """The readiness once it is as wanted."""
        async with asyncio.timeout(10):
            while not wanted(seen := await self.workload.readiness(rollout, release)):
                await self._changed.wait()
                self._changed.clear()
        return seen


@asynccontextmanager
async def cached(ml: Namespace, calls: Calls) -> AsyncIterator[Cached]:
    """Counts the calls that are no cache's."""
    config = ml.server.kubeconfig("serinus-a")
    async with AsyncExitStack() as stack:
        client, following = await connect(config, count=calls), await connect(config)
        for each in (client, following):
            stack.push_async_callback(each.close)
        made = Cached(ml, client, following)
        for reflector in made.reflectors.values():
            task = asyncio.create_task(reflector.run())
            stack.push_async_callback(asyncio.wait, [task])
            stack.callback(task.cancel)
            await asyncio.wait_for(reflector.synced(), 10)
        yield made


async def test_the_whole_workload_is_cloned_apart_from_stable(ml: Namespace) -> None:
    ml.stable()
    async with working(ml) as workload:
        await workload.supply(ml.rollout(), 500)
    copy, stable = ml.found("Deployment"), ml.found("Deployment", "fraud-v6")
    identity = copy["spec"]["selector"]["matchLabels"]
    labels = copy["spec"]["template"]["metadata"]["labels"]
    assert copy["spec"]["replicas"] == 2
    assert labels == {"app": "fraud-v7", "serinus.dev/created": "true", **identity}
    assert copy["metadata"]["annotations"].keys() == {"team", "serinus.dev/copies", "serinus.dev/asked"}
    pod_spec, original = copy["spec"]["template"]["spec"], stable["spec"]["template"]["spec"]
    assert pod_spec["containers"][0].pop("image") == "registry/fraud:v7"
    del original["containers"][0]["image"]
    original["topologySpreadConstraints"][0]["labelSelector"] = {"matchLabels": {"app": "fraud-v7"}}
    assert pod_spec == original
    ours, theirs = ml.found("Service"), ml.found("Service", "fraud-v6")
    assert ours["spec"]["selector"] == identity
    assert ours["spec"]["type"] == "ClusterIP"
    assert ours["spec"]["clusterIP"] != theirs["spec"]["clusterIP"]
    assert "nodePort" not in ours["spec"]["ports"][0]
    assert ml.found("PodDisruptionBudget")["spec"]["selector"] == {"matchLabels": identity}
    scaler = ml.found("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == "fraud-v7"
    assert scaler["spec"]["minReplicas"] == 2
    for kind in ("Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Deployment"):
        assert "ownerReferences" not in ml.found(kind)["metadata"]


async def test_what_exists_is_not_written_again_and_copies_only_rise(ml: Namespace) -> None:
    ml.stable()
    calls = Calls()
    async with working(ml, calls) as workload:
        await workload.supply(ml.rollout(), 250)
        first = calls.writes
        await workload.supply(ml.rollout(), 250)
        assert calls.writes == first
        for share, copies in ((1000, 4), (250, 4)):
            await workload.supply(ml.rollout(), share)
            assert ml.replicas() == copies
        assert ml.found("HorizontalPodAutoscaler")["spec"]["minReplicas"] == 4
        await workload.settle(ml.name, IMAGE)
        assert ml.found("HorizontalPodAutoscaler")["spec"]["minReplicas"] == 2


async def test_the_names_of_somebody_else_are_refused(ml: Namespace) -> None:
    ml.stable()
    ml.put(deployment("fraud-v7"))
    async with working(ml) as workload:
        with pytest.raises(TargetError, match="Deployment fraud-v7 exists and was not created by Serinus"):
            await workload.supply(ml.rollout(), 250)
    assert ml.get("Service") is None


async def test_a_volume_for_one_node_refuses_the_clone(ml: Namespace) -> None:
    ml.put(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "weights"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    )
    ml.stable(volumes=[{"name": "w", "persistentVolumeClaim": {"claimName": "weights"}}])
    async with working(ml) as workload:
        with pytest.raises(TargetError, match="its volume claim weights is ReadWriteOnce"):
            await workload.supply(ml.rollout(), 250)
    assert ml.get("Service") is None


async def test_what_the_server_refuses_is_said_for_good(ml: Namespace) -> None:
    ml.stable()
    odd = Release("v7", backend=IMAGE.backend, image=Image("fraud:v7", env=(("A=B", "1"),)))
    async with working(ml) as workload:
        with pytest.raises(TargetError, match="env"):
            await workload.supply(ml.rollout(odd), 250)


async def test_copies_are_taken_away_given_back_and_everything_is_deleted(ml: Namespace) -> None:
    ml.stable()
    async with working(ml) as workload:
        await workload.supply(ml.rollout(), 500)
        (made,) = await workload.created(ml.name, "fraud")
        assert (made.release.version, made.copies) == ("v7", 2)
        assert await workload.retire(ml.name, IMAGE, delete=False)
        assert ml.replicas() == 0
        assert await workload.retire(ml.name, IMAGE, delete=False)
        await workload.revive(ml.name, IMAGE, 3)
        assert ml.replicas() == 3
        assert not await workload.retire(ml.name, IMAGE, delete=True)
        assert await workload.retire(ml.name, IMAGE, delete=True)
    for kind in ("Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Deployment"):
        assert ml.get(kind) is None
        assert ml.get(kind, "fraud-v6") is not None


async def test_what_somebody_else_put_in_its_place_is_not_deleted(ml: Namespace) -> None:
    ml.stable()
    async with working(ml) as workload:
        await workload.supply(ml.rollout(), 500)
        ml.server.admin.delete("apps/v1", "Deployment", ml.name, "fraud-v7")
        ml.put(deployment("fraud-v7"))
        await workload.retire(ml.name, IMAGE, delete=True)
        assert await workload.retire(ml.name, IMAGE, delete=True)
    assert ml.get("Service") is None
    assert ml.get("Deployment") is not None


@pytest.mark.parametrize("kind", ["StatefulSet", "LeaderWorkerSet"])
async def test_other_kinds_are_scaled_to_the_share_and_to_none(ml: Namespace, kind: str) -> None:
    ml.stable()
    made = {**deployment("fraud-v7", replicas=1), "kind": kind}
    if kind == "LeaderWorkerSet":
        made["apiVersion"] = "leaderworkerset.x-k8s.io/v1"
        made["spec"] = {
            "replicas": 1,
            "leaderWorkerTemplate": {"size": 2, "workerTemplate": made["spec"]["template"]},
        }
    else:
        made["spec"]["serviceName"] = "fraud-v7"
    ml.put(made)
    ml.put(service("fraud-v7"))
    async with working(ml) as workload:
        await workload.supply(ml.rollout(EXISTING, scale=True), 750)
        assert ml.replicas(kind=kind) == 3
        assert await workload.retire(ml.name, EXISTING, delete=False)
        assert ml.replicas(kind=kind) == 0
        await workload.revive(ml.name, EXISTING, 2)
        assert ml.replicas(kind=kind) == 2


async def test_readiness_follows_the_followingwithout_asking_it(ml: Namespace) -> None:
    ml.stable()
    calls = Calls()
    async with cached(ml, calls) as following:
        workload, rollout = following.workload, ml.rollout()
        await workload.supply(rollout, 500)
        asked = calls.total()
        await workload.supply(rollout, 500)  # our own writes are read at once
        assert (await workload.readiness(rollout, IMAGE)).message == "0 of 2 copies of v7 ready"
        broken = pod("fraud-v7-a", ml.found("Deployment")["spec"]["template"]["metadata"]["labels"])
        ml.put({key: value for key, value in broken.items() if key != "status"})
        ml.set_status("Pod", "fraud-v7-a", waiting("ImagePullBackOff", "manifest unknown"), "v1")
        seen = await following.until(rollout, lambda found: found.problem is Reason.IMAGE_PULL_FAILED)
        assert seen.message == (
            "0 of 2 copies of v7 ready: image registry/fraud:v7 cannot be pulled: manifest unknown"
        )
        ml.put(endpoint_slice("fraud-v7", ["10.0.7.1"], unready=["10.0.7.2"]))
        seen = await following.until(rollout, lambda found: found.ready)
        assert (seen.endpoints, seen.carries_permille) == (("10.0.7.1:8080",), 250)
        ml.put(endpoint_slice("fraud-v7", ["10.0.7.1", "10.0.7.2"]))
        await following.until(rollout, lambda found: found.carries_permille == 500)
        await following.until(rollout, lambda found: found.ready, STABLE)
        assert calls.total() == asked
        await workload.supply(rollout, 1000)
        assert ml.replicas() == 4


async def test_a_pool_is_ready_by_its_pods(ml: Namespace) -> None:
    ml.put(
        {
            "apiVersion": "inference.networking.k8s.io/v1",
            "kind": "InferencePool",
            "metadata": {"name": "chat-v7"},
            "spec": {
                "selector": {"matchLabels": {"app": "chat-v7"}},
                "targetPorts": [{"number": 8000}],
                "endpointPickerRef": {
                    "name": "chat-v7-epp",
                    "port": {"number": 9002},
                    "failureMode": "FailOpen",
                },
            },
        }
    )
    one = pod("chat-v7-a", {"app": "chat-v7"})
    ml.put({key: value for key, value in one.items() if key != "status"})
    release = Release("v7", backend=Backend(BackendKind.INFERENCE_POOL, "chat-v7"))
    async with cached(ml, Calls()) as following:
        rollout = ml.rollout(release, stable=None)
        assert not (await following.workload.readiness(rollout, release)).ready
        ml.set_status("Pod", "chat-v7-a", ready("10.0.7.1"), "v1")
        seen = await following.until(rollout, lambda found: found.ready, release)
        assert seen.endpoints == ("10.0.7.1:8000",)


async def test_a_pod_that_finds_no_room_is_measured_against_the_nodes(ml: Namespace) -> None:
    ml.stable()
    async with working(ml) as workload:
        await workload.supply(ml.rollout(), 250)
        labels = ml.found("Deployment")["spec"]["template"]["metadata"]["labels"]
        waits = pod("fraud-v7-a", labels, nodeSelector={"test": ml.name})
        waits["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": "2"}}
        ml.put({key: value for key, value in waits.items() if key != "status"})
        no_room = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "x"}
        ml.set_status("Pod", "fraud-v7-a", {"conditions": [no_room]}, "v1")
        ml.server.admin.apply(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": ml.name, "labels": {"test": ml.name}}}
        )
        conditions = [{"type": "Ready", "status": "True"}]
        status = {"allocatable": {"cpu": "4", "nvidia.com/gpu": "1"}, "conditions": conditions}
        ml.server.admin.patch("v1", "Node", None, ml.name, {"status": status}, subresource="status")
        seen = await workload.readiness(ml.rollout(), IMAGE)
        assert seen.problem is Reason.INSUFFICIENT_CAPACITY
        assert seen.message == "0 of 1 copy of v7 ready: needs 2 nvidia.com/gpu, 1 free"


async def test_phases_with_traffic_are_read_too(ml: Namespace) -> None:
    ml.stable()
    ml.put(deployment("fraud-v7", replicas=1))
    ml.put(service("fraud-v7"))
    ml.put(endpoint_slice("fraud-v7", ["10.0.7.1"]))
    async with working(ml) as workload:
        rollout = ml.rollout(EXISTING, weight=50, phase=Phase.PROGRESSING)
        seen = await workload.readiness(rollout, EXISTING)
        assert (seen.ready, seen.message) == (True, "1 of 1 copy of v7 ready")
