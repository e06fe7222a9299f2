"""From what is typed to the object: what is understood, what is refused, when two orders are one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.modelrollout import ModelRolloutSpec, parse_spec, release_of
from controller.adapters.workload.kube_orders import differences, model_rollout
from controller.control.errors import InvalidRequest
from controller.control.interface import Order
from controller.domain.release import Backend, BackendKind, Release


def spec_of(**typed: Any) -> dict[str, Any]:
    spec: dict[str, Any] = model_rollout(Order("fraud", "v7", **typed), "ml")["spec"]
    return spec


def test_an_order_without_more_is_found_by_labels() -> None:
    obj = model_rollout(Order("fraud", "v7"), "ml")
    assert obj["metadata"] == {"name": "fraud-v7", "namespace": "ml"}
    assert (obj["apiVersion"], obj["kind"]) == ("serinus.dev/v1alpha1", "ModelRollout")
    assert obj["spec"] == {"model": "fraud", "version": "v7"}


@pytest.mark.parametrize(
    ("typed", "backend"),
    [
        ("fraud-v7", {"kind": "Service", "name": "fraud-v7"}),
        ("fraud-v7:8080", {"kind": "Service", "name": "fraud-v7", "port": 8080}),
        ("svc/fraud-v7", {"kind": "Service", "name": "fraud-v7"}),
        ("InferencePool/llama", {"kind": "InferencePool", "name": "llama"}),
        ("inferencepool/llama", {"kind": "InferencePool", "name": "llama"}),
        ("llmisvc/chat-v7", {"kind": "LLMInferenceService", "name": "chat-v7"}),
        ("LLMInferenceService/chat-v7", {"kind": "LLMInferenceService", "name": "chat-v7"}),
        ("fraud@v7", {"kind": "Service", "name": "fraud", "subset": "v7"}),
        ("svc/fraud@v7:8080", {"kind": "Service", "name": "fraud", "subset": "v7", "port": 8080}),
        ("AIServiceBackend/llama-v7", {"kind": "AIServiceBackend", "name": "llama-v7"}),
        ("revision/llama-00007", {"kind": "Revision", "name": "llama-00007"}),
        ("lora/food-review-v2", {"kind": "LoraAdapter", "name": "food-review-v2"}),
        ("LoraAdapter/org/Food_v2:8b", {"kind": "LoraAdapter", "name": "org/Food_v2:8b"}),
        ("lora:8080", {"kind": "Service", "name": "lora", "port": 8080}),
    ],
)
def test_backends(typed: str, backend: dict[str, Any]) -> None:
    assert spec_of(backend=typed)["backend"] == backend


@pytest.mark.parametrize(
    "uri", ["gs://models/fraud/2", "pvc://models/a", "hf://team/model:rev", "oci://r/m:2"]
)
def test_files(uri: str) -> None:
    spec = spec_of(storage_uri=uri)
    assert spec == {"model": "fraud", "version": "v7", "storageUri": uri}
    release = release_of(ModelRolloutSpec.model_validate(spec), None)
    assert release == Release("v7", backend=Backend(BackendKind.STORAGE_URI, uri))


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ({"backend": "Deployment/x"}, "KIND"),
        ({"backend": "x:http"}, "KIND"),
        ({"backend": "x:70000"}, "spec.backend.port"),
        ({"backend": "InferencePool/x:80"}, "remove port"),
        ({"backend": "llmisvc/x:80"}, "remove port"),
        ({"storage_uri": "models/fraud"}, "spec.storageUri"),
        ({"storage_uri": "gs://models/a b"}, "spec.storageUri"),
        ({"storage_uri": "gs://models/fraud", "image": "i"}, "stands for itself"),
        ({"storage_uri": "gs://models/fraud", "backend": "x"}, "stands for itself"),
        ({"backend": "Revision/x@v7"}, "remove subset"),
        ({"backend": "x@v7@v8"}, "KIND"),
        (
            {"backend": "lora:food-review-v2"},
            "an adapter is written lora/NAME: --backend lora/food-review-v2",
        ),
        ({"backend": "lora/-x"}, "spec.backend.name"),
        ({"backend": "lora/ "}, "spec.backend.name"),
        ({"backend": "Upper"}, "only a LoraAdapter can have that name"),
        ({"backend": "x", "image": "i"}, "not both"),
        ({"env": ["A=b"]}, "add image"),
        ({"image": "i", "env": ["A"]}, "NAME=VALUE"),
        ({"image": "i", "env": ["A=1", "A=2"]}, "twice"),
        ({"image": "no image\n"}, "spec.image"),
        ({"endpoints": ["h:1"]}, "one machine"),
    ],
)
def test_what_cannot_be_meant_is_an_invalid_request(typed: dict[str, Any], fault: str) -> None:
    with pytest.raises(InvalidRequest, match=fault):
        spec_of(**typed)


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=30) | st.none())
def test_whatever_is_typed_gives_a_valid_object_or_an_invalid_request(
    model: str, version: str, backend: str | None
) -> None:
    try:
        obj = model_rollout(Order(model, version, backend=backend), "ml")
    except InvalidRequest:
        return
    assert isinstance(parse_spec(obj), ModelRolloutSpec)


def test_two_orders_are_one_when_they_ask_for_the_same() -> None:
    plain = {"spec": {"model": "fraud", "backend": {"name": "x"}}}
    filled = {
        "spec": {
            "model": "fraud",
            "backend": {"kind": "Service", "name": "x"},
            "overrides": {"env": []},
            "request": {"id": "12345678"},
        }
    }
    assert differences(plain, filled) == []
    other = {"spec": {"model": "chat", "backend": {"kind": "InferencePool", "name": "x"}, "image": "i"}}
    assert differences(plain, other) == ["backend", "image", "model"]
