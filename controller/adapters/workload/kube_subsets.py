"""What a subset of a Service is: the labels that a DestinationRule of Istio gives it. Pure.

**Source**: networking.istio.io/v1 DestinationRule and Destination: a host without a dot is a Service of the
object's own namespace; cluster-local names are NAME.NAMESPACE.svc and more. Only rules of the route's own
namespace are looked at, the first place where Istio looks.
"""

from collections.abc import Iterable

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.domain.release import Backend


def host_of(host: str, home: str) -> tuple[str, str] | None:
    """The name and namespace of the Service that a host is; None if it is something else."""
    name, *rest = host.split(".")
    if not rest:
        return (name, home) if name else None
    return (name, rest[0]) if len(rest) > 1 and rest[1] == "svc" else None


def labels_of_subset(rules: Iterable[Obj], namespace: str, backend: Backend) -> Obj | None:
    """The labels of the pods of the backend's subset; None if no rule defines it."""
    for rule in rules:
        spec = mapping(rule.get("spec"))
        if host_of(text(spec.get("host")), namespace) != (backend.name, namespace):
            continue
        for subset in map(mapping, sequence(spec.get("subsets"))):
            if subset.get("name") == backend.subset:
                return mapping(subset.get("labels"))
    return None
