"""Endpoints out of EndpointSlices and pods."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.workload.kube_endpoints import (
    Endpoints,
    ServicePort,
    is_ready,
    of_pods,
    of_slices,
    service_port,
)
from controller.adapters.workload.kube_problem import Problem
from tests.kube_workloads import endpoint_slice, pod, ready, service

PORT = ServicePort(8080, "http")


def test_ready_endpoints_are_addresses_with_the_pods_port() -> None:
    found = endpoint_slice("fraud-v7", ["10.0.0.2", "10.0.0.1"], unready=["10.0.0.3"], port=9000)
    assert of_slices([found], service(), PORT) == Endpoints(("10.0.0.1:9000", "10.0.0.2:9000"), 3)


def test_several_slices_are_one_and_a_doubled_endpoint_counts_once() -> None:
    slices = [endpoint_slice("a", ["10.0.0.1"]), endpoint_slice("a", ["10.0.0.1", "10.0.0.2"], suffix="x")]
    assert of_slices(slices, service(), PORT) == Endpoints(("10.0.0.1:8080", "10.0.0.2:8080"), 2)


@pytest.mark.parametrize(
    ("conditions", "can"),
    [
        ({}, True),
        ({"ready": True}, True),
        ({"ready": None}, True),
        ({"ready": False}, False),
        ({"ready": True, "serving": False}, False),  # the Service publishes addresses that are not ready
        ({"ready": True, "serving": True, "terminating": True}, False),
    ],
)
def test_conditions_are_read_as_the_api_defines_them(conditions: dict[str, Any], can: bool) -> None:
    found = endpoint_slice("a", ["10.0.0.1"])
    found["endpoints"][0]["conditions"] = conditions
    assert bool(of_slices([found], service(), PORT).ready) is can


def test_a_copy_with_two_families_counts_once_by_the_services_first() -> None:
    slices = [
        endpoint_slice("a", ["10.0.0.1"]),
        endpoint_slice("a", ["fd00::1"], family="IPv6", suffix="six"),
    ]
    assert of_slices(slices, service(), PORT).ready == ("10.0.0.1:8080",)
    six = service()
    six["spec"]["ipFamilies"] = ["IPv6", "IPv4"]
    assert of_slices(slices, six, PORT).ready == ("[fd00::1]:8080",)


def test_another_port_of_the_service_gives_no_endpoint() -> None:
    assert of_slices([endpoint_slice("a", ["10.0.0.1"], port_name="metrics")], service(), PORT) == Endpoints()


def test_a_slice_for_all_ports_takes_the_services() -> None:
    found = endpoint_slice("a", ["10.0.0.1"], port=None)
    assert of_slices([found], service(), PORT).ready == ("10.0.0.1:8080",)


def test_the_port_is_the_one_that_is_asked_for_or_the_only_one() -> None:
    assert service_port(service(), 8080) == PORT
    assert service_port(service(), None) == PORT
    two = service()
    two["spec"]["ports"].append({"port": 9090})
    for wanted, what in ((None, "no port is named"), (80, "it has no port 80")):
        missing = service_port(two, wanted)
        assert isinstance(missing, Problem)
        message = f"Service fraud-v6: {what}; it has 8080 (http), 9090: set spec.backend.port"
        assert missing.message == message


def test_the_pods_of_a_pool_are_its_endpoints() -> None:
    pool = {"spec": {"selector": {"matchLabels": {"app": "chat"}}, "targetPorts": [{"number": 8000}]}}
    leaving = pod("d", {"app": "chat"}, status=ready("10.0.0.4"))
    leaving["metadata"]["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    pods = [
        pod("a", {"app": "chat"}, status=ready("10.0.0.1")),
        pod("b", {"app": "chat"}, status={"podIP": "10.0.0.2"}),
        pod("c", {"app": "other"}, status=ready("10.0.0.3")),
        leaving,
        pod("e", {"app": "chat"}),
    ]
    assert of_pods(pods, pool) == Endpoints(("10.0.0.1:8000",), 3)
    assert not is_ready(leaving)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "spec",
                    "status",
                    "ports",
                    "port",
                    "name",
                    "endpoints",
                    "addresses",
                    "conditions",
                    "metadata",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["spec", "status", "ports", "endpoints", "metadata"]), JSON))
def test_no_object_however_odd_breaks_the_reading(odd: dict[str, Any]) -> None:
    of_slices([odd], odd, PORT)
    of_pods([odd], odd)
    service_port(odd, 8080)
