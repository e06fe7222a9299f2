"""Readiness and copies of the backends of other gateways: subsets, AIServiceBackends, revisions."""

from typing import Any

import pytest

from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import (
    AI_SERVICE_BACKENDS,
    DEPLOYMENTS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    ENVOY_BACKENDS,
    PODS,
    REVISIONS,
    SERVICES,
    Obj,
)
from controller.domain.observation import Readiness
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Phase, Reason
from tests.kube_fake import FakeApi
from tests.kube_workloads import deployment, endpoint_slice, meta, pod, ready, service
from tests.unit.workload.cluster import EVERYTHING, STABLE, a_cluster, adapter, replicas, rollout

SUBSET = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud", 8080, "v7"))
OLD = Release("v6", backend=Backend(BackendKind.SERVICE, "fraud", 8080, "v6"))
REMOTE = Release("v7", backend=Backend(BackendKind.AI_SERVICE_BACKEND, "fraud-v7"))
REVISION = Release("v7", backend=Backend(BackendKind.REVISION, "fraud-00007"))


def subsets(*, host: str = "fraud", defined: str = "v7") -> FakeApi:
    """One Service over the Deployments of both versions, and who divides it."""
    api = FakeApi()
    api.put(SERVICES, service("fraud", {"app": "fraud"}))
    rule = {
        "host": host,
        "subsets": [{"name": name, "labels": {"version": name}} for name in ("v6", defined)],
    }
    api.put(DESTINATION_RULES, {"metadata": meta("fraud"), "spec": rule})
    for version, address in (("v6", "10.0.6.0"), ("v7", "10.0.7.0")):
        labels = {"app": "fraud", "version": version}
        api.put(DEPLOYMENTS, deployment(f"fraud-{version}", labels, replicas=1))
        api.put(PODS, pod(f"fraud-{version}-x", labels, status=ready(address)))
    api.put(ENDPOINT_SLICES, endpoint_slice("fraud", ["10.0.6.0", "10.0.7.0"]))
    return api


async def look(api: FakeApi, release: Release, **more: Any) -> Readiness:
    what = rollout(release, stable=more.pop("stable", STABLE), phase=more.pop("phase", Phase.PREPARING))
    return await adapter(api, **more).readiness(what, release)


@pytest.mark.parametrize("host", ["fraud", "fraud.ml.svc.cluster.local"])
async def test_a_subset_has_its_own_pods_of_the_service(host: str) -> None:
    seen = await look(subsets(host=host), SUBSET, stable=OLD)
    assert (seen.ready, seen.endpoints) == (True, ("10.0.7.0:8080",)), seen.message
    old = await adapter(subsets(host=host)).readiness(rollout(SUBSET, stable=OLD), OLD)
    assert old.endpoints == ("10.0.6.0:8080",)


async def test_a_subset_that_no_rule_defines_is_told() -> None:
    for api in (subsets(defined="v8"), subsets(host="fraud.other.svc.cluster.local")):
        seen = await look(api, SUBSET)
        assert (seen.ready, seen.problem) == (False, Reason.BACKEND_NOT_FOUND)
        assert seen.message == (
            "no DestinationRule of ml defines the subset v7 of fraud: create it, or correct its name"
        )


async def test_only_the_subset_s_workload_is_scaled_and_retired() -> None:
    api = subsets()
    await adapter(api).supply(rollout(SUBSET, stable=OLD, scale=True, weight=500), 500)
    workload = adapter(api)
    assert await workload.retire("ml", OLD, delete=False, in_use=[SUBSET.backend] if SUBSET.backend else [])
    assert (replicas(api, "fraud-v6"), replicas(api, "fraud-v7")) == (0, 1)


async def test_a_subset_whose_rule_is_gone_is_never_taken_for_all_of_the_service() -> None:
    api = subsets(defined="v8")
    assert await adapter(api).retire("ml", SUBSET, delete=False)
    assert replicas(api, "fraud-v7") == 1


def ai_backend(reference: Obj, *endpoints: Obj) -> FakeApi:
    api = a_cluster()
    api.put(SERVICES, service("fraud-v7"))
    api.put(DEPLOYMENTS, deployment("fraud-v7", replicas=1))
    api.put(ENDPOINT_SLICES, endpoint_slice("fraud-v7", ["10.0.7.0"]))
    api.put(AI_SERVICE_BACKENDS, {"metadata": meta("fraud-v7"), "spec": {"backendRef": reference}})
    api.put(ENVOY_BACKENDS, {"metadata": meta("fraud-v7"), "spec": {"endpoints": [*endpoints]}})
    return api


def fqdn(host: str, port: int = 8080) -> Obj:
    return {"fqdn": {"hostname": host, "port": port}}


ENVOY = {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "fraud-v7"}


@pytest.mark.parametrize(
    ("reference", "endpoints"),
    [
        ({"name": "fraud-v7", "port": 8080}, ()),
        ({"group": "", "kind": "Service", "name": "fraud-v7", "port": 8080}, ()),
        (ENVOY, (fqdn("fraud-v7.ml.svc.cluster.local"),)),
    ],
)
async def test_an_ai_backend_in_the_cluster_is_its_service(
    reference: Obj, endpoints: tuple[Obj, ...]
) -> None:
    api = ai_backend(reference, *endpoints)
    seen = await look(api, REMOTE)
    assert (seen.ready, seen.endpoints) == (True, ("10.0.7.0:8080",)), seen.message
    await adapter(api).supply(rollout(REMOTE, scale=True, weight=500), 500)
    assert replicas(api) == 2


@pytest.mark.parametrize(
    ("endpoints", "addresses"),
    [
        ((fqdn("api.example.com", 443),), ("api.example.com:443",)),
        ((fqdn("fraud-v7.other.svc.cluster.local"),), ("fraud-v7.other.svc.cluster.local:8080",)),
        (({"ip": {"address": "10.9.9.9", "port": 80}},), ("10.9.9.9:80",)),
        (({"ip": {"address": "fd00::1", "port": 80}}, fqdn("b", 1)), ("[fd00::1]:80", "b:1")),
    ],
)
async def test_an_ai_backend_elsewhere_has_addresses_that_nobody_checks(
    endpoints: tuple[Obj, ...], addresses: tuple[str, ...]
) -> None:
    seen = await look(ai_backend(ENVOY, *endpoints), REMOTE)
    assert (seen.ready, seen.endpoints) == (True, addresses)


async def test_an_ai_backend_that_leads_nowhere_is_told() -> None:
    for api in (
        ai_backend(ENVOY),
        ai_backend({"kind": "Bucket", "group": "x", "name": "y"}),
        ai_backend(ENVOY | {"namespace": "other"}, fqdn("a")),
    ):
        seen = await look(api, REMOTE)
        assert (seen.ready, seen.problem) == (False, Reason.BACKEND_NOT_FOUND)
        assert "AIServiceBackend fraud-v7 leads nowhere" in seen.message


def revision(status: str = "True", *, copies: int = 1, port: str = "http", said: str = "") -> FakeApi:
    api = a_cluster()
    condition = {"type": "Ready", "status": status, "reason": "ContainerMissing", "message": said}
    api.put(REVISIONS, {"metadata": meta("fraud-00007"), "spec": {}, "status": {"conditions": [condition]}})
    for kind in ("Private", "Public"):
        name = f"fraud-00007-{kind.lower()}"
        addresses = [f"10.0.7.{n}" for n in range(copies)] if kind == "Private" else ["10.1.1.1"]
        found = endpoint_slice(name, addresses)
        found["metadata"]["labels"] |= {
            "serving.knative.dev/revision": "fraud-00007",
            "networking.internal.knative.dev/serviceType": kind,
        }
        found["ports"] = [{"name": port, "port": 8012}]
        api.put(ENDPOINT_SLICES, found)
    return api


@pytest.mark.parametrize("port", ["http", "http2"])
async def test_a_revision_has_the_endpoints_of_its_own_service(port: str) -> None:
    seen = await look(revision(port=port), REVISION)
    assert (seen.ready, seen.endpoints) == (True, ("10.0.7.0:8012",)), seen.message


async def test_a_revision_that_sleeps_can_serve_but_not_be_a_canary_before_its_traffic() -> None:
    api = revision(copies=0)
    seen = await look(api, REVISION)
    assert not seen.ready
    assert "min-scale" in seen.message
    assert (await look(api, REVISION, phase=Phase.PROGRESSING)).ready
    stable = await adapter(api).readiness(rollout(STABLE, stable=REVISION), REVISION)
    assert stable.ready


async def test_a_revision_that_knative_gave_up_is_told() -> None:
    seen = await look(revision("False", said="no such image"), REVISION)
    assert (seen.ready, seen.problem, seen.message) == (
        False,
        Reason.WORKLOAD_REFUSED,
        "fraud-00007: no such image",
    )
    assert (await look(revision("Unknown"), REVISION)).problem is None


async def test_the_copies_of_a_revision_are_knative_s_business() -> None:
    api = revision()
    workload = adapter(api, EVERYTHING)
    writes = len(api.writes)
    await workload.supply(rollout(REVISION, scale=True, weight=500), 500)
    assert await workload.retire("ml", REVISION, delete=False)
    assert len(api.writes) == writes


@pytest.mark.parametrize(
    ("release", "feature"),
    [(SUBSET, Feature.ISTIO), (REMOTE, Feature.AI_GATEWAY), (REVISION, Feature.KNATIVE)],
)
async def test_what_may_not_be_looked_at_is_told_with_the_feature(release: Release, feature: Feature) -> None:
    seen = await look(subsets(), release, features=EVERYTHING - {feature, Feature.CAPACITY})
    assert (seen.ready, seen.problem) == (False, Reason.BACKEND_NOT_FOUND)
    assert seen.message.endswith(f"add {feature} to SERINUS_KUBERNETES__FEATURES")
