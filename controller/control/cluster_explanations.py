"""What the reasons mean that only a cluster gives; see `explanations`."""

from collections.abc import Mapping
from types import MappingProxyType

from controller.control.explanation import DEPLOY_BETTER, Explanation
from controller.domain.vocabulary import Reason

IN_A_CLUSTER: Mapping[Reason, Explanation] = MappingProxyType(
    {
        Reason.WAITING_FOR_POLICY: Explanation(
            "no valid policy rules the model in this namespace, so nothing has begun",
            "add or mend the model's policy file; the rollout then begins by itself",
        ),
        Reason.SPEC_INVALID: Explanation(
            "the ModelRollout cannot be followed as it is written",
            "correct it under another name: kubectl explain modelrollout.spec",
        ),
        Reason.WAITING_FOR_COPIES: Explanation(
            "everything else is met, but the canary's ready copies are too few for the next weight",
            "wait while they start; if it lasts, look for room in the cluster: serinus why {model}",
        ),
        Reason.NOTHING_TO_CLONE: Explanation(
            "the release names an image, and no version serves whose workload could be cloned for it",
            "create the first workload and its Service yourself, and name them as the backend",
        ),
        Reason.WEIGHT_SUM_TOO_SMALL: Explanation(
            "the rule has other backends too, and its weights are too coarse for a step of the policy",
            "multiply all weights of the rule as the message says, then: serinus retry {model}",
        ),
        Reason.ROUTE_OWNED: Explanation(
            "another controller generates the route, and would undo every change of its weights",
            "name the object that owns it in the policy instead",
        ),
        Reason.ROUTE_NOT_FOUND: Explanation(
            "the route that the policy names does not exist in the model's namespace",
            "create it, or correct the name in the policy",
        ),
        Reason.ROUTE_AMBIGUOUS: Explanation(
            "the route does not tell which rule, or which backend of it, is the model's",
            "name them in the policy, as rule and stable of its route: serinus explain route",
        ),
        Reason.WAITING_FOR_ROUTE: Explanation(
            "the route is there, and its gateway has not accepted it", "look at the route's status"
        ),
        Reason.PERMISSION_LOST: Explanation(
            "the API server forbids what Serinus must read or write there; the weight stays as it is",
            "give the service account its role back: serinus doctor; then: serinus resume {model}",
        ),
        Reason.WORKLOAD_REFUSED: Explanation(
            "the canary's copies cannot be made, or must not be",
            "read the message; deploy the workload yourself and name its backend",
        ),
        Reason.BACKEND_NOT_FOUND: Explanation(
            "the backend that the release names, or its labels ask for, does not exist",
            "create it, or correct its name; the rollout waits for it until its ready deadline",
        ),
        Reason.ADAPTER_MISSING: Explanation(
            "a pod of the pool has not loaded the canary's LoRA adapter: its requests fail there",
            "load it on the pods that the message names, POST /v1/load_lora_adapter, and on new pods before "
            "they are ready; after a rollback: serinus retry {model}",
        ),
        Reason.IMAGE_PULL_FAILED: Explanation(
            "the canary's image cannot be pulled", "check its name, its tag and the pull secret"
        ),
        Reason.CRASH_LOOPING: Explanation(
            "the canary's container ends again and again", f"read its logs; {DEPLOY_BETTER}"
        ),
        Reason.UNSCHEDULABLE: Explanation(
            "no node takes the canary's copies",
            "read the scheduler's word in the message; make room for them",
        ),
        Reason.DRAINED: Explanation(
            "the version that lost its traffic was counted to have no request left, before its copies went",
            "nothing to do",
        ),
        Reason.DRAIN_TIMED_OUT: Explanation(
            "the copies of the version that lost its traffic went after the full drain time: its requests "
            "still ran, or nobody counted them",
            "where requests last longer, raise the policy's workload.drain; where nobody counts them, have "
            "the engine's metrics scraped with the labels model and model_version",
        ),
        Reason.INSUFFICIENT_CAPACITY: Explanation(
            "the cluster has too little of what the canary's copies need",
            "make room, or ask for less in the workload, then: serinus retry {model}",
        ),
    }
)
