"""Whether an InferenceModelRewrite is in force: what its status says, and whether another one wins. Pure.

llm-d's endpoint picker reads rewrites and writes no status: the condition stays as the definition's default
has it, or is absent, and whether the split is honoured shows in what is measured. A condition that somebody
did write counts.

**Source**: llm-d-router 0.9, apix/v1alpha2 (the condition Accepted and its default), pkg/epp/controller (a
reconciler that only reads; a rewrite of another pool, by name and group, is not taken) and pkg/epp/datastore
(of two rewrites for a model the older wins; of two of the same second, either).
"""

from controller.adapters.kube.resources import INFERENCE_POOLS, Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.gateway_rule import Trouble
from controller.adapters.traffic.gateway_status import Verdict
from controller.adapters.traffic.rewrite_rule import requested, rules_for
from controller.adapters.workload.kube_endpoints import condition
from controller.adapters.workload.kube_labels import name_of
from controller.adapters.workload.kube_pools import pool_ref
from controller.adapters.workload.kube_problem import quoted
from controller.domain.release import RoutedModel
from controller.domain.vocabulary import Reason


def acceptance(rewrite: Obj) -> Verdict:
    """What the condition Accepted says of the present generation, where somebody writes it."""
    found = condition(rewrite, "Accepted")
    status, reason = text(found.get("status")), text(found.get("reason"))
    if not found or (status, reason) == ("Unknown", "Pending"):
        return Verdict(accepted=True)
    generation = number(mapping(rewrite.get("metadata")).get("generation"))
    if "observedGeneration" in found and number(found["observedGeneration"]) < generation:
        return Verdict(accepted=False, message="its controller has not looked at the rewrite as it is now")
    if status == "True":
        return Verdict(accepted=True)
    said = quoted(f"its controller says Accepted={status}, {reason}: {text(found.get('message'))}")
    return Verdict(accepted=False, refused=status == "False", message=said)


def of_no_pool(rewrite: Obj) -> Trouble | None:
    """Why no endpoint picker takes the rewrite at all, if so."""
    group, name = pool_ref(rewrite)
    if group == INFERENCE_POOLS.group and name:
        return None
    shown = f"{quoted(group)}/{quoted(name)}" if group else quoted(name) or "nothing"
    message = (
        f"its poolRef names {shown}, which no endpoint picker serves: "
        f"write group: {INFERENCE_POOLS.group} and the pool's name in spec.poolRef"
    )
    return Trouble(Reason.ROUTE_REJECTED, message, hopeless=True)


def rival(standing: Standing, routed: RoutedModel) -> Trouble | None:
    """Another rewrite of the pool for the same model, which wins over this one, or may.

    The rewrites of the namespace are the one companion of a rewrite.
    """
    rewrite, model = standing.route, requested(routed)
    ours = _created(rewrite)
    listed = mapping(next(iter(standing.companions), None)).get("items")
    fellows = map(mapping, sequence(listed))
    for fellow in sorted(fellows, key=_created):
        same_pool = pool_ref(fellow) == pool_ref(rewrite)
        if name_of(fellow) == name_of(rewrite) or not same_pool or _created(fellow) > ours:
            continue
        if rules_for(fellow, model):
            other = quoted(name_of(fellow))
            message = (
                f"the rewrite {other} is older and for the model {model} too, so it decides instead of "
                f"{routed.route.name}: delete it, or name it in the policy's route"
            )
            return Trouble(Reason.ROUTE_AMBIGUOUS, message, hopeless=True)
    return None


def _created(rewrite: Obj) -> str:
    """As the server writes instants, in UTC: they sort as texts."""
    return text(mapping(rewrite.get("metadata")).get("creationTimestamp"))
