"""RBAC rules from what the code declares."""

import itertools

from controller.adapters.kube.elector import PERMISSIONS
from controller.adapters.kube.permissions import Feature, Permission, rules
from controller.adapters.kube.resources import DEPLOYMENTS, HTTP_ROUTES, LEASES, NODES, PODS, SERVICES

READ = frozenset({"get", "list", "watch"})
SOME = (
    Permission(HTTP_ROUTES, READ, Feature.CORE),
    Permission(HTTP_ROUTES, frozenset({"patch"}), Feature.CORE),
    Permission(SERVICES, READ, Feature.CORE),
    Permission(SERVICES, frozenset({"create"}), Feature.WORKLOADS),
    Permission(DEPLOYMENTS, frozenset({"patch"}), Feature.WORKLOADS, subresource="scale"),
    Permission(PODS, READ, Feature.WORKLOADS),
    Permission(NODES, frozenset({"list"}), Feature.CAPACITY),
    *PERMISSIONS,
)
CORE_RULES = [
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "list"]},
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "patch"],
        "resourceNames": ["serinus"],
    },
    {
        "apiGroups": ["gateway.networking.k8s.io"],
        "resources": ["httproutes"],
        "verbs": ["get", "list", "patch", "watch"],
    },
]


def test_the_core_is_always_on() -> None:
    assert rules(SOME, ()) == CORE_RULES


def test_features_add_what_they_need_and_equal_rules_are_one() -> None:
    found = rules(SOME, (Feature.WORKLOADS,))
    assert {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]} in found
    assert {
        "apiGroups": [""],
        "resources": ["services"],
        "verbs": ["create", "get", "list", "watch"],
    } in found
    assert {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]} in found
    both = rules([Permission(PODS, READ, Feature.CORE), Permission(SERVICES, READ, Feature.CORE)], ())
    assert both == [{"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list", "watch"]}]


def test_the_order_of_declarations_does_not_matter() -> None:
    wanted = rules(SOME[:5], tuple(Feature))
    for order in itertools.permutations(SOME[:5]):
        assert rules(order, tuple(Feature)) == wanted


def test_what_has_no_namespace_goes_into_a_cluster_role() -> None:
    assert rules(SOME, (Feature.CAPACITY,), namespaced=True) == CORE_RULES
    nodes = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    assert rules(SOME, (Feature.CAPACITY,), namespaced=False) == nodes
    assert not rules(SOME, (), namespaced=False)


def test_a_rule_for_some_names_has_no_verb_that_all_names_have() -> None:
    named = Permission(LEASES, frozenset({"get", "patch"}), Feature.CORE, names=("b", "a", "b"))
    everything = Permission(LEASES, frozenset({"get"}), Feature.CORE)
    assert rules([named, everything], ()) == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["patch"],
            "resourceNames": ["a", "b"],
        },
    ]
    more = Permission(LEASES, frozenset({"get", "patch"}), Feature.CORE)
    assert len(rules([named, more], ())) == 1
