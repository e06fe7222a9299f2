"""An Argo Rollout with the canary strategy as a policy.

**Source**: Argo Rollouts, API argoproj.io/v1alpha1 (Rollout, AnalysisTemplate), its specification and
that of the Gateway API plugin; reference/peers.md.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from controller.convert.argo_analysis import Analysis
from controller.convert.argo_steps import Steps
from controller.convert.draft import AUDIENCE, PACK, Draft, begin, each_listed, each_unknown
from controller.convert.manifests import Manifest
from controller.convert.notes import Notes, refusal
from controller.convert.place import Place
from controller.convert.units import writable
from controller.policy.quantities import show_duration, shown
from controller.policy.route_sections import is_object_name

_SPEC = {
    "minReadySeconds": ("a copy is ready when Kubernetes says so", "write it into the Deployment"),
    "revisionHistoryLimit": (
        "old versions are kept as workload says",
        "workload: {history: 3}",
    ),
    "rollbackWindow": ("every version takes all steps", ""),
    "paused": ("a policy is never paused", "approval: {before: [start]}"),
    "restartAt": ("Serinus restarts nothing", "kubectl rollout restart"),
    "analysis": ("what is kept of old rollouts is the daemon's to say", ""),
}
_CANARY = {
    "maxSurge": ("the Deployment of a version has its own", ""),
    "maxUnavailable": ("the Deployment of a version has its own", ""),
    "dynamicStableScale": ("stable keeps its copies until the bake is over", "workload: {scale: true}"),
    "scaleDownDelaySeconds": ("bake says how long the old version is kept ready: 10m", "write bake"),
    "scaleDownDelayRevisionLimit": ("old versions are kept as workload says", "workload: {history: 3}"),
    "minPodsPerReplicaSet": ("copies follow the weight, one at least", ""),
    "antiAffinity": ("the Deployment of a version has its own", ""),
    "canaryMetadata": ("pods bear no mark of the canary", "the model gets the header x-serinus-version"),
    "stableMetadata": ("pods bear no mark of stable", ""),
    "pingPong": ("each version has a Service of its own", ""),
    "replicaProgressThreshold": ("all copies that a weight needs have to be ready", ""),
}
_ELSEWHERE = frozenset(
    {
        "replicas",
        "selector",
        "template",
        "workloadRef",
        "strategy",
        "progressDeadlineSeconds",
        "progressDeadlineAbort",
    }
)
_HERE = frozenset(
    {"steps", "analysis", "trafficRouting", "canaryService", "stableService", "abortScaleDownDelaySeconds"}
)
_ROUTES = {
    "httpRoute": "httpRoute",
    "httpRoutes": "httpRoute",
    "grpcRoute": "grpcRoute",
    "grpcRoutes": "grpcRoute",
}
_NO_SPLITTER = frozenset({"plugins", "plugin", "maxTrafficWeight", "managedRoutes"})
_WHOLE = Decimal(100)


def from_rollout(
    manifest: Manifest, objects: Sequence[Manifest], namespace: str | None, label: str | None, notes: Notes
) -> Draft:
    """The draft of a Rollout. ``objects`` are those of its files. Raises `Refused`."""
    spec = manifest.place.at("spec")
    canary = _canary(spec)
    draft = begin(manifest, namespace, notes)
    each_listed(spec, _SPEC, notes)
    each_unknown(spec, _SPEC.keys() | _ELSEWHERE, notes)
    _workload(draft, spec, notes)
    _route(draft, canary, notes)
    _readiness(draft, spec, notes)
    _drain(draft, canary.at("abortScaleDownDelaySeconds"), notes)
    analysis = Analysis(draft, objects, label, notes)
    if canary.at("analysis").there:
        analysis.add(canary.at("analysis"))
    whole = canary.at("trafficRouting", "maxTrafficWeight").number()
    steps = Steps(whole if whole and whole > 0 else _WHOLE, analysis.add, notes)
    steps.read(canary.at("steps"))
    draft.steps = steps.steps
    if steps.before_promotion:
        draft.sections["approval"] = {"before": ["promotion"]}
    analysis.finish()
    each_listed(canary, _CANARY, notes)
    each_unknown(canary, _CANARY.keys() | _HERE, notes)
    return draft


def _canary(spec: Place) -> Place:
    canary, blue_green = spec.at("strategy", "canary"), spec.at("strategy", "blueGreen")
    if blue_green.there:
        raise refusal(
            blue_green,
            "blue/green moves all traffic at once, a policy moves it by weights",
            "write strategy.canary with steps, or a policy with steps: auto",
        )
    if not canary.there:
        place = spec.at("strategy") if spec.at("strategy").there else spec
        raise refusal(place, "it has no canary strategy", "write strategy.canary with steps")
    return canary


def _workload(draft: Draft, spec: Place, notes: Notes) -> None:
    keys = [key for key in ("workloadRef", "template", "selector", "replicas") if spec.at(key).there]
    message = "a change of its pods begins no rollout: each version has its own Deployment and Service"
    advice = f"serinus deploy {draft.model} VERSION --image IMAGE, or workload: {{discover: true}}"
    notes.changed(spec.at(keys[0]) if keys else spec, message, advice)


def _route(draft: Draft, canary: Place, notes: Notes) -> None:
    routing = canary.at("trafficRouting")
    plugins = [routing.at(key, name) for key in ("plugins", "plugin") for name in routing.at(key).names()]
    ours = next((place for place in plugins if "gatewayapi" in place.field.lower()), None)
    kind, place = _named(ours) if ours else ("httpRoute", None)
    name = place.text() if place else ""
    if routing.at("managedRoutes").given:
        message = "Serinus adds and removes the rules for testers itself"
        notes.lost(routing.at("managedRoutes"), message, AUDIENCE)
    if ours and is_object_name(name):
        _others(ours, place, draft, notes)
        for key in routing.names():
            if key not in _NO_SPLITTER and routing.at(key).there:
                notes.lost(routing.at(key), "a policy has one route", "put the model behind one")
    else:
        name = draft.model
        what = _splitters(routing) or "copies alone"
        message = f"the route is taken to be an HTTPRoute called {shown(name)}: Argo split by {what}"
        place = routing if routing.there else canary
        notes.assumed(place, message, "write it, or name yours in route", ("route",))
    stable = canary.at("stableService")
    address = {"name": name, "stable": stable.text()} if is_object_name(stable.text()) else name
    draft.sections |= {"route": {kind: address}, "metrics": PACK}
    message = f"errors and latencies are read as the pack {PACK} says"
    place = routing if routing.there else canary
    notes.assumed(place, message, "name your gateway's pack, see serinus explain metrics", ("metrics",))
    if canary.at("canaryService").given:
        message = "the canary's Service is not one that changes its pods: each version has its own"
        notes.changed(canary.at("canaryService"), message, "leave it out of the route")


def _named(plugin: Place) -> tuple[str, Place | None]:
    """The kind of route in a plugin's settings, and the place of its name."""
    for key, kind in _ROUTES.items():
        place = plugin.at(key)
        if place.given:
            return kind, place if not place.items() else place.at(0, "name")
    return "httpRoute", None


def _others(plugin: Place, used: Place | None, draft: Draft, notes: Notes) -> None:
    """Notes on what else the Gateway API plugin was told."""
    namespace = plugin.at("namespace")
    if namespace.given and namespace.text() != draft.namespace:
        message = f"the route lies in {shown(namespace.text())}; a policy's lies in its own namespace"
        notes.lost(namespace, message, "write namespace in the policy, or move the route")
    for key in plugin.names():
        place = plugin.at(key)
        if key in _ROUTES and used is not None:
            rest = [
                each
                for each in place.items() or [place]
                if each.location != used.location[: len(each.location)]
            ]
            for each in rest:
                notes.lost(each, "a policy has one route", "put the model behind one")
        elif key != "namespace" and place.given:
            notes.lost(place, "Serinus has no such setting of a route", "")


def _splitters(routing: Place) -> str:
    plugins = [name for key in ("plugins", "plugin") for name in routing.at(key).names()]
    own = [
        key
        for key in routing.names()
        if key not in ("plugins", "plugin", "maxTrafficWeight", "managedRoutes")
    ]
    return ", ".join(shown(name) for name in [*own, *plugins])


def _readiness(draft: Draft, spec: Place, notes: Notes) -> None:
    deadline, abort = spec.at("progressDeadlineSeconds"), spec.at("progressDeadlineAbort")
    seconds = deadline.whole()
    if seconds is not None and writable(time := timedelta(seconds=max(seconds, 0))):
        draft.sections["ready_deadline"] = show_duration(time)
        if not abort.truth():
            message = "after it the canary is not deployed; without progressDeadlineAbort Argo reports it"
            notes.changed(deadline, message, at=("ready_deadline",))
    elif deadline.there:
        notes.lost(deadline, f"{deadline.quoted} is no number of seconds", "write ready_deadline")


def _drain(draft: Draft, place: Place, notes: Notes) -> None:
    seconds = place.whole()
    if seconds is not None and writable(time := timedelta(seconds=max(seconds, 0))):
        draft.sections["workload"] = {"drain": show_duration(time)}
        notes.changed(place, "after a promotion the old version waits as long", at=("workload",))
    elif place.there:
        notes.lost(place, "a version without traffic does not keep its copies", "workload: {drain: 1h}")
