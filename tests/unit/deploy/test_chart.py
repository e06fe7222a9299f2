"""The chart gives the same objects as kustomize, and refuses what cannot work."""

import json
from pathlib import Path
from typing import Any

import pytest

from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.permissions import Feature
from controller.adapters.kube.rbac import kebab, rights
from controller.adapters.kube.sharding import suffixed
from controller.domain.sharding import Shard
from controller.prometheus_settings import PrometheusSettings
from controller.settings import load_settings
from deploy.kubernetes.generate import FEATURES
from tests.deploy.rendering import CHART, charted, comparable, environment, granted, helm, kustomized, named

CHOICES: list[tuple[str, dict[str, Any], tuple[Feature, ...]]] = [
    ("namespace", {"namespaces": ["ml"]}, ()),
    ("namespace", {"namespaces": ["ml"]}, (Feature.WORKLOADS, Feature.DISCOVERY)),
    ("cluster", {"namespaces": ["*"]}, ()),
    ("cluster", {"namespaces": ["*"]}, FEATURES),
]


@pytest.mark.parametrize(("overlay", "values", "features"), CHOICES)
def test_it_makes_the_objects_that_kustomize_makes(
    overlay: str, values: dict[str, Any], features: tuple[Feature, ...]
) -> None:
    same = {
        **values,
        "features": list(features),
        "tests": {"enabled": False},
        "serviceMonitor": {"enabled": True},
    }
    # `helm install --create-namespace` makes the namespace itself
    by_helm = comparable(charted(same))
    by_kustomize = comparable(
        kustomized(overlay, ["service-monitor", *map(kebab, features)]), without={"Namespace"}
    )
    assert by_helm.keys() == by_kustomize.keys()
    for key, made in by_kustomize.items():
        assert by_helm[key] == made, key


def test_it_passes_helms_own_lint() -> None:
    for values in sorted((CHART / "ci").iterdir()):
        assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--values", str(values)).stdout


def test_two_releases_in_one_cluster_do_not_meet() -> None:
    def keys(release: str) -> set[tuple[str, str, str]]:
        objects = charted({"namespaces": ["*"], "features": ["capacity"]}, release=release)
        return set(comparable(objects, without={"CustomResourceDefinition"}))

    assert keys("blue").isdisjoint(keys("green"))


def test_each_shard_is_a_deployment_with_a_budget_and_a_lease_of_its_own() -> None:
    objects = charted({"namespaces": ["ml"], "shards": 3, "leaderElection": {"leaseName": "blue"}})
    deployments = [each for each in objects if each["kind"] == "Deployment"]
    budgets = [each for each in objects if each["kind"] == "PodDisruptionBudget"]
    assert len(deployments) == len(budgets) == 3
    (service,) = [each for each in objects if each["kind"] == "Service"]
    for index, (made, budget) in enumerate(zip(deployments, budgets, strict=True), 1):
        spec, own = made["spec"], {"serinus.dev/shard": f"{index}-of-3"}
        pod = spec["template"]["metadata"]["labels"]
        assert made["metadata"]["name"] == budget["metadata"]["name"] == f"serinus-{index}-of-3"
        assert environment(made)["SERINUS_KUBERNETES__SHARD"] == f"{index}/3"
        assert spec["replicas"] == 2
        spreads = spec["template"]["spec"]["topologySpreadConstraints"]
        for selector in (
            spec["selector"],
            budget["spec"]["selector"],
            *(each["labelSelector"] for each in spreads),
        ):
            assert selector["matchLabels"] == {**service["spec"]["selector"], **own}
        assert pod.items() >= {**service["spec"]["selector"], **own}.items()
    leader = named(objects, "Role", "serinus-leader")
    names = {name for *_, verb, name in granted(leader["rules"]) if verb == "patch"}
    assert names == {suffixed("blue", Shard(index, 3)) for index in (1, 2, 3)}


def test_without_shards_nothing_of_them_is_there() -> None:
    text = json.dumps(charted({"namespaces": ["ml"]}))
    assert "-of-" not in text
    assert "SHARD" not in text


def test_the_crd_stays_when_a_release_goes() -> None:
    crd = named(charted({"namespaces": ["ml"]}), "CustomResourceDefinition", "modelrollouts.serinus.dev")
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    without = charted({"namespaces": ["ml"], "crd": {"install": False}})
    assert not [each for each in without if each["kind"] == "CustomResourceDefinition"]


def test_every_object_bears_the_recommended_labels() -> None:
    for each in charted({"namespaces": ["ml"], "policies": {"a.yaml": "model: a"}}):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "serinus"
        assert labels["app.kubernetes.io/name"].startswith("serinus")


def test_policies_and_destinations_reach_the_pod() -> None:
    objects = charted(
        {
            "namespaces": ["ml"],
            "policies": {"fraud.yaml": "model: fraud"},
            "policyConfigMaps": ["team-a"],
            "destinations": {
                "ml-releases": {
                    "url": "https://hooks.example.com/a",
                    "secretName": "hook",
                    "secretKey": "key",
                }
            },
            "settings": {"SERINUS_LOG_LEVEL": "debug"},
        }
    )
    deployment = named(objects, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    sources = [each["configMap"] for each in volumes["policies"]["projected"]["sources"]]
    assert sources == [{"name": "team-a", "optional": True}, {"name": "serinus-chart-policies"}]
    assert named(objects, "ConfigMap", "serinus-chart-policies")["data"] == {"fraud.yaml": "model: fraud"}
    seen = environment(deployment)
    assert seen["SERINUS_LOG_LEVEL"] == "debug"
    assert seen["SERINUS_DESTINATIONS__ML-RELEASES__URL"] == "https://hooks.example.com/a"
    secret = volumes["destination-ml-releases"]["secret"]["secretName"]
    mounted = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert secret == "hook"
    assert (
        seen["SERINUS_DESTINATIONS__ML-RELEASES__SECRET_FILE"] == f"{mounted['destination-ml-releases']}/key"
    )


def test_a_bot_of_slack_reaches_the_pod_with_its_token() -> None:
    slack = {"kind": "slack", "channel": "#ml", "secretName": "bot", "secretKey": "token"}
    seen = environment(named(charted({"namespaces": ["ml"], "destinations": {"team": slack}}), "Deployment"))
    prefix = "SERINUS_DESTINATIONS__TEAM__"
    assert {name.removeprefix(prefix): value for name, value in seen.items() if name.startswith(prefix)} == {
        "KIND": "slack",
        "CHANNEL": "#ml",
        "TOKEN_FILE": "/etc/serinus/destinations/team/token",
    }


def test_what_a_destination_wants_a_gate_and_an_evaluation_reach_the_pod_as_the_daemon_reads_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    audit = {"url": "https://a.b/c", "severity": "warning", "events": ["promoted", "rolledback"]}
    desk = {"url": "https://desk.b", "secretName": "desk", "secretKey": "key", "privateAddresses": True}
    values = {
        "namespaces": ["ml"],
        "destinations": {"audit": audit},
        "gates": {"release-desk": desk},
        "evaluations": {"answer-desk": desk},
    }
    deployment = named(charted(values), "Deployment")
    for name, value in environment(deployment).items():
        monkeypatch.setenv(name, value)
    found = load_settings()
    assert found.destinations["audit"].events == ("promoted", "rolledback")
    assert found.destinations["audit"].severity == "warning"
    gate, pod = found.gates["release-desk"], deployment["spec"]["template"]["spec"]
    mounted = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert str(gate.secret_file) == f"{mounted['gate-release-desk']}/key"
    assert (gate.url, gate.private_addresses, gate.plain_http) == ("https://desk.b", True, False)
    evaluation = found.evaluations["answer-desk"]
    assert str(evaluation.secret_file) == f"{mounted['evaluation-answer-desk']}/key"
    assert (evaluation.url, evaluation.private_addresses) == ("https://desk.b", True)


def test_a_gateway_for_probes_reaches_the_pod_as_the_daemon_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    public = {"url": "http://gw.gateways", "secretName": "probe", "secretKey": "authorization"}
    values = {
        "namespaces": ["ml"],
        "probeGateways": {"default": {"url": "http://own.gateways:8080"}, "public": public},
        "networkPolicy": {"probeGateways": [{"namespace": "gateways", "port": 8080}]},
    }
    objects = charted(values)
    deployment = named(objects, "Deployment")
    for name, value in environment(deployment).items():
        monkeypatch.setenv(name, value)
    found = load_settings().probe_gateways
    pod = deployment["spec"]["template"]["spec"]
    mounted = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert found["default"].url == "http://own.gateways:8080"
    assert not found["default"].header_files
    assert {name: str(file) for name, file in found["public"].header_files.items()} == {
        "Authorization": f"{mounted['probe-gateway-public']}/authorization"
    }
    policies = [each for each in objects if each["kind"] == "NetworkPolicy"]
    rules = [rule for policy in policies for rule in policy["spec"].get("egress", ())]
    assert any(port["port"] == 8080 for rule in rules for port in rule.get("ports", ()))


def test_each_prometheus_reaches_the_pod_as_the_daemon_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = {"url": "http://prometheus.monitoring:9090", "tenant": "ml", "tenantHeader": "THANOS-TENANT"}
    mimir = {
        "url": "https://mimir.a/prometheus",
        "timeoutSeconds": 2.5,
        "headers": {"X-Team": "ml"},
        "secretName": "mimir",
        "tokenKey": "token",
        "headerKeys": {"X-Key": "key"},
        "caKey": "ca.crt",
    }
    values = {"namespaces": ["ml"], "prometheus": usual, "prometheusServers": {"eu-west": mimir}}
    deployment = named(charted(values), "Deployment")
    for name, value in environment(deployment).items():
        monkeypatch.setenv(name, value)
    found = load_settings()
    assert (found.prometheus.tenant, found.prometheus.tenant_header) == ("ml", "THANOS-TENANT")
    pod = deployment["spec"]["template"]["spec"]
    mounted = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
    assert {each["name"]: each.get("secret") for each in pod["volumes"]}["prometheus-eu-west"] == {
        "secretName": "mimir"
    }
    folder = Path(mounted["prometheus-eu-west"])
    assert found.prometheus_servers["eu-west"] == PrometheusSettings(
        url="https://mimir.a/prometheus",
        timeout_seconds=2.5,
        headers={"X-Team": "ml"},
        bearer_token_file=folder / "token",
        header_files={"X-Key": folder / "key"},
        ca_file=folder / "ca.crt",
    )


BUTTONS: dict[str, Any] = {
    "namespaces": ["ml"],
    "destinations": {"team": {"kind": "slack", "channel": "#ml", "secretName": "bot", "secretKey": "token"}},
    "slackCallbacks": {
        "enabled": True,
        "secretName": "app",
        "users": {"U012AB3CD": {"name": "ann@example.com", "groups": ["ml-operators"]}},
        "from": ["gateways"],
    },
}


def test_buttons_bring_their_port_their_secret_and_their_rights() -> None:
    objects = charted(BUTTONS)
    deployment = named(objects, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    seen = environment(deployment)
    assert json.loads(seen["SERINUS_SLACK_CALLBACKS__USERS"]) == BUTTONS["slackCallbacks"]["users"]
    assert json.loads(seen["SERINUS_KUBERNETES__FEATURES"]) == ["slackCallbacks"]
    [volume] = [each for each in pod["volumes"] if each["name"] == "slack-callbacks"]
    [mount] = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "slack-callbacks"]
    assert volume["secret"] == {"secretName": "app"}
    assert seen["SERINUS_SLACK_CALLBACKS__SIGNING_SECRET_FILE"] == f"{mount['mountPath']}/signing-secret"
    assert {"name": "slack", "containerPort": 9179, "protocol": "TCP"} in pod["containers"][0]["ports"]
    [port] = named(objects, "Service", "serinus-slack")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, "slack")
    [rule] = [
        each
        for each in named(objects, "NetworkPolicy")["spec"]["ingress"]
        if each["ports"] == [{"protocol": "TCP", "port": "slack"}]
    ]
    assert rule["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateways"}}}
    ]
    needed = rights(PERMISSIONS, (Feature.SLACK_CALLBACKS,))
    assert granted(named(objects, "Role")["rules"]) == granted(needed.namespaced)


def test_without_buttons_nothing_of_them_is_there() -> None:
    everything = json.dumps(charted({**BUTTONS, "slackCallbacks": {"enabled": False}}))
    for word in ("SLACK_CALLBACKS", "9179", "localsubjectaccessreviews", "serinus-slack", "slack-callbacks"):
        assert word not in everything


def test_the_daemon_takes_what_the_chart_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(named(charted(BUTTONS), "Deployment")).items():
        monkeypatch.setenv(name, value or "10.0.0.1")
    found = load_settings().slack_callbacks
    assert found is not None
    assert found.users["U012AB3CD"].groups == ("ml-operators",)


API: dict[str, Any] = {
    "namespaces": ["ml"],
    "api": {"enabled": True, "publicUrl": "https://serinus.example.com", "allowedOrigins": ["https://a.b"]},
}


def test_the_api_brings_its_port_its_service_and_its_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = charted(API)
    needed = rights(PERMISSIONS, (Feature.API,))
    assert granted(named(objects, "Role")["rules"]) == granted(needed.namespaced)
    assert granted(named(objects, "ClusterRole", "serinus-api")["rules"]) == granted(needed.cluster)
    assert needed.cluster == [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    ]
    [port] = named(objects, "Service", "serinus-api")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, "api")
    for name, value in environment(named(objects, "Deployment")).items():
        monkeypatch.setenv(name, value or "10.0.0.1")
    found = load_settings().api
    assert found is not None
    assert (found.port, found.audience, found.public_url) == (9180, "serinus", "https://serinus.example.com")
    assert found.allowed_origins == ("https://a.b",)


def test_without_the_api_nothing_of_it_is_there() -> None:
    everything = json.dumps(charted({"namespaces": ["ml"]}))
    for word in ("SERINUS_API", "9180", "tokenreviews", "serinus-api"):
        assert word not in everything


@pytest.mark.parametrize(("overlay", "namespaces"), [("namespace", ["ml"]), ("cluster", ["*"])])
def test_the_api_is_the_same_by_kustomize(overlay: str, namespaces: list[str]) -> None:
    values = {"namespaces": namespaces, "api": {"enabled": True}, "tests": {"enabled": False}}
    by_helm = comparable(charted(values))
    by_kustomize = comparable(kustomized(overlay, ["api-port"]), without={"Namespace"})
    assert by_helm.keys() == by_kustomize.keys()
    for key, made in by_kustomize.items():
        if made["kind"] != "Deployment":  # the order of its variables is another
            assert by_helm[key] == made, key
    for objects in (charted(values), kustomized(overlay, ["api-port"])):
        [container] = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
        assert {"name": "api", "containerPort": 9180, "protocol": "TCP"} in container["ports"]
        seen = environment(named(objects, "Deployment"))
        assert (seen["SERINUS_API__PORT"], seen["SERINUS_API__AUDIENCE"]) == ("9180", "serinus")
        assert "api" in json.loads(seen["SERINUS_KUBERNETES__FEATURES"])


def test_a_digest_wins_over_a_tag() -> None:
    digest = "sha256:" + "0" * 64
    objects = charted({"namespaces": ["ml"], "image": {"repository": "registry/serinus", "digest": digest}})
    container = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == f"registry/serinus@{digest}"


def test_the_notes_say_what_to_do_next() -> None:
    notes = helm("install", "serinus", str(CHART), "--dry-run=client", "--set", "namespaces={ml}").stdout
    assert "create configmap serinus-policies --from-file=policies/" in notes
    assert "namespace: ml" in notes


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "namespaces: say where policies may act"),
        ({"namespaces": ["ml", "*"]}, "namespaces"),
        ({"namespaces": ["ML"]}, "namespaces"),
        ({"namespaces": ["ml"], "features": ["workload"]}, "features"),
        ({"namespaces": ["ml"], "replica": 3}, "replica"),
        ({"namespaces": ["ml"], "prometheus": {"url": "prometheus:9090"}}, "prometheus"),
        ({"namespaces": ["ml"], "prometheus": {"url": "https://a.b", "tokenKey": "token"}}, "secretName"),
        ({"namespaces": ["ml"], "prometheusServers": {"eu": {"tenant": "ml"}}}, "url"),
        ({"namespaces": ["ml"], "probeGateways": {"default": {"secretName": "a", "secretKey": "b"}}}, "url"),
        ({"namespaces": ["ml"], "settings": {"LOG_LEVEL": "debug"}}, "LOG_LEVEL"),
        ({"namespaces": ["ml"], "image": {"digest": "latest"}}, "digest"),
        ({"namespaces": ["ml"], "policies": {"a/b.yaml": ""}}, "a/b.yaml"),
        ({"namespaces": ["ml"], "serviceAccount": {"create": False}}, "serviceAccount.name"),
        (
            {"namespaces": ["ml"], "destinations": {"a": {"url": "https://a.b", "secretName": "c"}}},
            "secretKey",
        ),
        ({"namespaces": ["ml"], "destinations": {"a": {"kind": "slack", "channel": "#ml"}}}, "secretName"),
        ({"namespaces": ["ml"], "destinations": {"a": {"kind": "webhook"}}}, "url"),
        ({"namespaces": ["ml"], "gates": {"desk": {"secretName": "a", "secretKey": "b"}}}, "url"),
        ({"namespaces": ["ml"], "api": {"enabled": True, "publicUrl": "https://a.b/path"}}, "publicUrl"),
        ({"namespaces": ["ml"], "api": {"enabled": True, "audience": ""}}, "audience"),
        ({**BUTTONS, "destinations": {}}, "only the messages of a destination of kind slack"),
        ({**BUTTONS, "slackCallbacks": {"enabled": True}}, "secretName"),
        ({**BUTTONS, "slackCallbacks": {"users": {"ann": {"name": "ann"}}}}, "ann"),
        ({**BUTTONS, "slackCallbacks": {"users": {"U1": {}}}}, "name"),
    ],
)
def test_it_refuses_values_that_cannot_work(values: dict[str, Any], words: str) -> None:
    sets = [f"--set-json={key}={json.dumps(value)}" for key, value in values.items()]
    done = helm("template", "serinus", str(CHART), *sets, check=False)
    assert done.returncode != 0
    assert words in done.stderr
