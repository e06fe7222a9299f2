"""Requests that go straight to a pod must name the adapter that is meant."""

import json

import pytest

from controller.adapters.addressing import addressed
from controller.domain.release import Backend, BackendKind, Release
from controller.policy.golden import Expectation, GoldenRequest, Protocol
from tests.model_rewrites import CANARY, C


def golden(body: bytes) -> GoldenRequest:
    return GoldenRequest("r1", Protocol.JSON, body, (("x", "y"),), Expectation())


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ('{"model": "food-review", "prompt": "é", "n": 1}', {"model": CANARY, "prompt": "é", "n": 1}),
        ('{"prompt": ""}', {"prompt": "", "model": CANARY}),
    ],
)
def test_an_adapter_s_request_bears_its_name_and_nothing_else_changes(
    body: str, sent: dict[str, object]
) -> None:
    found = addressed(golden(body.encode()), C)
    assert json.loads(found.body) == sent
    assert found.headers == (("x", "y"),)


def test_a_body_that_is_no_mapping_stays() -> None:
    assert addressed(golden(b"[1]"), C) == golden(b"[1]")


def test_other_backends_get_the_request_as_it_is() -> None:
    request = golden(b'{"model": "food-review"}')
    for backend in (
        None,
        Backend(BackendKind.SERVICE, "food", 80),
        Backend(BackendKind.INFERENCE_POOL, "food"),
    ):
        assert addressed(request, Release("v2", backend=backend)) is request
