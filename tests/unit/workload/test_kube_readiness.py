"""Readiness of versions in a cluster: by endpoints, against the share, with the problem's name."""

from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.resources import (
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    INFERENCE_POOLS,
    NODES,
    PODS,
    SERVICES,
)
from controller.adapters.workload.kube_room import Room
from controller.adapters.workload.kube_view import kept_pod
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Phase, Reason
from controller.errors import TransientError
from tests.kube_fake import FakeApi
from tests.kube_workloads import (
    endpoint_slice,
    meta,
    node,
    pod,
    ready,
    service,
    unscheduled,
    waiting,
)
from tests.unit.workload.cluster import (
    EVERYTHING,
    EXISTING,
    IMAGE,
    STABLE,
    Follower,
    a_cluster,
    adapter,
    endpoints,
    rollout,
    with_canary,
)

CORE = frozenset({Feature.CORE})
CHAT = Release("v7", backend=Backend(BackendKind.INFERENCE_POOL, "chat-v7"))


async def canary(api: FakeApi, what: Rollout | None = None, **more: Any) -> Readiness:
    what = what or rollout(EXISTING)
    return await adapter(api, **more).readiness(what, what.release)


async def test_an_existing_version_is_ready_with_one_endpoint() -> None:
    seen = await canary(with_canary(a_cluster(), replicas=2, ready=1, unready=1))
    assert seen.ready
    assert seen.endpoints == ("10.0.7.0:8080",)
    assert seen.carries_permille == 1000
    assert seen.problem is None


async def test_without_any_endpoint_it_is_not_ready() -> None:
    seen = await canary(with_canary(a_cluster(), ready=0, unready=2), features=CORE)
    assert not seen.ready
    assert seen.message == "v7: 0 of 2 endpoints of Service fraud-v7 ready"
    assert not seen.hopeless


async def test_a_missing_backend_or_port_is_named() -> None:
    seen = await canary(a_cluster())
    assert (seen.ready, seen.problem, seen.carries_permille) == (False, Reason.BACKEND_NOT_FOUND, 0)
    assert seen.message == "Service fraud-v7 does not exist in ml: create it, or correct its name"
    other = Release("v7", backend=Backend(BackendKind.SERVICE, "fraud-v7", 80))
    seen = await canary(with_canary(a_cluster()), rollout(other))
    assert seen.problem is Reason.BACKEND_NOT_FOUND
    assert seen.message == "Service fraud-v7: it has no port 80; it has 8080 (http): set spec.backend.port"
    seen = await canary(a_cluster(), rollout(Release("v7")))
    assert seen.hopeless


async def test_stable_is_ready_with_one_endpoint() -> None:
    what = rollout(EXISTING, weight=50)
    assert (await adapter(a_cluster(ready=1)).readiness(what, STABLE)).ready
    seen = await adapter(a_cluster(ready=0)).readiness(what, STABLE)
    assert not seen.ready
    assert seen.message == "v6: 0 of 0 endpoints of Service fraud-v6 ready"


@pytest.mark.parametrize(("copies", "carries"), [(1, 250), (2, 500), (3, 750), (4, 1000), (5, 1000)])
async def test_scaled_copies_carry_their_part_of_stables(copies: int, carries: int) -> None:
    api = with_canary(a_cluster(replicas=4), replicas=copies, ready=copies)
    seen = await canary(api, rollout(EXISTING, scale=True))
    assert (seen.ready, seen.carries_permille) == (True, carries)


async def test_copies_for_a_share_always_carry_it() -> None:
    for stable in (1, 3, 7):
        for share in (1, 10, 50, 250, 333, 500, 999, 1000):
            api = a_cluster(replicas=stable)
            workload = adapter(api)
            await workload.supply(rollout(), share)
            copy = api.get(DEPLOYMENTS, "ml", "fraud-v7")
            assert copy is not None
            endpoints(api, copy["spec"]["replicas"])
            assert (await workload.readiness(rollout(), IMAGE)).carries_permille >= share


@pytest.mark.parametrize(
    ("weight", "copies", "is_ready"),
    [(0, 1, True), (0, 0, False), (500, 1, False), (500, 3, True), (1000, 5, True)],
)
async def test_less_than_half_of_what_the_weight_needs_is_not_ready(
    weight: int, copies: int, is_ready: bool
) -> None:
    api = with_canary(a_cluster(replicas=10), replicas=10, ready=copies, unready=10 - copies)
    what = rollout(EXISTING, scale=True, weight=weight, phase=Phase.PROGRESSING)
    assert (await canary(api, what)).ready is is_ready


async def test_without_a_workload_to_count_stables_endpoints_measure() -> None:
    api = with_canary(a_cluster(ready=2), ready=1)
    api.delete(DEPLOYMENTS, "ml", "fraud-v6")
    assert (await canary(api, rollout(EXISTING, scale=True))).carries_permille == 500


async def test_a_first_deployment_carries_everything() -> None:
    api = with_canary(FakeApi())
    seen = await canary(api, rollout(EXISTING, stable=None, scale=True))
    assert (seen.ready, seen.carries_permille) == (True, 1000)


def not_ready(name: str, **status: Any) -> dict[str, Any]:
    return pod(name, {"app": "fraud-v7"}, **status)


async def test_the_problem_of_missing_copies_is_named_and_counted() -> None:
    api = with_canary(a_cluster(), replicas=3, ready=1)
    api.put(PODS, not_ready("a", status=waiting("ImagePullBackOff", "no such image")))
    seen = await canary(api, rollout(EXISTING, scale=True))
    assert seen.ready
    assert seen.problem is Reason.IMAGE_PULL_FAILED
    assert seen.message == (
        "1 of 3 copies of v7 ready: image registry/fraud:v7 cannot be pulled: no such image"
    )


async def test_a_version_that_only_needs_time_has_no_problem() -> None:
    api = with_canary(a_cluster(), replicas=1, ready=0)
    api.put(PODS, not_ready("a"))
    seen = await canary(api, rollout(EXISTING, scale=True))
    assert (seen.ready, seen.problem, seen.message) == (False, None, "0 of 1 copy of v7 ready")


async def test_an_image_without_a_valid_name_is_hopeless() -> None:
    api = with_canary(a_cluster(), ready=0)
    api.put(PODS, not_ready("a", status=waiting("InvalidImageName")))
    assert (await canary(api)).hopeless


async def test_an_existing_version_without_copies_says_what_to_do() -> None:
    seen = await canary(with_canary(a_cluster(), replicas=0, ready=0))
    assert seen.message.endswith(
        "Deployment fraud-v7 is asked for 0 copies: scale it up, or set workload.scale in the policy"
    )


async def test_missing_capacity_is_said_in_numbers_where_nodes_may_be_read() -> None:
    words = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    waits = not_ready("a", status=unscheduled(words))
    waits["spec"]["containers"][0]["resources"] = {"requests": {"nvidia.com/gpu": "2"}}
    api = with_canary(a_cluster(), ready=0)
    api.put(PODS, waits)
    seen = await canary(api)
    assert (seen.problem, seen.message) == (
        Reason.INSUFFICIENT_CAPACITY,
        f"0 of 1 copy of v7 ready: no node takes a: {words}",
    )
    api.put(NODES, node("gpu", gpu="2"))
    busy = pod("busy", status=ready(), nodeName="gpu")
    busy["spec"]["containers"][0]["resources"] = {"requests": {"nvidia.com/gpu": "2"}}
    busy["metadata"]["namespace"] = "other"
    api.put(PODS, busy)
    seen = await canary(api, features=EVERYTHING)
    assert seen.message == "0 of 1 copy of v7 ready: needs 2 nvidia.com/gpu, 0 free"
    api.denied.add(("list", "nodes"))
    seen = await canary(api, features=EVERYTHING)
    assert seen.message.endswith(words)


async def test_nodes_are_read_once_a_minute_at_most() -> None:
    api = FakeApi()
    now = 0.0
    room = Room(api.client(), lambda: now)
    for now, calls in ((0.0, 2), (59.0, 2), (60.0, 4)):  # noqa: B007 - read by the room
        assert await room.shortage(pod("a")) is not None
        assert len(api.requests) == calls


async def test_versions_that_share_pods_are_refused_before_any_traffic() -> None:
    api = with_canary(a_cluster())
    api.put(ENDPOINT_SLICES, endpoint_slice("fraud-v7", ["10.0.6.1", "10.0.7.9"]))
    seen = await canary(api)
    assert (seen.ready, seen.problem, seen.hopeless) == (False, Reason.WORKLOAD_REFUSED, False)
    assert seen.message.startswith("10.0.6.1:8080 is behind both fraud-v6 and v7: requests to one reach")
    later = rollout(EXISTING, weight=50, phase=Phase.PROGRESSING)
    assert (await canary(api, later)).ready


async def test_a_selector_that_was_widened_to_the_copy_ends_it() -> None:
    api = a_cluster()
    workload = adapter(api)
    await workload.supply(rollout(), 250)
    endpoints(api, 1)
    assert (await workload.readiness(rollout(), IMAGE)).ready
    for name in ("fraud-v6", "fraud-v7"):  # an admission check adds a label to everything
        api.modify(
            DEPLOYMENTS,
            "ml",
            name,
            lambda obj: obj["spec"]["template"]["metadata"]["labels"].update(mesh="yes"),
        )
    api.put(SERVICES, service("apex", selector={"mesh": "yes"}))
    seen = await workload.readiness(rollout(), IMAGE)
    assert (seen.ready, seen.problem, seen.hopeless) == (False, Reason.WORKLOAD_REFUSED, True)
    assert "Service apex selects the pods of fraud-v7 too" in seen.message


async def test_a_service_that_leads_to_the_copy_alone_is_a_persons_own_way_to_try_it() -> None:
    api = a_cluster()
    workload = adapter(api)
    await workload.supply(rollout(), 250)
    endpoints(api, 1)
    api.put(SERVICES, service("try", selector={"serinus.dev/version": "v7"}))
    assert (await workload.readiness(rollout(), IMAGE)).ready


async def test_a_selector_that_matches_live_pods_only_ends_it_too() -> None:
    api = a_cluster()
    workload = adapter(api)
    await workload.supply(rollout(), 250)
    endpoints(api, 1)
    copy = api.get(DEPLOYMENTS, "ml", "fraud-v7")
    assert copy is not None
    labels = copy["spec"]["template"]["metadata"]["labels"]
    api.put(PODS, pod("fraud-v7-x", {**labels, "app": "fraud-v6"}, status=ready()))
    assert (await workload.readiness(rollout(), IMAGE)).hopeless


def a_pool(api: FakeApi, **picker: Any) -> None:
    spec: dict[str, Any] = {
        "selector": {"matchLabels": {"app": "chat-v7"}},
        "targetPorts": [{"number": 8000}],
    }
    if picker:
        spec["endpointPickerRef"] = {"port": {"number": 9002}, **picker}
    api.put(INFERENCE_POOLS, {"metadata": meta("chat-v7"), "spec": spec})
    api.put(PODS, pod("a", {"app": "chat-v7"}, status=ready("10.0.7.1")))
    api.put(PODS, pod("b", {"app": "chat-v7"}))


async def test_a_pool_is_as_ready_as_its_pods() -> None:
    api = a_cluster()
    a_pool(api)
    seen = await canary(api, rollout(CHAT))
    assert (seen.ready, seen.endpoints) == (True, ("10.0.7.1:8000",))


async def test_a_pool_needs_its_picker() -> None:
    api = a_cluster()
    a_pool(api, name="chat-v7-epp")
    seen = await canary(api, rollout(CHAT))
    assert (seen.ready, seen.message) == (False, "the endpoint picker chat-v7-epp of chat-v7 is not ready")
    picker = service("chat-v7-epp")
    picker["spec"]["ports"] = [{"name": "grpc", "port": 9002}]
    api.put(SERVICES, picker)
    assert not (await canary(api, rollout(CHAT))).ready
    api.put(ENDPOINT_SLICES, endpoint_slice("chat-v7-epp", ["10.0.0.9"], port=9002, port_name="grpc"))
    assert (await canary(api, rollout(CHAT))).ready


async def test_a_pool_that_fails_open_needs_no_picker() -> None:
    api = a_cluster()
    a_pool(api, name="chat-v7-epp", failureMode="FailOpen")
    assert (await canary(api, rollout(CHAT))).ready


async def test_a_pool_needs_its_feature() -> None:
    seen = await canary(a_cluster(), rollout(CHAT), features=CORE)
    assert (seen.ready, seen.hopeless) == (False, True)
    assert "add inferencePools to SERINUS_KUBERNETES__FEATURES" in seen.message


@pytest.mark.parametrize("age", [timedelta(minutes=4), timedelta.max])
async def test_a_cache_that_nobody_confirmed_for_long_says_nothing(age: timedelta) -> None:
    api = with_canary(a_cluster())
    follower = Follower(api, ENDPOINT_SLICES)
    follower.age = age
    with pytest.raises(TransientError, match="the endpointslices of ml were last read"):
        await canary(api, followers={ENDPOINT_SLICES: follower})


async def test_of_a_cache_only_the_services_own_slices_count() -> None:
    api = with_canary(a_cluster(), ready=1)
    seen = await canary(api, followers={ENDPOINT_SLICES: Follower(api, ENDPOINT_SLICES)})
    assert seen.endpoints == ("10.0.7.0:8080",)


async def test_with_caches_the_core_alone_asks_nothing_of_the_api() -> None:
    api = with_canary(a_cluster())
    kinds = (SERVICES, ENDPOINT_SLICES)
    await canary(api, features=CORE, followers={each: Follower(api, each) for each in kinds})
    assert api.requests == []


def test_a_cached_pod_keeps_what_is_read_of_it() -> None:
    found = pod("a", status=unscheduled("x"), tolerations=[1], volumes=[1])
    found["metadata"] |= {"managedFields": [1], "annotations": {"a": "b"}, "uid": "u", "resourceVersion": "1"}
    found["spec"]["containers"][0] |= {"env": [1], "resources": {"requests": {}}}
    kept = kept_pod(found)
    assert kept["metadata"] == {
        "name": "a",
        "namespace": "ml",
        "labels": {"app": "fraud-v7"},
        "uid": "u",
        "resourceVersion": "1",
    }
    assert kept["spec"]["tolerations"] == [1]
    assert "volumes" not in kept["spec"]
    assert kept["spec"]["containers"] == [
        {"name": "server", "image": "registry/fraud:v7", "resources": {"requests": {}}}
    ]
    assert kept["status"] == found["status"]
