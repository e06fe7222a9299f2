"""A namespace with a stable version, in an API server in memory, and the workload adapter on it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    HORIZONTAL_POD_AUTOSCALERS,
    SERVICES,
    Obj,
    Resource,
)
from controller.adapters.workload.kube_adapter_reading import Models
from controller.adapters.workload.kubernetes import KubernetesWorkload
from controller.adapters.workload.served_models import ServedModels
from controller.domain.model import Rollout, Route
from controller.domain.policy import Policy, RouteRef, WorkloadRules
from controller.domain.release import Backend, BackendKind, Image, Release, Split
from controller.domain.vocabulary import Phase
from tests.kube_fake import FakeApi
from tests.kube_workloads import deployment, endpoint_slice, service

STABLE = Release("v6", backend=Backend(BackendKind.SERVICE, "fraud-v6", 8080))
EXISTING = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v7", 8080))
IMAGE = Release("v7", backend=EXISTING.backend, image=Image("registry/fraud:v7"))
EVERYTHING = frozenset(Feature)


class Follower:
    """The caches of a test: what is in the server, now, without a call; of some kinds only."""

    def __init__(self, api: FakeApi, resource: Resource) -> None:
        self.age = timedelta(seconds=1)
        self.put_in: list[Obj] = []
        self._api = api
        self._resource = resource

    def get(self, namespace: str, name: str) -> Obj | None:
        return self._api.get(self._resource, namespace, name)

    def all(self, namespace: str | None = None) -> list[Obj]:
        return list(self._api.objects.all(self._resource, namespace))

    def put(self, obj: Obj) -> None:
        self.put_in.append(obj)

    def drop(self, namespace: str, name: str) -> None:
        self.put_in = [each for each in self.put_in if each["metadata"]["name"] != name]


def adapter(
    api: FakeApi,
    features: frozenset[Feature] = EVERYTHING - {Feature.CAPACITY},
    followers: Mapping[Resource, Follower] | None = None,
    namespaces: frozenset[str] | None = frozenset({"ml"}),
    models: Models | None = None,
) -> KubernetesWorkload:
    found = followers or {}
    return KubernetesWorkload(
        api.client(),
        lambda resource, _namespace: found.get(resource),
        features=features,
        namespaces=namespaces,
        models=models or ServedModels(),
    )


def a_cluster(replicas: int = 4, ready: int = 4) -> FakeApi:
    """Stable's Deployment, Service and endpoints."""
    api = FakeApi()
    api.put(DEPLOYMENTS, deployment("fraud-v6", replicas=replicas))
    api.put(SERVICES, service("fraud-v6"))
    api.put(ENDPOINT_SLICES, endpoint_slice("fraud-v6", [f"10.0.6.{n}" for n in range(ready)]))
    return api


def with_canary(api: FakeApi, replicas: int = 1, ready: int = 1, unready: int = 0) -> FakeApi:
    """A canary that somebody deployed."""
    api.put(DEPLOYMENTS, deployment("fraud-v7", replicas=replicas))
    api.put(SERVICES, service("fraud-v7"))
    endpoints(api, ready, unready)
    return api


def endpoints(api: FakeApi, ready: int, unready: int = 0) -> None:
    """So many endpoints of the canary."""
    addresses = [f"10.0.7.{n}" for n in range(ready)]
    others = [f"10.0.8.{n}" for n in range(unready)]
    api.put(ENDPOINT_SLICES, endpoint_slice("fraud-v7", addresses, unready=others))


def rollout(
    release: Release = IMAGE,
    *,
    weight: int = 0,
    phase: Phase = Phase.PREPARING,
    scale: bool = False,
    stable: Release | None = STABLE,
    rollout_id: str = "fraud-v7",
    **more: Any,
) -> Rollout:
    policy = Policy(
        "fraud",
        "ml",
        RouteRef("httpRoute", "fraud"),
        "envoy",
        steps=(),
        checks=(),
        workload=WorkloadRules(scale=scale),
    )
    return Rollout(
        rollout_id,
        "fraud",
        release,
        policy,
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
        created_by="ann",
        stable=stable,
        phase=phase,
        route=Route(intended=Split(stable, release if weight else None, weight)),
        **more,
    )


def replicas(api: FakeApi, name: str = "fraud-v7", resource: Resource = DEPLOYMENTS) -> int:
    obj = api.get(resource, "ml", name)
    assert obj is not None
    count: int = obj["spec"]["replicas"]
    return count


def minimum(api: FakeApi, name: str = "fraud-v7") -> tuple[int, int, str | None]:
    """An autoscaler's bounds, and the minimum that it shall go back to."""
    obj = api.get(HORIZONTAL_POD_AUTOSCALERS, "ml", name)
    assert obj is not None
    least = obj["metadata"].get("annotations", {}).get("serinus.dev/min-replicas")
    return obj["spec"]["minReplicas"], obj["spec"]["maxReplicas"], least
