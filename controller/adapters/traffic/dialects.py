"""The kinds of objects in a cluster that may split traffic, by the names that policies use.

A new kind is a dialect and a line here, and one in `controller.adapters.registry`, which says what it can do.
"""

from collections.abc import Collection, Mapping

from controller.adapters.traffic.ai_gateway import AI_GATEWAY_ROUTE
from controller.adapters.traffic.dialect import Dialect
from controller.adapters.traffic.gateway_api import GRPC_ROUTE, HTTP_ROUTE
from controller.adapters.traffic.knative import KNATIVE_SERVICE
from controller.adapters.traffic.kserve import INFERENCE_SERVICE
from controller.adapters.traffic.llm_service import LLM_INFERENCE_SERVICE
from controller.adapters.traffic.model_rewrite import MODEL_REWRITE
from controller.adapters.traffic.virtual_service import VIRTUAL_SERVICE
from controller.features import Feature

DIALECTS: Mapping[str, Dialect] = {
    "httpRoute": HTTP_ROUTE,
    "grpcRoute": GRPC_ROUTE,
    "virtualService": VIRTUAL_SERVICE,
    "aiGatewayRoute": AI_GATEWAY_ROUTE,
    "knativeService": KNATIVE_SERVICE,
    "inferenceModelRewrite": MODEL_REWRITE,
    "inferenceService": INFERENCE_SERVICE,
    "llmInferenceService": LLM_INFERENCE_SERVICE,
}


def dialects(features: Collection[Feature]) -> Mapping[str, Dialect]:
    """Those that the operator has switched on."""
    return {
        kind: dialect
        for kind, dialect in DIALECTS.items()
        if dialect.feature is Feature.CORE or dialect.feature in features
    }
