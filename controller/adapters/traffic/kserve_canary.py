"""The canaries of an InferenceService in Standard mode: how one looks, comes, and is promoted. Pure.

**Source**: kserve#5672: a canary's predictor has a name, and as many copies as it says, at most the stable's.
"""

import hashlib
import re

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping
from controller.adapters.traffic.kserve_service import (
    PREDICTOR,
    URI,
    Entry,
    Service,
    files_of,
    labelled,
)
from controller.domain.release import Release, RoutedModel

PORT = 80
"""Of the Services that KServe makes for predictors."""
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_LONGEST, _DIGITS = 40, 8
_UNSAFE = re.compile(r"[^a-z0-9]+")
_NOT_COPIED = frozenset(
    {"maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType", "autoScaling", "canaryTrafficPercent"}
)
"""What a canary's predictor may not have: its copies are a fixed number."""
_TAKEN_OVER = ("name", "model", "labels")


def entry_name(version: str) -> str:
    """The name of a version's canary: the version, where that is a label, else like it and with a hash."""
    if _LABEL.fullmatch(version):
        return version
    digest = hashlib.sha256(version.encode()).hexdigest()[:_DIGITS]
    readable = _UNSAFE.sub("-", version.lower()).strip("-") or "v"
    return f"{readable[: _LONGEST - _DIGITS - 1].rstrip('-')}-{digest}"


def service_name(inference_service: str, predictor: str) -> str:
    """The Service, and the Deployment, of a predictor, which has a name only after a promotion."""
    return f"{inference_service}-{predictor}-predictor" if predictor else f"{inference_service}-predictor"


def entry_of(service: Service, release: Release | None) -> Entry | None:
    """The canary with the files of the release."""
    files = files_of(release)
    return next((each for each in service.entries if files and each.uri == files), None)


def new_entry(service: Service, routed: RoutedModel, release: Release, percent: int, least: int) -> Obj:
    """A canary like the predictor, with the files of the release and a fixed number of copies."""
    kept = {name: value for name, value in service.predictor.items() if name not in _NOT_COPIED}
    predictor = {
        **kept,
        "name": entry_name(release.version),
        "model": {**mapping(service.predictor.get("model")), "storageUri": files_of(release)},
        "labels": labelled(service.predictor, routed, release),
        "minReplicas": least,
    }
    return {"trafficPercent": percent, "predictor": predictor}


def added(service: Service, entry: Obj) -> list[Obj]:
    """The operations that put one more canary at the end."""
    tests: list[Obj] = [{"op": "test", "path": URI, "value": service.uri}]
    if not service.entries:
        return [*tests, {"op": "add", "path": "/spec/canary", "value": [entry]}]
    return [*tests, {"op": "add", "path": "/spec/canary/-", "value": entry}]


def copies(entry: Entry, least: int) -> list[Obj]:
    """The operations that give a canary at least so many copies."""
    if entry.least >= least:
        return []
    return [same(entry), {"op": "add", "path": f"{path_of(entry)}/minReplicas", "value": least}]


def removed(service: Service, entry: Entry) -> list[Obj]:
    """The operations that take a canary away."""
    if len(service.entries) == 1:
        return [same(entry), {"op": "remove", "path": "/spec/canary"}]
    return [same(entry), {"op": "remove", "path": f"/spec/canary/{entry.index}"}]


def promoted(service: Service, entry: Entry) -> list[Obj]:
    """The predictor takes the canary's model and name, so that KServe keeps the canary's pods."""
    taken = mapping(entry.body.get("predictor"))
    writes = [
        {"op": "add", "path": f"{PREDICTOR}/{name}", "value": taken[name]}
        for name in _TAKEN_OVER
        if name in taken
    ]
    return [{"op": "test", "path": URI, "value": service.uri}, *removed(service, entry), *writes]


def weighed(entry: Entry, percent: int) -> list[Obj]:
    """A canary's percentage."""
    if entry.percent == percent:
        return []
    return [
        same(entry),
        {"op": "add", "path": f"/spec/canary/{entry.index}/trafficPercent", "value": percent},
    ]


def same(entry: Entry) -> Obj:
    """The test that it is still the one that was read."""
    return {"op": "test", "path": f"{path_of(entry)}/name", "value": entry.name}


def path_of(entry: Entry) -> str:
    """Of its predictor."""
    return f"/spec/canary/{entry.index}/predictor"
