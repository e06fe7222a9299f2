"""Who may do what in the tests' cluster: exactly what the manifests of `deploy/` give."""

from collections.abc import Collection
from typing import Any

from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.permissions import rules
from controller.adapters.kube.rbac import PEOPLE, binding, role, roles
from controller.adapters.kube.resources import LEASES
from controller.features import Feature
from tests.kube.admin import AdminClient

Obj = dict[str, Any]

OPERATOR = "ann"


def grant(
    admin: AdminClient,
    home: str,
    namespace: str,
    features: Collection[Feature],
    leases: Collection[str] = ("serinus",),
) -> str:
    """Make the daemon's service account in ``home``, and an operator; the account's name to the API server.

    Both namespaces are made where they are missing. ``leases`` are those that it may hold.
    """
    for name in (namespace, home):
        if admin.get("v1", "Namespace", None, name) is None:
            admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    account = {"name": "serinus", "namespace": home}
    admin.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    for each in roles(PERMISSIONS, features, namespaces=[namespace], home=home):
        for rule in each.get("rules", ()):
            if rule["resources"] == [LEASES.plural] and "resourceNames" in rule:
                rule["resourceNames"] = sorted(leases)
        admin.apply(each)
    operator = role("serinus-operator", namespace, rules(PEOPLE["operator"], ()))
    person = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OPERATOR}
    for each in (operator, binding(operator, person)):
        admin.apply(each)
    return f"system:serviceaccount:{home}:serinus"
