"""Finds a version's backend by its labels, where a release names none. Pure."""

from collections.abc import Iterable

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence
from controller.adapters.workload.kube_labels import MODEL, VERSION, model_of, name_of
from controller.adapters.workload.kube_problem import Problem
from controller.domain.release import Backend, BackendKind
from controller.domain.vocabulary import Reason

_MOST_NAMED = 5


def find_backend(
    services: Iterable[Obj], pools: Iterable[Obj], model: str, version: str
) -> Backend | Problem:
    """The one Service or InferencePool with the labels of the version, all of one namespace.

    A Service of a single port lends it to the backend; elsewhere the port stays open, and stable's is taken.
    """
    ours = [each for each in services if model_of(each) == (model, version)]
    found = [Backend(BackendKind.SERVICE, name_of(each), _only_port(each)) for each in ours]
    ours = [each for each in pools if model_of(each) == (model, version)]
    found += [Backend(BackendKind.INFERENCE_POOL, name_of(each)) for each in ours]
    labelled = f"the labels {MODEL}={model} and {VERSION}={version}"
    if not found:
        message = f"no Service or InferencePool has {labelled}: set them, or name one in spec.backend.name"
        return Problem(Reason.BACKEND_NOT_FOUND, message)
    if len(found) > 1:
        named = sorted(f"{each.kind} {each.name}" for each in found)
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        message = f"{', '.join(named[:_MOST_NAMED])}{more} have {labelled}: name one in spec.backend.name"
        return Problem(Reason.BACKEND_NOT_FOUND, message)
    return found[0]


def _only_port(service: Obj) -> int | None:
    ports = sequence(mapping(service.get("spec")).get("ports"))
    return number(mapping(ports[0]).get("port")) or None if len(ports) == 1 else None
