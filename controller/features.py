"""What an operator can let Serinus do in a cluster; settings and adapters import it."""

from enum import StrEnum


class Feature(StrEnum):
    """Each brings permissions of its own; CORE is always on."""

    CORE = "core"
    """Watch workloads that are there, shift the traffic of HTTPRoutes."""
    WORKLOADS = "workloads"
    """Create, scale and retire workloads."""
    CAPACITY = "capacity"
    """Look at the nodes, to say what there is too little of."""
    INFERENCE_POOLS = "inferencePools"
    GRPC_ROUTES = "grpcRoutes"
    ISTIO = "istio"
    """Shift the traffic of VirtualServices, and look at what their subsets are."""
    AI_GATEWAY = "aiGateway"
    """Shift the traffic of Envoy AI Gateway's AIGatewayRoutes, and look at their backends."""
    KNATIVE = "knative"
    """Shift the traffic of Knative Services, and look at their revisions."""
    GATEWAY_CLASSES = "gatewayClasses"
    """Ask what gateways say that they support, to know before whether requests can be copied."""
    INFERENCE_MODEL_REWRITES = "inferenceModelRewrites"
    """Roll out LoRA adapters of an InferencePool, whose pods are asked what they have loaded."""
    DISCOVERY = "discovery"
    """Begin a release when a new labelled version appears, where the policy says so."""
    STATEFUL_SETS = "statefulSets"
    LEADER_WORKER_SETS = "leaderWorkerSets"
    SLACK_CALLBACKS = "slackCallbacks"
    """Ask whether the person who pressed a button in Slack may steer."""
    API = "api"
    """Ask who bears a token and what they may, and make the ModelRollouts that they deploy."""
