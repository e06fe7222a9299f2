"""A Flagger Canary as a policy.

**Source**: Flagger, API flagger.app/v1beta1 (Canary, MetricTemplate) and its documentation of how analysis,
metrics and webhooks work; reference/peers.md.
"""

from collections.abc import Sequence
from datetime import timedelta

from controller.convert.draft import (
    AUDIENCE,
    PACK,
    Draft,
    DraftStep,
    begin,
    each_entry,
    each_listed,
    each_unknown,
)
from controller.convert.flagger_hooks import Hooks
from controller.convert.flagger_metrics import FlaggerMetrics
from controller.convert.manifests import Manifest
from controller.convert.notes import Notes, refusal
from controller.convert.place import Place
from controller.convert.units import go_duration, kebab, writable
from controller.policy.quantities import show_duration, shown
from controller.policy.route_sections import is_object_name

_INTERVAL, _SHORTEST = timedelta(minutes=1), timedelta(seconds=10)
"""Flagger's own, for an interval that is missing or no duration, and for one that is shorter."""
_WHOLE = 100
_MOST_WEIGHTS = 1000
_MOST_DESTINATIONS = 20
_ROUTE = "write it into the HTTPRoute, which is yours"
_SPEC = {
    "autoscalerRef": ("Serinus scales no autoscaler", "have one for each version's Deployment"),
    "ingressRef": ("Serinus splits no Ingress", "write an HTTPRoute and name it in route"),
    "routeRef": ("Serinus splits no such route", "write an HTTPRoute and name it in route"),
    "upstreamRef": (
        "Serinus splits HTTPRoutes and GRPCRoutes only",
        "write an HTTPRoute and name it in route",
    ),
    "metricsServer": ("the daemon asks one Prometheus", "name it in the daemon's settings"),
    "revertOnDeletion": ("Serinus takes nothing over that it could give back", ""),
    "suspend": ("a policy is never asleep", "serinus pause MODEL, while a rollout is under way"),
    "skipAnalysis": ("no version is promoted unseen", "serinus promote MODEL, when you have seen enough"),
}
_ANALYSIS = {
    "iterations": ("a number of checks at one weight", "give the step a time: for"),
    "match": ("who gets the canary by a header is not converted", AUDIENCE),
    "sessionAffinity": ("no user is kept on a version", "your gateway may: sessionPersistence"),
    "primaryReadyThreshold": ("all copies have to be ready", ""),
    "canaryReadyThreshold": ("all copies have to be ready", ""),
    "stepWeightPromotion": ("the promotion is one change of weight", "have a high last step"),
}
_OF_SERVICES = frozenset({"name", "port", "portName", "targetPort", "portDiscovery", "appProtocol"})
_ELSEWHERE = frozenset(
    {"targetRef", "service", "analysis", "canaryAnalysis", "progressDeadlineSeconds", "provider"}
)
_HERE = frozenset(
    {
        *("interval", "threshold", "maxWeight", "stepWeight", "stepWeights"),
        *("metrics", "webhooks", "alerts", "mirror", "mirrorWeight"),
    }
)


def from_canary(
    manifest: Manifest, objects: Sequence[Manifest], namespace: str | None, label: str | None, notes: Notes
) -> Draft:
    """The draft of a Canary. ``objects`` are those of its files. Raises `Refused`."""
    spec = manifest.place.at("spec")
    analysis = spec.at("analysis") if spec.at("analysis").there else spec.at("canaryAnalysis")
    draft = begin(manifest, namespace, notes)
    each_listed(spec, _SPEC, notes)
    each_unknown(spec, _SPEC.keys() | _ELSEWHERE, notes)
    _route(draft, spec, notes)
    _readiness(draft, spec, notes)
    interval = _interval(analysis, notes)
    draft.sections["interval"] = show_duration(interval)
    weights = [DraftStep(weight * 10, interval) for weight in _weights(analysis, notes)]
    draft.steps = [*_shadow(analysis, interval, notes), *weights]
    FlaggerMetrics(manifest, objects, label, notes).add_to(draft, analysis)
    Hooks(draft, notes).add(analysis.at("webhooks"))
    _alerts(draft, analysis, notes)
    each_listed(analysis, _ANALYSIS, notes)
    each_unknown(analysis, _ANALYSIS.keys() | _HERE, notes)
    return draft


def _route(draft: Draft, spec: Place, notes: Notes) -> None:
    service, provider, target = spec.at("service"), spec.at("provider"), spec.at("targetRef")
    name = service.at("name").text() or target.at("name").text()
    if not is_object_name(name):
        place = service.at("name") if service.at("name").there else target.at("name")
        raise refusal(place, f"{shown(name or None)} is not a name in a cluster", "name the Deployment")
    draft.sections |= {"route": {"httpRoute": name}, "metrics": PACK}
    if provider.text().startswith("gatewayapi") or service.at("gatewayRefs").given:
        message = f"Flagger wrote the HTTPRoute {shown(name)}, and takes it along when the Canary is deleted"
        notes.changed(service, message, "keep it, with one rule for the model, as a file of your own")
    else:
        by = f": Serinus does not steer {shown(provider.text())}" if provider.text() else ""
        message = f"the route is taken to be an HTTPRoute called {shown(name)}{by}"
        place = provider if provider.there else service
        notes.assumed(place, message, "write it, or name yours in route", ("route",))
    message = f"errors and latencies are read as the pack {PACK} says"
    notes.assumed(service, message, "name your gateway's pack, see serinus explain metrics", ("metrics",))
    rest = [key for key in service.names() if key not in _OF_SERVICES and service.at(key).given]
    if rest:
        message = f"{', '.join(shown(key) for key in rest)}: Serinus writes no route, it changes weights"
        notes.lost(service.at(rest[0]), message, _ROUTE)


def _readiness(draft: Draft, spec: Place, notes: Notes) -> None:
    target, deadline = spec.at("targetRef"), spec.at("progressDeadlineSeconds")
    kind = target.at("kind").text() or "Deployment"
    message = f"a change of {shown(kind)} {shown(target.at('name').text())} begins no rollout"
    advice = f"serinus deploy {draft.model} VERSION --image IMAGE, or workload: {{discover: true}}"
    notes.changed(target, message, advice)
    seconds = deadline.whole()
    if seconds is not None and writable(time := timedelta(seconds=max(seconds, 0))):
        draft.sections["ready_deadline"] = show_duration(time)
    elif deadline.there:
        notes.lost(deadline, f"{deadline.quoted} is no number of seconds", "write ready_deadline")


def _interval(analysis: Place, notes: Notes) -> timedelta:
    place = analysis.at("interval")
    interval = go_duration(place.text())
    if interval is not None and interval <= timedelta(days=1):
        if interval >= _SHORTEST:
            return interval
        notes.changed(place, "it is shorter than 10s: Flagger takes 10s", at=("interval",))
        return _SHORTEST
    what = f"{place.quoted} is no duration of a day at most" if place.there else "there is none"
    notes.assumed(place, f"{what}: 1m, as Flagger takes it", at=("interval",))
    return _INTERVAL


def _shadow(analysis: Place, interval: timedelta, notes: Notes) -> list[DraftStep]:
    """One interval of copies before the first weight, as Flagger has it."""
    mirror, share = analysis.at("mirror"), analysis.at("mirrorWeight")
    if not mirror.truth():
        if share.given:
            notes.lost(share, "no requests are copied without mirror: true", "write a step - shadow: 10%")
        return []
    percent = share.whole() if share.there else _WHOLE
    if percent is None or not 0 < percent <= _WHOLE:
        notes.lost(share, f"{share.quoted} is no share of 1 to 100", "100 is taken")
        percent = _WHOLE
    message = "requests are copied to the canary first, where the gateway can: each of them runs twice"
    notes.changed(mirror, message, at=("steps", 0))
    return [DraftStep(percent * 10, interval, shadow=True)]


def _weights(analysis: Place, notes: Notes) -> list[int]:
    """Whole percents, rising, below 100. Raises `Refused` when there are none."""
    listed, step = analysis.at("stepWeights"), analysis.at("stepWeight")
    if listed.given:
        found = _listed(listed, notes)
    elif (size := step.whole()) is not None and 0 < size <= _WHOLE:
        found = _stepped(size, analysis.at("maxWeight"), step, notes)
    else:
        place = next((place for place in (step, analysis.at("iterations")) if place.there), analysis)
        raise refusal(
            place,
            "it shifts no weights: an A/B test and blue/green are no canary rollout",
            "give it stepWeight, or write a policy with steps: auto",
        )
    if not found:
        raise refusal(listed if listed.given else step, "it has no weight below 100", "write a lower one")
    message = "each weight also waits for 100 requests of the canary"
    notes.assumed(listed if listed.given else step, message, "min_requests says how many", ("steps",))
    return found


def _listed(place: Place, notes: Notes) -> list[int]:
    weights: list[int] = []
    for item in place.items()[:_MOST_WEIGHTS]:
        weight = item.whole()
        if weight is None or not 0 < weight <= _WHOLE:
            notes.lost(item, f"{item.quoted} is no weight of 1 to 100", "write it into steps")
        elif weight == _WHOLE:
            _full(item, notes)
        elif weights and weight <= weights[-1]:
            notes.lost(item, f"{weight} is not above {weights[-1]}: weights only rise", "")
        else:
            weights.append(weight)
    return weights


def _stepped(size: int, highest: Place, step: Place, notes: Notes) -> list[int]:
    most = highest.whole()
    if most is None or not 0 < most <= _WHOLE:
        if highest.there:
            notes.lost(highest, f"{highest.quoted} is no weight of 1 to 100", "100 is taken")
        most = _WHOLE
    weights = [size]
    while weights[-1] < most:
        weights.append(weights[-1] + size)
    if weights[-1] >= _WHOLE:
        _full(step, notes)
    elif weights[-1] > most:
        message = f"the last weight is {weights[-1]}%, above maxWeight, as it is with Flagger"
        notes.changed(highest, message, at=("steps",))
    return [weight for weight in weights if weight < _WHOLE]


def _full(place: Place, notes: Notes) -> None:
    message = "a weight of 100% is the promotion, which follows the last step"
    notes.changed(place, message, "bake says how long the old version is kept ready after it")


def _alerts(draft: Draft, analysis: Place, notes: Notes) -> None:
    names: list[str] = []
    for alert in each_entry(analysis.at("alerts"), notes):
        provider = alert.at("providerRef", "name")
        name = kebab(provider.text() or alert.at("name").text())
        if not name or (name not in names and len(names) == _MOST_DESTINATIONS):
            notes.lost(alert, "it is one destination too many, or has no name", "write it into notify")
            continue
        message = f"the destination {name} is the daemon's to know"
        notes.changed(alert, message, f"write [destinations.{name}] into its settings, severity included")
        if name not in names:
            names.append(name)
    if names:
        draft.sections["notify"] = names
