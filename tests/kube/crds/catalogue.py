"""Every custom resource that the tests' API server serves."""

from typing import Any

from controller.adapters.kube.crd import model_rollout_crd
from tests.kube.crds.ai_gateway import ai_gateway_route, ai_service_backend, envoy_backend
from tests.kube.crds.gateway_api import gateway, gateway_class, grpc_route, http_route
from tests.kube.crds.inference import former_model_rewrite, inference_pool, model_rewrite
from tests.kube.crds.istio import destination_rule, virtual_service
from tests.kube.crds.knative import knative_service, revision
from tests.kube.crds.kserve import inference_service, llm_inference_service
from tests.kube.crds.leader_worker_set import leader_worker_set


def definitions() -> list[dict[str, Any]]:
    """The foreign CRDs as far as we use them, and ours."""
    return [
        http_route(),
        grpc_route(),
        gateway(),
        gateway_class(),
        inference_pool(),
        model_rewrite(),
        former_model_rewrite(),
        leader_worker_set(),
        inference_service(),
        llm_inference_service(),
        virtual_service(),
        destination_rule(),
        ai_gateway_route(),
        ai_service_backend(),
        envoy_backend(),
        knative_service(),
        revision(),
        model_rollout_crd(),
    ]
