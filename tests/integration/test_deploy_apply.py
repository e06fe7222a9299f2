"""A real API server takes the manifests, and grants the service account what they say and nothing else."""

import re
from typing import Any

import httpx2
import pytest

from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.rbac import kebab, rights, roles
from controller.adapters.kube.resources import LEASES
from deploy.kubernetes.generate import FEATURES
from tests.deploy.installed import install, moved
from tests.deploy.prometheus_operator import prometheus_operator
from tests.deploy.rendering import OVERLAYS, Obj, charted, granted, kustomized
from tests.deploy.requests import NOBODY, Need, needs, probe
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

EVERYONE = {
    ("authorization.k8s.io", "selfsubjectaccessreviews", "create"),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "create"),
}
"""What every identity may do in any cluster."""


@pytest.fixture(scope="module")
def server(apiserver: ApiServer) -> ApiServer:
    for each in prometheus_operator():
        apiserver.admin.define(each)
    return apiserver


def rendered(overlay: str, features: tuple[Feature, ...]) -> list[Obj]:
    return kustomized(overlay, ["service-monitor", *(kebab(feature) for feature in features)])


def may(server: ApiServer, account: str, namespace: str) -> set[tuple[str, str, str]]:
    """``kubectl auth can-i --list`` of a service account, taken apart: group, resource, verb."""
    told = server.kubectl("auth", "can-i", "--list", f"--as={account}", namespace=namespace).stdout
    found = set()
    for line in told.splitlines()[1:]:
        row = re.fullmatch(r"(\S+)\s+\[\]\s+\[([^\]]*)\]\s+\[([^\]]*)\]", line.strip())
        if row:
            resource, _, group = row[1].partition(".")
            plural, slash, sub = group.partition("/")
            found |= {(plural, f"{resource}{slash}{sub}", verb) for verb in row[3].split()}
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_accepted(server: ApiServer, overlay: str, namespace: str) -> None:
    models = f"ml-{namespace}"
    server.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": models}})
    objects = moved(rendered(overlay, FEATURES), namespace)
    install(server, objects)
    for each in objects:
        metadata = each["metadata"]
        assert server.admin.get(
            each["apiVersion"], each["kind"], metadata.get("namespace"), metadata["name"]
        ), metadata


def test_the_charts_objects_are_accepted(server: ApiServer, namespace: str) -> None:
    optional = {part: {"enabled": True} for part in ("serviceMonitor", "alerts", "dashboard")}
    values = {"namespaces": [namespace], **optional, "policies": {"a.yaml": "x"}}
    objects = charted(values, namespace=namespace)
    install(server, objects)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize("features", [(), FEATURES])
def test_the_account_may_do_what_is_declared(
    server: ApiServer, overlay: str, features: tuple[Feature, ...], namespace: str
) -> None:
    home, models = f"serinus-{namespace}", f"ml-{namespace}"
    for name in (home, models):
        server.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    install(
        server, [each for each in moved(rendered(overlay, features), namespace) if "Role" in each["kind"]]
    )
    account = f"system:serviceaccount:{home}:serinus"
    needed = rights(PERMISSIONS, features)

    def expected(*rules: list[Obj]) -> set[tuple[str, str, str]]:
        return EVERYONE | {found[:3] for each in rules for found in granted(each)}

    everywhere = needed.namespaced if overlay == "cluster" else []
    wanted = expected(needed.namespaced, needed.cluster)
    server.admin.until(lambda: may(server, account, models) == wanted, "the roles are known")
    assert may(server, account, home) == expected(everywhere, needed.cluster, needed.leader)
    assert may(server, account, "default") == expected(everywhere, needed.cluster)


VERBS = [(permission, need) for permission in PERMISSIONS for need in needs(permission)]


def test_every_verb_is_refused_to_whoever_lacks_it(server: ApiServer, namespace: str) -> None:
    for number, (permission, need) in enumerate(VERBS):
        _account(server, namespace, f"without-{number}", _without(permission, need))
    _account(server, namespace, "whole", PERMISSIONS)
    refused = httpx2.codes.FORBIDDEN
    with httpx2.Client(base_url=server.url, verify=server.tls, trust_env=False, timeout=10) as client:

        def status(name: str, request: dict[str, Any]) -> int:
            token = server.token(f"system:serviceaccount:{namespace}:{name}")
            headers = {**request.get("headers", {}), "authorization": f"Bearer {token}"}
            return client.request(**{**request, "headers": headers}).status_code

        for number, (permission, need) in enumerate(VERBS):
            where = namespace if permission.resource.namespaced else None
            name = permission.names[0] if permission.names else NOBODY
            request = probe(permission.resource, permission.subresource, need.verb, where, name)
            # the server knows of roles a moment after they are written
            server.admin.until(
                lambda request=request: status("whole", request) != refused,  # type: ignore[misc]
                f"{need} is allowed",
            )
            assert status(f"without-{number}", request) == refused, need


def _without(permission: Permission, need: Need) -> list[Permission]:
    """Everything but one verb on one resource, wherever else it is declared."""
    left = []
    for each in PERMISSIONS:
        # the same in every scope: one role may have pods of a namespace, another pods of all
        same = _target(each) == _target(permission)
        verbs = each.verbs - {need.verb} if same else each.verbs
        left.append(Permission(each.resource, verbs, each.feature, each.subresource, each.names))
    return [each for each in left if each.verbs]


def _target(permission: Permission) -> tuple[str, str, str]:
    return permission.resource.group, permission.resource.plural, permission.subresource


def _account(server: ApiServer, namespace: str, name: str, permissions: "Any") -> None:
    server.admin.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
    )
    for each in roles(permissions, FEATURES, namespaces=[namespace], home=namespace, name=name):
        if not each["metadata"].get("namespace"):
            each["metadata"]["name"] += f"-{namespace}"
            if "roleRef" in each:
                each["roleRef"]["name"] += f"-{namespace}"
        server.admin.create(each)


def test_the_lease_of_others_cannot_be_touched() -> None:
    for permission in PERMISSIONS:
        if permission.resource == LEASES and not permission.verbs <= {"create", "list"}:
            assert permission.names, "only the daemon's own"
