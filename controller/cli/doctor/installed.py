"""Whether the cluster knows ModelRollouts as this Serinus writes them. Pure.

**Source**: apiextensions.k8s.io/v1, CustomResourceDefinition.
"""

from collections.abc import Iterator

from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj, Resource
from controller.adapters.kube.untrusted import mapping, sequence
from controller.cli.doctor.findings import Finding, failed, ok, some

CRDS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
_NAME = str(MODEL_ROLLOUTS)
_FIX = "python -m controller.adapters.kube.crd | kubectl apply -f -"
_NOT_COMPARED = frozenset({"description", "x-kubernetes-validations"})
"""Words for people, and rules that servers before 1.25 drop."""


def definition(found: Obj | None, wanted: Obj) -> Finding:
    """The CRD as the cluster has it, against the one of this version."""
    if found is None:
        return failed("crd", _NAME, "it is not installed", _FIX)
    conditions = map(mapping, sequence(mapping(found.get("status")).get("conditions")))
    if not any((each.get("type"), each.get("status")) == ("Established", "True") for each in conditions):
        return failed("crd", _NAME, "the API server does not serve it yet", f"kubectl describe crd {_NAME}")
    served = {each.get("name"): each for each in _versions(found) if each.get("served") is True}
    for version in _versions(wanted):
        name = version.get("name")
        if name not in served:
            return failed("crd", _NAME, f"{name} is not served", _FIX)
        if lacking := sorted(set(_lacking(served[name].get("schema"), version.get("schema"), ""))):
            return failed("crd", _NAME, f"it is of another version of Serinus: {some(lacking, 3)}", _FIX)
    return ok("crd", _NAME, "installed and current")


def _versions(crd: Obj) -> list[Obj]:
    return [mapping(each) for each in sequence(mapping(crd.get("spec")).get("versions"))]


def _lacking(found: object, wanted: object, path: str) -> Iterator[str]:
    """Where the cluster's schema does not say what ours says; what it says besides is the server's own."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            if key in _NOT_COMPARED and not isinstance(value, dict):
                continue
            place = path if key in ("openAPIV3Schema", "properties", "items") else f"{path}.{key}".strip(".")
            if key not in found:
                yield place
            else:
                yield from _lacking(found[key], value, place)
    elif found != wanted:
        yield path
