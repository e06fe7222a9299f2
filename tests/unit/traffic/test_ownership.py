"""Whose a route is that somebody else's controller writes, and what people are told to do instead."""

from typing import Any

import pytest

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.ownership import Owner, owner_of
from tests.gateway_routes import a_route


def owned(kind: str, name: str, api: str = "", *, controller: bool = True, **metadata: Any) -> Obj:
    route = a_route()
    reference = {"apiVersion": api, "kind": kind, "name": name, "controller": controller}
    route["metadata"] |= {"ownerReferences": [{"kind": "Team", "name": "risk"}, reference], **metadata}
    return route


def with_metadata(**metadata: Any) -> Obj:
    route = a_route()
    route["metadata"] |= metadata
    return route


def written_by(manager: str, field: str) -> Obj:
    entry = {"manager": manager, "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {f"f:{field}": {}}}}
    return with_metadata(managedFields=[entry])


def test_a_route_without_an_owner_is_nobody_s() -> None:
    assert owner_of(a_route(), "rules") is None
    assert owner_of(owned("Helm", "x", controller=False), "rules") is None
    assert owner_of(written_by("kubectl-edit", "rules"), "rules") is None


@pytest.mark.parametrize(
    ("route", "shown", "advice"),
    [
        (owned("InferenceService", "chat"), "InferenceService chat", "{inferenceService: chat}"),
        (owned("LLMInferenceService", "c2"), "LLMInferenceService c2", "{llmInferenceService: GROUP}"),
        (owned("AIGatewayRoute", "chat"), "AIGatewayRoute chat", "{aiGatewayRoute: chat}"),
        (owned("Service", "chat", "serving.knative.dev/v1"), "KnativeService chat", "{knativeService: chat}"),
        (
            owned("Ingress", "chat-1", labels={"serving.knative.dev/service": "chat"}),
            "KnativeService chat",
            "{knativeService: chat}",
        ),
        (owned("RayService", "chat"), "RayService chat", "KubeRay moves its traffic by itself"),
        (owned("Canary", "chat", "flagger.app/v1beta1"), "Canary chat", "serinus convert"),
        (owned("Widget", "w"), "Widget w", "or steer the Widget itself"),
        (owned("Service", "w", "v1"), "Service w", "or steer the Service itself"),
        (
            with_metadata(annotations={"gateway.envoyproxy.io/ai-gateway-generated": "true"}),
            "AIGatewayRoute fraud",
            "{aiGatewayRoute: fraud}",
        ),
        (
            with_metadata(labels={"serving.kserve.io/inferenceservice": "sk"}),
            "InferenceService sk",
            "{inferenceService: sk}",
        ),
        (
            with_metadata(
                labels={
                    "app.kubernetes.io/part-of": "llminferenceservice",
                    "app.kubernetes.io/name": "chat-v2",
                }
            ),
            "LLMInferenceService chat-v2",
            "{llmInferenceService: GROUP}",
        ),
        (
            with_metadata(
                labels={"ray.io/originated-from-crd": "RayService", "ray.io/originated-from-cr-name": "ray"}
            ),
            "RayService ray",
            "two RayServices",
        ),
        (with_metadata(labels={"kiali_wizard": "request_routing"}), "Kiali's wizard", "kiali_wizard"),
        (written_by("flagger", "rules"), "Flagger", "delete the Canary"),
        (written_by("rollouts-controller", "rules"), "Argo Rollouts", "trafficRouting"),
    ],
)
def test_an_owner_is_named_with_what_to_do_instead(route: Obj, shown: str, advice: str) -> None:
    owner = owner_of(route, "rules")
    assert isinstance(owner, Owner)
    assert owner.shown == shown
    assert advice in owner.advice


def test_who_wrote_another_part_of_the_route_does_not_own_its_weights() -> None:
    assert owner_of(written_by("rollouts-controller", "http"), "rules") is None
    assert owner_of(written_by("rollouts-controller", "http"), "http") is not None


def test_what_others_wrote_into_a_name_is_shown_as_one_line() -> None:
    owner = owner_of(owned("Widget\nx", "a" * 500), "rules")
    assert owner is not None
    assert "\n" not in owner.shown + owner.advice
    assert len(owner.shown) <= 300
