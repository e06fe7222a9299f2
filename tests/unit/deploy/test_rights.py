"""The manifests grant what the adapters declare, neither more nor less, and the files are current."""

from itertools import chain

import pytest

from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.pauses import PAUSE_NAME
from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.rbac import PEOPLE, WORDS, kebab, rights
from controller.adapters.kube.resources import LEASES
from deploy.kubernetes.generate import CHART, FEATURES, HERE, files
from tests.deploy.rendering import OVERLAYS, Obj, charted, granted, kustomized, named

VERBS = {"get", "list", "watch", "create", "patch", "delete"}
SAID = WORDS
"""What no request does: words of people, which are asked for when they come from outside."""
EVERYTHING = tuple(kebab(feature) for feature in FEATURES)


def roles(objects: list[Obj]) -> list[Obj]:
    return [each for each in objects if each["kind"] in {"Role", "ClusterRole"}]


def test_the_files_are_current() -> None:
    for path, content in files().items():
        assert path.read_text(encoding="utf-8") == content, "run: python -m deploy.kubernetes.generate"


def test_no_generated_file_is_left_over() -> None:
    marked = {
        path
        for path in chain(HERE.rglob("*.yaml"), CHART.rglob("*.yaml"))
        if "Written by python -m deploy.kubernetes.generate" in path.read_text(encoding="utf-8")
    }
    assert marked <= files().keys()


def test_every_feature_has_its_component() -> None:
    assert set(FEATURES) == set(Feature) - {Feature.CORE}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_granted_beyond_what_is_named(overlay: str) -> None:
    for role in roles(kustomized(overlay, EVERYTHING)):
        for group, resource, verb, name in granted(role["rules"]):
            assert "*" not in {group, resource, verb}, role
            assert verb in VERBS | (SAID if resource == "modelrollouts" else set()), (
                "no escalate, bind, impersonate, deletecollection, update"
            )
            assert resource.partition("/")[0] not in {"secrets", "serviceaccounts"}, role
            if resource == "configmaps":
                assert (verb, name) in {("list", PAUSE_NAME), ("watch", PAUSE_NAME)}, role
            assert not resource.startswith(("pods/", "nodes/")), "no exec, portforward, proxy, log"
            assert group not in {"rbac.authorization.k8s.io", "admissionregistration.k8s.io"}


def test_the_core_alone_changes_no_workload() -> None:
    for _, resource, verb, _ in granted(named(kustomized("namespace"), "Role")["rules"]):
        if verb not in {"get", "list", "watch"}:
            assert resource in {"httproutes", "modelrollouts", "modelrollouts/status", "events"}, (
                resource,
                verb,
            )


@pytest.mark.parametrize("features", [(), *((feature,) for feature in FEATURES), FEATURES])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_grants_what_is_declared(overlay: str, features: tuple[Feature, ...]) -> None:
    needed = rights(PERMISSIONS, features)
    objects = kustomized(overlay, [kebab(feature) for feature in features])
    kind = {"namespace": "Role", "cluster": "ClusterRole"}[overlay]
    leader = named(objects, "Role", "serinus-leader")
    assert leader["metadata"]["namespace"] == "serinus"
    assert granted(leader["rules"]) == granted(needed.leader)
    assert granted(named(objects, kind)["rules"]) == granted(needed.namespaced)
    clusterwide = [
        rule
        for each in roles(objects)
        if each["kind"] == "ClusterRole" and each["metadata"]["name"].removeprefix("serinus-") in EVERYTHING
        for rule in each["rules"]
    ]
    assert granted(clusterwide) == granted(needed.cluster)


@pytest.mark.parametrize("features", [(), *((feature,) for feature in FEATURES), FEATURES])
def test_the_chart_grants_what_is_declared(features: tuple[Feature, ...]) -> None:
    needed = rights(PERMISSIONS, features)
    objects = charted({"namespaces": ["ml", "vision"], "features": [feature.value for feature in features]})
    served = [each for each in objects if (each["kind"], each["metadata"]["name"]) == ("Role", "serinus")]
    assert [each["metadata"]["namespace"] for each in served] == ["ml", "vision"]
    for role in served:
        assert granted(role["rules"]) == granted(needed.namespaced)
    assert granted(named(objects, "Role", "serinus-leader")["rules"]) == granted(needed.leader)
    clusterwide = [each for each in objects if each["kind"] == "ClusterRole"]
    assert granted(rule for each in clusterwide for rule in each["rules"]) == granted(needed.cluster)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_the_daemon_gets_the_daemons_rights(overlay: str) -> None:
    bindings = [each for each in kustomized(overlay, EVERYTHING) if each["kind"].endswith("Binding")]
    subject = {"kind": "ServiceAccount", "name": "serinus", "namespace": "serinus"}
    assert all(each["subjects"] == [subject] for each in bindings)
    given = {each["roleRef"]["name"] for each in bindings}
    assert given.isdisjoint(f"serinus-{who}" for who in PEOPLE)
    assert "serinus" in given


def test_a_lease_of_another_name_is_the_only_one_that_can_be_held() -> None:
    leader = named(
        charted({"namespaces": ["ml"], "leaderElection": {"leaseName": "blue"}}), "Role", "serinus-leader"
    )
    leases = {
        (verb, name) for _, resource, verb, name in granted(leader["rules"]) if resource == LEASES.plural
    }
    assert {name for verb, name in leases if verb not in ("create", "list")} == {"blue"}
