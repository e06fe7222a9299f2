"""Every custom resource that the tests' API server serves."""

import importlib
from typing import Any

from tests.kube.crds.gateway_api import gateway, grpc_route, http_route
from tests.kube.crds.inference import inference_pool
from tests.kube.crds.leader_worker_set import leader_worker_set


def definitions() -> list[dict[str, Any]]:
    """The foreign CRDs as far as we use them, and ours."""
    found = [http_route(), grpc_route(), gateway(), inference_pool(), leader_worker_set()]
    try:
        ours = importlib.import_module("controller.adapters.kube.crd")
    except ImportError:  # it does not exist yet
        return found
    return [*found, ours.model_rollout_crd()]
