"""Whether the daemon may do what it does: questions to the API server about each verb, and the answers. Pure.

**Source**: authorization.k8s.io/v1, SubjectAccessReview and SelfSubjectAccessReview.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.adapters.kube.permissions import Permission, rules
from controller.adapters.kube.resources import LEASES, Obj, Resource
from controller.adapters.kube.untrusted import mapping
from controller.cli.doctor.findings import Finding, failed, ok, some
from controller.cli.doctor.setup import EVERYWHERE, Setup
from controller.features import Feature

OF_ANOTHER = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
OF_THE_CALLER = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
_ALL = "all namespaces"
_CLUSTER = "the cluster"


@dataclass(frozen=True, slots=True)
class Question:
    """One verb. ``where`` is for people; ``namespace`` is empty for all of them, and for what is in none."""

    permission: Permission
    verb: str
    where: str
    namespace: str
    name: str = ""

    def review(self, account: str) -> Obj:
        """The object that asks it, of a service account, or of the caller if that is empty."""
        target = self.permission
        attributes = {
            "namespace": self.namespace,
            "verb": self.verb,
            "group": target.resource.group,
            "version": target.resource.version,
            "resource": target.resource.plural,
            "subresource": target.subresource,
            "name": self.name,
        }
        kind = OF_ANOTHER if account else OF_THE_CALLER
        spec: Obj = {"resourceAttributes": {key: value for key, value in attributes.items() if value}}
        if account:
            namespace = account.split(":")[2]
            groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
            spec |= {"user": account, "groups": groups}
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}, "spec": spec}

    def __str__(self) -> str:
        resource = self.permission.resource.plural
        target = f"{resource}/{self.permission.subresource}" if self.permission.subresource else resource
        return f"{self.verb} {target}"


def allowed(review: Obj) -> bool:
    """What the API server answered."""
    return mapping(review.get("status")).get("allowed") is True


def questions(permissions: Iterable[Permission], setup: Setup) -> list[Question]:
    """Each verb once, where it is needed: leases where the leader's is, the models' things where they are."""
    places = [("", _ALL)] if EVERYWHERE in setup.namespaces else [(each, each) for each in setup.namespaces]
    found: dict[tuple[object, ...], Question] = {}
    for permission in permissions:
        if permission.feature is not Feature.CORE and permission.feature not in setup.features:
            continue
        for question in _of(permission, setup, places):
            target = (permission.resource, permission.subresource, question.verb)
            found.setdefault((*target, question.namespace, question.name), question)
    return list(found.values())


def _of(permission: Permission, setup: Setup, places: Sequence[tuple[str, str]]) -> Iterator[Question]:
    names = permission.names
    if permission.resource == LEASES:
        places = [(setup.lease.namespace, setup.lease.namespace)]
        names = tuple(key.name for key in setup.leases) if names else ()
    elif not permission.resource.namespaced:
        places = [("", _CLUSTER)]
    for verb in sorted(permission.verbs):
        for namespace, where in places:
            for name in names or ("",):
                yield Question(permission, verb, where, namespace, name)


def verdicts(answers: Sequence[tuple[Question, bool]], account: str) -> list[Finding]:
    """One finding for each place."""
    who = account.removeprefix("system:serviceaccount:").replace(":", "/") or "you"
    places: dict[str, list[tuple[Question, bool]]] = {}
    for question, granted in answers:
        places.setdefault(question.where, []).append((question, granted))
    return [_verdict(where, asked, who) for where, asked in places.items()]


def _verdict(where: str, asked: Sequence[tuple[Question, bool]], who: str) -> Finding:
    denied = [question for question, granted in asked if not granted]
    if not denied:
        return ok("rights", where, f"{who} may do all {len(asked)} things that are needed")
    lacking = [
        Permission(
            question.permission.resource,
            frozenset({question.verb}),
            Feature.CORE,
            question.permission.subresource,
            (question.name,) if question.name else (),
        )
        for question in denied
    ]
    role = "ClusterRole" if where in (_ALL, _CLUSTER) else f"Role in {where}"
    return failed(
        "rights",
        where,
        f"{who} may not {some([str(question) for question in denied])}",
        f"add to the {role}: {json.dumps(rules(lacking, ()))}",
    )
