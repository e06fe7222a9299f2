"""Every custom resource that the tests' API server serves."""

from typing import Any

from controller.adapters.kube.crd import model_rollout_crd
from tests.kube.crds.gateway_api import gateway, grpc_route, http_route
from tests.kube.crds.inference import inference_pool
from tests.kube.crds.leader_worker_set import leader_worker_set


def definitions() -> list[dict[str, Any]]:
    """The foreign CRDs as far as we use them, and ours."""
    return [
        http_route(),
        grpc_route(),
        gateway(),
        inference_pool(),
        leader_worker_set(),
        model_rollout_crd(),
    ]
