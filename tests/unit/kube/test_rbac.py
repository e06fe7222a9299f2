"""Roles hold what is declared, where it is needed, and every declaration is known."""

import importlib
import pkgutil
from collections.abc import Iterator

import controller.adapters
from controller.adapters.kube import declared, permissions
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.rbac import EVERYWHERE, added_by, rights, roles
from controller.adapters.kube.resources import DEPLOYMENTS, HTTP_ROUTES, LEASES, NODES, PODS, Obj

DECLARED = (
    Permission(HTTP_ROUTES, frozenset({"list", "watch", "patch"}), Feature.CORE),
    Permission(PODS, frozenset({"list"}), Feature.CORE),
    Permission(PODS, frozenset({"list", "watch"}), Feature.WORKLOADS),
    Permission(DEPLOYMENTS, frozenset({"create"}), Feature.WORKLOADS),
    Permission(DEPLOYMENTS, frozenset({"patch"}), Feature.WORKLOADS, subresource="scale"),
    Permission(NODES, frozenset({"list"}), Feature.CAPACITY),
    Permission(LEASES, frozenset({"create"}), Feature.CORE),
    Permission(LEASES, frozenset({"get", "patch"}), Feature.CORE, names=("serinus",)),
)


def taken_apart(rules: list[Obj]) -> set[tuple[str, str]]:
    return {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


def modules() -> Iterator[str]:
    for found in pkgutil.walk_packages(controller.adapters.__path__, "controller.adapters."):
        yield found.name


def test_every_adapters_declaration_is_known() -> None:
    seen = set()
    for name in modules():
        module = importlib.import_module(name)
        if module not in (declared, permissions):
            seen |= set(getattr(module, "PERMISSIONS", ()))
    assert seen == set(declared.PERMISSIONS)


def test_rights_are_split_by_where_they_hold() -> None:
    found = rights(DECLARED, set(Feature))
    assert taken_apart(found.leader) == {("leases", "create"), ("leases", "get"), ("leases", "patch")}
    assert taken_apart(found.cluster) == {("nodes", "list")}
    assert ("deployments/scale", "patch") in taken_apart(found.namespaced)
    assert not any(resource in {"nodes", "leases"} for resource, _ in taken_apart(found.namespaced))


def test_a_feature_that_is_off_brings_nothing() -> None:
    found = rights(DECLARED, ())
    assert taken_apart(found.namespaced) == {
        ("httproutes", "list"),
        ("httproutes", "watch"),
        ("httproutes", "patch"),
        ("pods", "list"),
    }
    assert found.cluster == []


def test_a_feature_adds_what_the_core_has_not() -> None:
    found = added_by(DECLARED, Feature.WORKLOADS)
    assert taken_apart(found.namespaced) == {
        ("pods", "watch"),
        ("deployments", "create"),
        ("deployments/scale", "patch"),
    }
    assert (found.leader, found.cluster) == ([], [])


def test_core_and_additions_are_together_what_is_needed() -> None:
    core = taken_apart(rights(DECLARED, ()).namespaced)
    for feature in Feature:
        whole = taken_apart(rights(DECLARED, {feature}).namespaced)
        assert core | taken_apart(added_by(DECLARED, feature).namespaced) == whole


def test_roles_are_bound_to_the_account_in_each_namespace() -> None:
    made = roles(DECLARED, set(Feature), namespaces=["ml", "vision"], home="home")
    keys = {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in made}
    assert keys == {
        ("Role", "home", "serinus-leader"),
        ("RoleBinding", "home", "serinus-leader"),
        ("Role", "ml", "serinus"),
        ("RoleBinding", "ml", "serinus"),
        ("Role", "vision", "serinus"),
        ("RoleBinding", "vision", "serinus"),
        ("ClusterRole", None, "serinus-capacity"),
        ("ClusterRoleBinding", None, "serinus-capacity"),
    }
    for each in made:
        if each["kind"].endswith("Binding"):
            assert each["subjects"] == [{"kind": "ServiceAccount", "name": "serinus", "namespace": "home"}]
            assert each["roleRef"]["name"] == each["metadata"]["name"]
            assert each["kind"] == f"{each['roleRef']['kind']}Binding"


def test_everywhere_is_a_role_of_the_cluster() -> None:
    made = roles(DECLARED, (), namespaces=[EVERYWHERE], home="home")
    assert [(each["kind"], each["metadata"]["name"]) for each in made[2:]] == [
        ("ClusterRole", "serinus"),
        ("ClusterRoleBinding", "serinus"),
    ]
