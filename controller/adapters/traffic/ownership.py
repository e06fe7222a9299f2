"""Who else writes a route: a controller that generates it, or one that shifts its weights. Pure.

Whatever Serinus wrote there would be undone. So such a route is refused, with the object to point at.

**Source**: Kubernetes, OwnerReference and ObjectMeta.managedFields. What generators leave on a route that has
no owner: Envoy AI Gateway 1.x, internal/controller/ai_gateway_route.go; KServe 0.20, constants; KubeRay 1.5,
utils/constant.go; Knative networking, pkg/apis/networking/register.go; Kiali 2.x, the wizard's label. Flagger
and Argo Rollouts leave their names as field managers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.traffic.gateway_status import bounded, writers

_ROUTES = {
    "InferenceService": "inferenceService",
    "AIGatewayRoute": "aiGatewayRoute",
    "KnativeService": "knativeService",
}
"""Kinds of route of a policy, by the owners that they steer."""
_ADVICE = {
    "LLMInferenceService": "write route: {llmInferenceService: GROUP}, with its spec.router.route.group",
    "RayService": "KubeRay moves its traffic by itself; put an HTTPRoute of your own before two RayServices",
    "Canary": "end Flagger's hold on it: delete the Canary, and write the policy with serinus convert",
    "Rollout": "take trafficRouting out of the Rollout of Argo, then apply the route yourself",
    "Kiali": "delete what its wizard made, or the label kiali_wizard if it is yours now",
}
_GENERATED = "gateway.envoyproxy.io/ai-gateway-generated"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the route is, for people: ``InferenceService chat``; and what to do instead of steering it."""

    shown: str
    advice: str


def owner_of(route: Obj, field: str) -> Owner | None:
    """The one who would undo a change of ``field`` of the spec; None if it is nobody's."""
    return next(_owners(route, field), None)


def _owners(route: Obj, field: str) -> Iterator[Owner]:
    metadata = mapping(route.get("metadata"))
    for reference in map(mapping, sequence(metadata.get("ownerReferences"))):
        if reference.get("controller") is True:
            yield _named(_kind(reference), text(reference.get("name")), metadata)
    labels, annotations = mapping(metadata.get("labels")), mapping(metadata.get("annotations"))
    for kind, find in _SIGNS:
        name = find(labels, annotations, text(metadata.get("name")))
        if name:
            yield _named(kind, name, metadata)
    if "kiali_wizard" in labels:
        yield Owner("Kiali's wizard", _ADVICE["Kiali"])
    managers = {writer.manager for writer in writers(route, field)}
    if "flagger" in managers:
        yield Owner("Flagger", _ADVICE["Canary"])
    if "rollouts-controller" in managers:
        yield Owner("Argo Rollouts", _ADVICE["Rollout"])


def _kind(reference: Obj) -> str:
    """The kind, and for Knative's Service a name of its own: the core API has a Service too."""
    kind = text(reference.get("kind"))
    knative = text(reference.get("apiVersion")).startswith("serving.knative.dev/")
    return "KnativeService" if knative and kind == "Service" else kind


def _named(kind: str, name: str, metadata: Obj) -> Owner:
    if kind in ("Ingress", "Route") and (service := _knative(mapping(metadata.get("labels")))):
        kind, name = "KnativeService", service
    shown = bounded(f"{kind} {name}")
    if kind in _ROUTES:
        return Owner(shown, bounded(f"write route: {{{_ROUTES[kind]}: {name}}} in the policy"))
    usual = f"write a route of your own beside it, or steer the {bounded(kind)} itself"
    return Owner(shown, _ADVICE.get(kind, usual))


def _knative(labels: Obj) -> str:
    return text(labels.get("serving.knative.dev/service")) or text(labels.get("serving.knative.dev/route"))


def _llm(labels: Obj, _annotations: Obj, _name: str) -> str:
    part = labels.get("app.kubernetes.io/part-of")
    return text(labels.get("app.kubernetes.io/name")) if part == "llminferenceservice" else ""


def _ray(labels: Obj, _annotations: Obj, _name: str) -> str:
    made = labels.get("ray.io/originated-from-crd") == "RayService"
    return text(labels.get("ray.io/originated-from-cr-name")) if made else ""


_SIGNS: tuple[tuple[str, Callable[[Obj, Obj, str], str]], ...] = (
    ("LLMInferenceService", _llm),
    ("InferenceService", lambda labels, _, __: text(labels.get("serving.kserve.io/inferenceservice"))),
    ("AIGatewayRoute", lambda _, notes, name: name if notes.get(_GENERATED) == "true" else ""),
    ("RayService", _ray),
)
"""What generators leave on their routes, and how it tells the owner's name; the first to tell one counts."""
