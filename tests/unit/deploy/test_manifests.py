"""What the rendered manifests promise: two copies, probes, closed networks, settings that it takes."""

import json

import pytest

from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.rbac import kebab
from controller.cli.doctor.setup import setup_in
from deploy.kubernetes.generate import FEATURES
from tests.deploy.rendering import OVERLAYS, Obj, environment, kustomized, named

LONGEST_STOP_SECONDS = 10


def pod(overlay: str) -> Obj:
    spec: Obj = named(kustomized(overlay), "Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_one_copy_may_be_lost(overlay: str) -> None:
    objects = kustomized(overlay)
    deployment, budget = named(objects, "Deployment"), named(objects, "PodDisruptionBudget")
    assert budget["apiVersion"] == "policy/v1"
    assert deployment["spec"]["replicas"] - budget["spec"]["maxUnavailable"] >= 1
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels.items()
    assert budget["spec"]["selector"]["matchLabels"] == selector
    spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in spread} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    assert all(each["labelSelector"]["matchLabels"] == selector for each in spread)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_it_is_asked_for_its_health_and_given_time_to_stop(overlay: str) -> None:
    [container] = pod(overlay)["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["startupProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["ports"] == [{"name": "http", "containerPort": 9178, "protocol": "TCP"}]
    assert pod(overlay)["terminationGracePeriodSeconds"] >= 2 * LONGEST_STOP_SECONDS


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_policies_are_a_directory_that_follows_its_config_map(overlay: str) -> None:
    [container] = pod(overlay)["containers"]
    folder = environment(named(kustomized(overlay), "Deployment"))["SERINUS_POLICIES_DIR"]
    [mount] = [each for each in container["volumeMounts"] if each["mountPath"] == folder]
    assert mount == {"name": "policies", "mountPath": folder, "readOnly": True}
    [volume] = [each for each in pod(overlay)["volumes"] if each["name"] == "policies"]
    assert volume["projected"]["sources"] == [{"configMap": {"name": "serinus-policies", "optional": True}}]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_token_is_this_pods_alone(overlay: str) -> None:
    assert named(kustomized(overlay), "ServiceAccount")["automountServiceAccountToken"] is False
    assert pod(overlay)["serviceAccountName"] == "serinus"
    assert pod(overlay)["automountServiceAccountToken"] is True


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_networks_are_closed_but_for_what_is_listed(overlay: str) -> None:
    objects = kustomized(overlay)
    labels = named(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    policy, models = named(objects, "NetworkPolicy"), named(objects, "NetworkPolicy", "serinus-models")
    for each in (policy, models):
        assert each["metadata"]["namespace"] == "serinus"
        assert each["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert models["spec"]["policyTypes"] == ["Egress"]
    assert [each["ports"] for each in policy["spec"]["ingress"]] == [[{"port": "http", "protocol": "TCP"}]]
    assert all(each["from"] for each in policy["spec"]["ingress"])
    ports = [{port["port"] for port in rule["ports"]} for rule in policy["spec"]["egress"]]
    assert ports == [{53}, {443, 6443}, {9090}, {443}]
    for rule in policy["spec"]["egress"]:
        assert rule["to"], "an empty list is everywhere"
        for block in (each["ipBlock"] for each in rule["to"] if "ipBlock" in each):
            if block["cidr"] == "0.0.0.0/0":
                assert "169.254.0.0/16" in block["except"], "the metadata service of a cloud"


def test_models_are_reached_in_their_namespace_only() -> None:
    [one] = named(kustomized("namespace"), "NetworkPolicy", "serinus-models")["spec"]["egress"]
    assert one["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ml"}}}]
    [every] = named(kustomized("cluster"), "NetworkPolicy", "serinus-models")["spec"]["egress"]
    assert every["to"] == [{"namespaceSelector": {}}]


@pytest.mark.parametrize(("overlay", "namespaces"), [("namespace", ["ml"]), ("cluster", ["*"])])
def test_policies_may_act_where_the_overlay_says(overlay: str, namespaces: list[str]) -> None:
    seen = environment(named(kustomized(overlay), "Deployment"))
    assert json.loads(seen["SERINUS_KUBERNETES__NAMESPACES"]) == namespaces


@pytest.mark.parametrize("features", [(), *((feature,) for feature in FEATURES), FEATURES])
def test_components_switch_their_features_on(features: tuple[Feature, ...]) -> None:
    objects = kustomized("namespace", [kebab(feature) for feature in features])
    seen = environment(named(objects, "Deployment"))
    assert set(json.loads(seen["SERINUS_KUBERNETES__FEATURES"])) == {"core", *features}


def test_the_namespace_holds_every_pod_to_the_standard() -> None:
    labels = named(kustomized("cluster"), "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(("overlay", "namespaces"), [("namespace", ("ml",)), ("cluster", ("*",))])
def test_the_doctor_reads_what_they_say(overlay: str, namespaces: tuple[str, ...]) -> None:
    deployment = named(kustomized(overlay, ["workloads", "capacity"]), "Deployment")
    for each in deployment["spec"]["template"]["spec"]["containers"][0]["env"]:
        if each.get("value") == "":  # as the API server keeps it
            del each["value"]
    setup = setup_in(deployment)
    assert setup.namespaces == namespaces
    assert setup.features == {Feature.CORE, Feature.WORKLOADS, Feature.CAPACITY}
    assert setup.account == "system:serviceaccount:serinus:serinus"
    assert setup.policies == ("serinus-policies",)
    assert (setup.lease.namespace, setup.lease.name) == ("serinus", "serinus")
