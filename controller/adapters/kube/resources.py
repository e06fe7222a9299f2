"""The kinds of objects that Serinus talks about, and their addresses in the API.

**Source**: Kubernetes API concepts, "Resource URIs"; the API references of the Gateway API v1, of its
Inference Extension v1 and of LeaderWorkerSet v1; of Istio, Envoy Gateway, Envoy AI Gateway, Knative, KServe.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from controller.errors import TargetError

Obj = dict[str, Any]
"""An object, or a part of one, as the JSON of the API. What a cache gives out is shared: never change it."""

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of objects. ``group`` is empty for the core API.

    ``formerly`` is what the kind was called before it moved to this group: a client uses that where the
    server does not know this one.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    formerly: "Resource | None" = None

    @property
    def api_version(self) -> str:
        """As objects bear it: ``apps/v1``, and ``v1`` for the core API."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of one object, or of a collection when there is no ``name``.

        Without a ``namespace`` the collection is that of all namespaces. Raises `TargetError` for a name that
        no object can have: it would address something else.
        """
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", _segment(namespace)]
        elif self.namespaced and name is not None:
            raise TargetError(f"{self.kind} {_shown(name)} needs a namespace")
        parts.append(self.plural)
        if name is not None:
            parts.append(_segment(name))
        if subresource is not None:
            parts.append(subresource)
        return "/" + "/".join(parts)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _segment(name: str) -> str:
    if not name or name in {".", ".."} or "/" in name or "%" in name:
        raise TargetError(f"no Kubernetes object can be named {_shown(name)}")
    return quote(name, safe="")


def _shown(name: str) -> str:
    return repr(name[:_SHOWN_CHARACTERS])


MODEL_ROLLOUTS = Resource("serinus.dev", "v1alpha1", "modelrollouts", "ModelRollout")
HTTP_ROUTES = Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute")
GRPC_ROUTES = Resource("gateway.networking.k8s.io", "v1", "grpcroutes", "GRPCRoute")
GATEWAY_CLASSES = Resource(
    "gateway.networking.k8s.io", "v1", "gatewayclasses", "GatewayClass", namespaced=False
)
INFERENCE_POOLS = Resource("inference.networking.k8s.io", "v1", "inferencepools", "InferencePool")
INFERENCE_SERVICES = Resource("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService")
LLM_INFERENCE_SERVICES = Resource(
    "serving.kserve.io", "v1alpha2", "llminferenceservices", "LLMInferenceService"
)
VIRTUAL_SERVICES = Resource("networking.istio.io", "v1", "virtualservices", "VirtualService")
DESTINATION_RULES = Resource("networking.istio.io", "v1", "destinationrules", "DestinationRule")
AI_GATEWAY_ROUTES = Resource("aigateway.envoyproxy.io", "v1beta1", "aigatewayroutes", "AIGatewayRoute")
AI_SERVICE_BACKENDS = Resource("aigateway.envoyproxy.io", "v1beta1", "aiservicebackends", "AIServiceBackend")
ENVOY_BACKENDS = Resource("gateway.envoyproxy.io", "v1alpha1", "backends", "Backend")
KNATIVE_SERVICES = Resource("serving.knative.dev", "v1", "services", "Service")
REVISIONS = Resource("serving.knative.dev", "v1", "revisions", "Revision")
FORMER_MODEL_REWRITES = Resource(
    "inference.networking.x-k8s.io", "v1alpha2", "inferencemodelrewrites", "InferenceModelRewrite"
)
MODEL_REWRITES = Resource(
    "llm-d.ai",
    "v1alpha2",
    "inferencemodelrewrites",
    "InferenceModelRewrite",
    formerly=FORMER_MODEL_REWRITES,
)
"""**Source**: llm-d-router 0.9, config/crd; before it was of the Gateway API Inference Extension."""
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SERVICES = Resource("", "v1", "services", "Service")
PODS = Resource("", "v1", "pods", "Pod")
PERSISTENT_VOLUME_CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
LEADER_WORKER_SETS = Resource("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
HORIZONTAL_POD_AUTOSCALERS = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"
)
POD_DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
LOCAL_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview"
)
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
