"""Which rights are asked for, of whom, and how what lacks is named."""

import json

from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.identity import Key
from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import HTTP_ROUTES, LEASES, NODES, SERVICES
from controller.cli.doctor.findings import Outcome
from controller.cli.doctor.rights import allowed, questions, verdicts
from controller.cli.doctor.setup import Setup, setup_without
from controller.features import Feature

SETUP = Setup(("ml", "edge"), frozenset({Feature.CAPACITY}), Key("home", "lease-of-ours"))
NEEDED = (
    Permission(HTTP_ROUTES, frozenset({"list", "patch"}), Feature.CORE),
    Permission(LEASES, frozenset({"create"}), Feature.CORE),
    Permission(LEASES, frozenset({"get"}), Feature.CORE, names=("serinus",)),
    Permission(NODES, frozenset({"list"}), Feature.CAPACITY),
    Permission(SERVICES, frozenset({"create"}), Feature.WORKLOADS),
    Permission(HTTP_ROUTES, frozenset({"patch"}), Feature.CAPACITY),
    Permission(HTTP_ROUTES, frozenset({"patch"}), Feature.CORE, subresource="status"),
)


def test_each_verb_is_asked_once_where_it_is_needed() -> None:
    asked = {(str(each), each.where, each.namespace, each.name) for each in questions(NEEDED, SETUP)}
    assert asked == {
        ("list httproutes", "ml", "ml", ""),
        ("list httproutes", "edge", "edge", ""),
        ("patch httproutes", "ml", "ml", ""),
        ("patch httproutes", "edge", "edge", ""),
        ("patch httproutes/status", "ml", "ml", ""),
        ("patch httproutes/status", "edge", "edge", ""),
        ("create leases", "home", "home", ""),
        ("get leases", "home", "home", "lease-of-ours"),
        ("list nodes", "the cluster", "", ""),
    }
    assert len(questions(NEEDED, SETUP)) == len(asked)


def test_a_daemon_for_all_namespaces_is_asked_about_all_of_them() -> None:
    everywhere = Setup(("*", "ml"), frozenset(), Key("home", "lease"))
    found = [each for each in questions(NEEDED, everywhere) if each.permission.resource == HTTP_ROUTES]
    assert {(each.where, each.namespace) for each in found} == {("all namespaces", "")}


def test_what_the_daemon_really_needs_can_be_asked() -> None:
    assert {str(each) for each in questions(PERMISSIONS, setup_without("ml"))} >= {
        "patch httproutes",
        "patch modelrollouts/status",
        "create leases",
    }


def test_a_review_is_about_a_service_account_or_about_the_caller() -> None:
    (question,) = [each for each in questions(NEEDED, SETUP) if str(each) == "get leases"]
    attributes = {
        "namespace": "home",
        "verb": "get",
        "group": "coordination.k8s.io",
        "version": "v1",
        "resource": "leases",
        "name": "lease-of-ours",
    }
    own = question.review("")
    assert (own["kind"], own["spec"]) == ("SelfSubjectAccessReview", {"resourceAttributes": attributes})
    robot = question.review("system:serviceaccount:home:robot")
    assert robot["kind"] == "SubjectAccessReview"
    assert robot["spec"]["user"] == "system:serviceaccount:home:robot"
    assert "system:serviceaccounts:home" in robot["spec"]["groups"]
    assert not allowed({"status": {"allowed": "yes"}})
    assert allowed({"status": {"allowed": True}})


def test_what_lacks_is_named_with_the_rule_to_add() -> None:
    answers = [(each, each.verb != "patch" or each.where == "edge") for each in questions(NEEDED, SETUP)]
    found = {each.subject: each for each in verdicts(answers, "system:serviceaccount:home:robot")}
    assert {place: each.outcome for place, each in found.items()} == {
        "ml": Outcome.FAILED,
        "edge": Outcome.OK,
        "home": Outcome.OK,
        "the cluster": Outcome.OK,
    }
    assert found["ml"].message == "home/robot may not patch httproutes, patch httproutes/status"
    where, _, rule = found["ml"].fix.partition(": ")
    assert where == "add to the Role in ml"
    assert json.loads(rule) == [
        {
            "apiGroups": ["gateway.networking.k8s.io"],
            "resources": ["httproutes", "httproutes/status"],
            "verbs": ["patch"],
        }
    ]
    assert "you may do all" in verdicts(answers, "")[-1].message
