"""The copies of a revision of a Knative Service, which Knative alone makes, scales and takes away. Pure.

**Source**: serving.knative.dev/v1 Revision, condition Ready; Knative networking, the private Service of each
revision: its EndpointSlices bear its labels, and its pods' proxy answers on the port http or http2. A
revision without requests may have no copy; one that is in no Service's traffic, not even with 0 % and a tag,
has none whatever its least number is.
"""

from collections.abc import Sequence
from dataclasses import replace

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import text
from controller.adapters.workload.kube_endpoints import Endpoints, ServicePort, condition, of_slices
from controller.adapters.workload.kube_labels import labels_of, name_of
from controller.adapters.workload.kube_problem import Problem
from controller.domain.vocabulary import Reason

_REVISION, _KIND = "serving.knative.dev/revision", "networking.internal.knative.dev/serviceType"
_PORTS = ("http", "http2")
_ANY_PORT = 80
ASLEEP = (
    "no copy runs: give it autoscaling.knative.dev/min-scale of 1 or more, "
    "and an entry of 0 percent with a tag in the Service's traffic"
)
"""What is said of a canary that has to be warm before it gets requests."""


def of_revision(revision: Obj, slices: Sequence[Obj]) -> Endpoints | Problem:
    """The endpoints of a revision that can serve; ``slices`` are all of its namespace."""
    name, ready = name_of(revision), condition(revision, "Ready")
    if ready.get("status") != "True":
        said = text(ready.get("message")) or text(ready.get("reason")) or "Knative says nothing of it yet"
        return Problem(Reason.WORKLOAD_REFUSED if ready.get("status") == "False" else None, f"{name}: {said}")
    ours = [each for each in slices if _is_of(labels_of(each), name)]
    found = (of_slices(ours, {}, ServicePort(_ANY_PORT, port)) for port in _PORTS)
    endpoints = next((each for each in found if each.known), Endpoints())
    return replace(endpoints, asleep=not endpoints.known)


def _is_of(labels: Obj, name: str) -> bool:
    return labels.get(_REVISION) == name and labels.get(_KIND) == "Private"
