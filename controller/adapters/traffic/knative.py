"""Knative's Service: whole percents for revisions in ``spec.traffic``, which add up to 100.

A release is a revision. What follows the latest revision moves by itself whenever somebody makes one, so
the revision that serves must be named. There is always one that serves: no first deployment. Nothing in an
entry can tell who wrote it; but an entry of 0 % without a tag does nothing, so it may go.

**Source**: serving.knative.dev/v1 RouteSpec, TrafficTarget and its validation; Service conditions;
annotation serving.knative.dev/rollout-duration.
"""

from collections import Counter
from collections.abc import Iterator

from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import KNATIVE_SERVICES, Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.gateway_api import VERBS
from controller.adapters.traffic.gateway_layout import GROUPS
from controller.adapters.traffic.gateway_rule import Trouble
from controller.adapters.traffic.gateway_status import Verdict, bounded
from controller.adapters.traffic.layout import Layout, Target, Wanted
from controller.adapters.traffic.weighted_routes import WeightedRoutes
from controller.domain.release import BackendKind, RoutedModel
from controller.domain.vocabulary import Reason
from controller.features import Feature

PERMISSIONS = (Permission(KNATIVE_SERVICES, VERBS, Feature.KNATIVE),)

_DURATION = "serving.knative.dev/rollout-duration"
_MOST_TARGETS = 1000
"""No limit of Knative's own is known."""


def _target(body: Obj, home: str) -> Target:
    name = text(body.get("revisionName"))
    if not name:
        return Target("", "the", home, "latest revision")
    return Target(GROUPS[BackendKind.REVISION], BackendKind.REVISION, home, name)


def _entry(wanted: Wanted) -> Obj:
    """New: a tag belongs to the revision that people gave it to."""
    return {"revisionName": wanted.backend.name}


def _promoted(body: Obj, stable: Obj) -> Obj:
    """In stable's place, with its tag if the canary's entry has none: the tag says what serves."""
    tag = stable.get("tag")
    return {"tag": tag, **body} if tag else body


LAYOUT = Layout(
    kind="Knative Service",
    rules="",
    refs="traffic",
    backends=frozenset({BackendKind.REVISION}),
    target=_target,
    entry=_entry,
    is_marked=lambda _: False,
    marked=lambda body, _: body,
    unmarked=lambda body: body,
    name_at="revisionName",
    weight="percent",
    weigh=lambda body, _: body.get("percent", 0),
    removable=lambda body: not body.get("tag"),
    promoted=_promoted,
    full_sum=100,
    most_weight=100,
    most_refs=_MOST_TARGETS,
)


def _accepted(standing: Standing) -> Verdict:
    """The status speaks of this generation, the routes are ready, and the traffic is what was asked for."""
    status = mapping(standing.route.get("status"))
    if number(status.get("observedGeneration")) < number(standing.route["metadata"].get("generation")):
        return Verdict(accepted=False, message="Knative has not looked at the Service as it is now")
    found = map(mapping, sequence(status.get("conditions")))
    ready = next((each for each in found if each.get("type") == "RoutesReady"), {})
    if ready.get("status") != "True":
        said = f"{text(ready.get('reason'))}: {text(ready.get('message'))}" if ready else "nothing yet"
        refused = ready.get("status") == "False"
        return Verdict(
            accepted=False, refused=refused, message=bounded(f"Knative says of RoutesReady {said}")
        )
    asked, given = _traffic(mapping(standing.route.get("spec"))), _traffic(status)
    if any(given[name] != percent for name, percent in asked.items() if name):
        return Verdict(accepted=False, message="Knative does not give the revisions these percents yet")
    return Verdict(accepted=True)


def _traffic(part: Obj) -> Counter[str]:
    """Percents by revision; by "" what follows the latest."""
    found: Counter[str] = Counter()
    for each in map(mapping, sequence(part.get("traffic"))):
        found[text(each.get("revisionName"))] += number(each.get("percent"))
    return found


def _obstacles(standing: Standing, routed: RoutedModel) -> Iterator[Trouble]:
    """What moves traffic by itself."""
    name = routed.route.name
    annotations = mapping(mapping(standing.route.get("metadata")).get("annotations"))
    duration = text(annotations.get(_DURATION))
    if duration.strip("0hms."):
        message = (
            f"Knative moves the traffic of {name} by itself, {_DURATION} is {bounded(duration)}: "
            f"kubectl annotate --overwrite services.serving.knative.dev {name} {_DURATION}=0s"
        )
        yield Trouble(Reason.ROUTE_OWNED, message, hopeless=True)
    asked = _traffic(mapping(standing.route.get("spec")))
    if asked[""] or not asked:
        served = next(iter(_traffic(mapping(standing.route.get("status")))), "") or "REVISION"
        message = (
            f"the traffic of {name} follows the latest revision, so a new one gets it at once: "
            f"name the one that serves, kn service update {name} --traffic {bounded(served)}=100"
        )
        yield Trouble(Reason.ROUTE_OWNED, message, hopeless=True)


def _gateways(_: Obj) -> tuple[str, ...]:
    """All Services of a cluster are behind the same ingress."""
    return ("knative",)


def _series(*_: object) -> tuple[tuple[str, str], ...]:
    """Knative's metrics tell versions by the revision's name, which is the backend's."""
    return ()


KNATIVE_SERVICE = WeightedRoutes(
    KNATIVE_SERVICES, Feature.KNATIVE, LAYOUT, _accepted, _series, _gateways, _obstacles
)
