"""KServe and Knative as far as a rollout sees them: from objects to their status, and what is made of them.

What they do is taken from KServe's published code: which revision gets what (ksvc_reconciler.go), what the
status remembers (inference_service_status.go), the weights of the HTTPRoutes (kserve#5912, kserve#5984), and
the members of a routing group (router_group.go).
"""

import json
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

Obj = dict[str, Any]
NAMESPACE = "ml"
OLD, NEW = "gs://models/fraud/1", "gs://models/fraud/2"
SOURCE = "internal.serving.kserve.io/storage-initializer-sourceuri"
_ROUNDS = 8


def a_service(uri: str = OLD, *, mode: str = "Serverless", name: str = "fraud", **spec: Any) -> Obj:
    """An InferenceService as its owner wrote it."""
    model = {"modelFormat": {"name": "sklearn"}, "storageUri": uri, "resources": {"limits": {"cpu": "1"}}}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "annotations": {"serving.kserve.io/deploymentMode": mode, "team": "risk"},
        },
        "spec": {"predictor": {"minReplicas": 2, "model": model}, **spec},
    }


class Knative:
    """The revisions of one InferenceService. ``broken`` are the files that no pod can load."""

    def __init__(self) -> None:
        self.revisions: list[Obj] = []
        self.broken: set[str] = set()

    def look(self, service: Obj) -> Obj:
        """The status that follows from the object, once everybody has looked at it."""
        status = deepcopy(service.get("status") or {})
        for _ in range(_ROUNDS):
            status = self._round(service, status)
        return status

    def _round(self, service: Obj, status: Obj) -> Obj:
        predictor = service["spec"]["predictor"]
        self._revise(service)
        known = status.get("components", {}).get("predictor", {})
        created = self.revisions[-1]["metadata"]["name"]
        ready = [each["metadata"]["name"] for each in self.revisions if self._loads(each)]
        newest, rolled = ready[-1], known.get("latestRolledoutRevision", "")
        previous, percent = known.get("previousRolledoutRevision", ""), predictor.get("canaryTrafficPercent")
        traffic = [{"latestRevision": True, "percent": 100, "revisionName": newest}]
        if percent is not None and rolled:
            traffic[0]["percent"] = percent
            if percent < 100:
                rest = {"latestRevision": False, "percent": 100 - percent, "revisionName": rolled}
                traffic.append({**rest, "tag": "prev"})
        given = traffic[0]["percent"]
        if rolled != newest:
            if given == 100:
                previous, rolled = rolled, newest
        elif newest == created and isinstance(given, int) and given < 100 and previous:
            rolled = previous
        component = {
            "latestReadyRevision": newest,
            "latestCreatedRevision": created,
            "latestRolledoutRevision": rolled,
            "traffic": traffic,
        }
        if previous:
            component["previousRolledoutRevision"] = previous
        conditions = [a_condition("PredictorReady"), a_condition("Ready")]
        if created != newest:
            conditions.append(
                a_condition("LatestDeploymentReady", "False", "RevisionFailed", "no such model")
            )
        return {
            "deploymentMode": "Serverless",
            "components": {"predictor": component},
            "conditions": conditions,
        }

    def _revise(self, service: Obj) -> None:
        """A new revision for every difference of the pods, annotations of the object among them."""
        predictor, metadata = service["spec"]["predictor"], service["metadata"]
        pods = {
            "model": predictor["model"],
            "labels": {**metadata.get("labels", {}), **predictor.get("labels", {})},
            "annotations": {**metadata.get("annotations", {}), **predictor.get("annotations", {})},
        }
        template = json.dumps(pods, sort_keys=True)
        if self.revisions and self.revisions[-1]["spec"]["template"] == template:
            return
        name = f"{metadata['name']}-predictor-{len(self.revisions) + 1:05d}"
        annotations = {**pods["annotations"], SOURCE: predictor["model"]["storageUri"]}
        self.revisions.append(
            {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Revision",
                "metadata": {"name": name, "namespace": metadata["namespace"], "annotations": annotations},
                "spec": {"template": template},
            }
        )

    def files(self, revision: Obj) -> str:
        found: str = revision["metadata"]["annotations"][SOURCE]
        return found

    def _loads(self, revision: Obj) -> bool:
        return self.files(revision) not in self.broken


class Deployments:
    """An InferenceService in Standard mode. ``splits`` is whether this KServe writes weights at all."""

    def __init__(self, *, splits: bool = True) -> None:
        self.splits = splits
        self.broken: set[str] = set()

    def look(self, service: Obj) -> tuple[Obj, list[Obj]]:
        """The status, and the HTTPRoutes."""
        name, spec = service["metadata"]["name"], service["spec"]
        main = self._name(name, spec["predictor"])
        statuses = [
            {
                "name": each["predictor"]["name"],
                "ready": each["predictor"]["model"]["storageUri"] not in self.broken,
                "trafficPercent": each.get("trafficPercent", 0),
            }
            for each in spec.get("canary", [])
        ]
        ready = {each["name"]: each["trafficPercent"] for each in statuses if each["ready"]}
        weights = {f"{name}-{canary}-predictor": share for canary, share in ready.items()}
        refs = [{"name": main, "port": 80}]
        if weights and self.splits:
            weights = {main: 100 - sum(weights.values()), **weights}
            refs = [{"name": each, "port": 80, "weight": share} for each, share in weights.items()]
        conditions = [a_condition("PredictorReady"), a_condition("Ready")]
        if statuses:
            healthy = len(ready) == len(statuses)
            conditions.append(a_condition("CanaryPredictorReady", "True" if healthy else "False", "Canaries"))
        status = {"deploymentMode": "Standard", "canaryStatuses": statuses, "conditions": conditions}
        return status, [a_route(each, refs) for each in (name, f"{name}-predictor")]

    def _name(self, service: str, predictor: Obj) -> str:
        return f"{service}-{predictor['name']}-predictor" if predictor.get("name") else f"{service}-predictor"


def a_route(name: str, refs: Iterable[Obj]) -> Obj:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"parentRefs": [{"name": "kserve"}], "rules": [{"backendRefs": list(refs)}]},
    }


def taken(generation: int) -> Obj:
    """The status of a route that its gateway took."""
    found = [{**a_condition(kind), "observedGeneration": generation} for kind in ("Accepted", "ResolvedRefs")]
    parent = {"parentRef": {"name": "kserve"}, "controllerName": "example.com/g", "conditions": found}
    return {"parents": [parent]}


def a_member(
    name: str, weight: int | None = None, *, group: str = "chat", model: str = "chat", **more: Any
) -> Obj:
    """An LLMInferenceService of a routing group."""
    route = {"group": group} if weight is None else {"group": group, "weight": weight}
    return {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": {"name": name, "namespace": NAMESPACE, **more},
        "spec": {
            "model": {"name": model, "uri": f"hf://team/{name}"},
            "router": {"route": route, "scheduler": {}},
        },
    }


def group_status(member: Obj, members: Iterable[Obj], unready: Iterable[str] = ()) -> Obj:
    """What KServe writes into a member's status: the group as its routes have it."""
    group = member["spec"]["router"]["route"]["group"]
    name = member["metadata"]["name"]
    found, divergent = [], False
    for each in sorted(members, key=lambda each: str(each["metadata"]["name"])):
        route, other = each["spec"]["router"]["route"], each["metadata"]["name"]
        if route.get("group") != group or (other in unready and other != name):
            continue
        if each["spec"]["model"]["name"] != member["spec"]["model"]["name"]:
            divergent = True
            continue
        listed = {"name": other, "weight": route.get("weight", 0)}
        if each["metadata"].get("annotations", {}).get("serving.kserve.io/stop") == "true":
            listed["stopped"] = True
        found.append(listed)
    conditions = [a_condition("Ready"), a_condition("GroupReady")]
    if divergent:
        said = "members serve other models"
        conditions.append(a_condition("GroupDegraded", "True", "MemberDivergence", said))
    return {"conditions": conditions, "router": {"group": {"name": group, "members": found}}}


def a_condition(kind: str, status: str = "True", reason: str = "", said: str = "") -> Obj:
    return {
        "type": kind,
        "status": status,
        "reason": reason or kind,
        "message": said,
        "lastTransitionTime": "2026-11-26T00:00:00Z",
    }
