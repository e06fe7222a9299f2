"""The doctor against a real API server: a cluster in which all is well, and one fault at a time."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.lease import LeaseTiming, held, released
from controller.adapters.kube.rbac import roles
from controller.cli.main import app
from controller.features import Feature
from tests.kube import manifests

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "base" / "deployment.yaml"
HTTP_ROUTE = ("gateway.networking.k8s.io/v1", "HTTPRoute")
LEASE = ("coordination.k8s.io/v1", "Lease")
SLICE = ("discovery.k8s.io/v1", "EndpointSlice")
FEATURES = {Feature.WORKLOADS, Feature.CAPACITY}
POLICY = """\
model: fraud
namespace: {namespace}
route: {{httpRoute: fraud}}
metrics: envoy
steps: [5%, 25%]
checks:
  errors: {{max: 1%}}
"""


class Hospital:
    """A daemon's namespace, with its model in it. Nothing runs: everything is as if it did."""

    def __init__(self, server: "ApiServer", namespace: str) -> None:
        self.server = server
        self.admin = server.admin
        self.namespace = namespace
        self._daemon()
        self._model()

    def examined(self, *words: str, person: str = "admin") -> Result:
        config = self.server.kubeconfig(person, namespace=self.namespace)
        typed = ["--kubeconfig", str(config), "doctor", "--daemon", self.namespace, *words]
        return CliRunner().invoke(app, typed, env={"SERINUS_SETTINGS": None}, prog_name="serinus")

    def findings(self, *words: str, person: str = "admin") -> dict[str, dict[str, Any]]:
        """By check and subject."""
        result = self.examined("-o", "json", *words, person=person)
        found = {f"{each['check']} {each['subject']}": each for each in json.loads(result.stdout)["items"]}
        failed = [each for each in found.values() if each["outcome"] == "failed"]
        assert result.exit_code == (1 if failed else 0)
        assert all(each["fix"] for each in failed)
        return found

    def _put(self, api_version: str, kind: str, name: str, **more: Any) -> None:
        metadata = {"name": name, "namespace": self.namespace, **more.pop("metadata", {})}
        self.admin.apply({"apiVersion": api_version, "kind": kind, "metadata": metadata, **more})

    def _daemon(self) -> None:
        self._put("v1", "ServiceAccount", "serinus")
        for each in roles(PERMISSIONS, FEATURES, namespaces=[self.namespace], home=self.namespace):
            self.admin.apply(each if "namespace" in each["metadata"] else self._renamed(each))
        deployment = YAML(typ="safe").load(MANIFEST.read_text())
        deployment["metadata"]["namespace"] = self.namespace
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        told = {
            "SERINUS_KUBERNETES__NAMESPACES": json.dumps([self.namespace]),
            "SERINUS_KUBERNETES__FEATURES": json.dumps(sorted(FEATURES)),
        }
        others = [each for each in container["env"] if each["name"] not in told]
        container["env"] = [*others, *({"name": name, "value": value} for name, value in told.items())]
        self.admin.apply(deployment)
        self.status("apps/v1", "Deployment", "serinus", {"replicas": 2, "readyReplicas": 2})
        self.lease(held("serinus-abc", LeaseTiming(), 7, datetime.now(UTC)))
        self._put(
            "v1",
            "ConfigMap",
            "serinus-policies",
            data={"fraud.yaml": POLICY.format(namespace=self.namespace)},
        )

    def _renamed(self, obj: dict[str, Any]) -> dict[str, Any]:
        """What belongs to the cluster bears the namespace's name: other tests have their own."""
        obj = copy.deepcopy(obj)
        obj["metadata"]["name"] += f"-{self.namespace}"
        if "roleRef" in obj:
            obj["roleRef"]["name"] += f"-{self.namespace}"
        return obj

    def _model(self) -> None:
        self.admin.apply(manifests.service(self.namespace, "fraud", "v1"))
        self.slice(ready=True)
        self.admin.apply(manifests.route(self.namespace, "fraud", [manifests.backend("fraud-v1")]))
        self.accept("True")

    def lease(self, spec: dict[str, Any]) -> None:
        self._put(*LEASE, "serinus", spec=spec)

    def slice(self, *, ready: bool) -> None:
        self._put(
            *SLICE,
            "fraud-v1-x",
            metadata={"labels": {"kubernetes.io/service-name": "fraud-v1"}},
            addressType="IPv4",
            ports=[{"name": "http", "port": manifests.PORT}],
            endpoints=[{"addresses": ["10.1.1.1"], "conditions": {"ready": ready}}],
        )

    def accept(self, status: str) -> None:
        at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        conditions = [
            {
                "type": kind,
                "status": status,
                "reason": "NotAllowedByListeners" if status == "False" else kind,
                "message": "",
                "observedGeneration": 1,
                "lastTransitionTime": at,
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        parent = {
            "parentRef": {"name": "inference-gateway"},
            "controllerName": "example.com/gateway",
            "conditions": conditions,
        }
        self.status(*HTTP_ROUTE, "fraud", {"parents": [parent]})

    def status(self, api_version: str, kind: str, name: str, status: dict[str, Any]) -> None:
        self.admin.patch(api_version, kind, self.namespace, name, {"status": status}, subresource="status")

    def forbid(self, resource: str, verb: str) -> None:
        role = self.admin.get("rbac.authorization.k8s.io/v1", "Role", self.namespace, "serinus")
        assert role is not None
        kept = [
            {
                **rule,
                "verbs": [
                    each for each in rule["verbs"] if resource not in rule["resources"] or each != verb
                ],
            }
            for rule in role["rules"]
        ]
        self.admin.patch("rbac.authorization.k8s.io/v1", "Role", self.namespace, "serinus", {"rules": kept})


@pytest.fixture
def hospital(apiserver: "ApiServer", namespace: str) -> Hospital:
    return Hospital(apiserver, namespace)


def test_where_all_is_well_nothing_is_to_be_mended(hospital: Hospital) -> None:
    found = hospital.findings()
    assert {key: each["outcome"] for key, each in found.items() if each["outcome"] != "ok"} == {
        "prometheus http://prometheus.monitoring:9090": "skipped"
    }
    account = f"{hospital.namespace}/serinus"
    assert found[f"leader {hospital.namespace}/serinus"]["message"] == "serinus-abc leads, term 7"
    for where in (hospital.namespace, "the cluster"):
        assert found[f"rights {where}"]["message"].startswith(f"{account} may do all ")
    assert found["route fraud"]["message"].endswith("fraud-v1 serves")
    assert found["backend fraud"]["message"].endswith("1 of 1 copies are ready")
    assert "TO MEND" in hospital.examined().stdout, "what was skipped can be looked at"


def test_pods_that_are_stopped_sooner_than_the_drain_time_are_warned_of(hospital: Hospital) -> None:
    made = manifests.deployment(hospital.namespace, "fraud", "v1", "x")
    hospital.admin.apply(made)
    found = hospital.findings()["grace fraud"]
    assert found["outcome"] == "warning"
    assert found["message"].startswith(
        "Deployment fraud-v1: a pod that is stopped has 30s to end its requests"
    )
    assert found["fix"]
    made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 60
    hospital.admin.apply(made)
    assert hospital.findings()["grace fraud"]["outcome"] == "ok"


FAULTS: dict[str, tuple[Callable[[Hospital], object], str, str]] = {
    "daemon": (
        lambda it: it.status("apps/v1", "Deployment", "serinus", {"readyReplicas": 0}),
        "daemon {namespace}/serinus",
        "0 of 2 copies",
    ),
    "leader": (
        lambda it: it.lease(released(8, datetime.now(UTC))),
        "leader {namespace}/serinus",
        "gave the Lease up",
    ),
    "rights": (lambda it: it.forbid("httproutes", "patch"), "rights {namespace}", "may not patch httproutes"),
    "policy": (
        lambda it: it.admin.patch(
            "v1", "ConfigMap", it.namespace, "serinus-policies", {"data": {"chat.yaml": "model: [\n"}}
        ),
        "policy configmap {namespace}/serinus-policies/chat.yaml",
        "line ",
    ),
    "gateway": (lambda it: it.accept("False"), "route fraud", "NotAllowedByListeners"),
    "route": (
        lambda it: it.admin.delete(*HTTP_ROUTE, it.namespace, "fraud"),
        "route fraud",
        "does not exist",
    ),
    "service": (
        lambda it: it.admin.delete("v1", "Service", it.namespace, "fraud-v1"),
        "backend fraud",
        "does not exist",
    ),
    "endpoints": (lambda it: it.slice(ready=False), "backend fraud", "none of 1 copies"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_one_finding(hospital: Hospital, fault: str) -> None:
    harm, key, said = FAULTS[fault]
    harm(hospital)
    found = hospital.findings()
    failed = [each for each, finding in found.items() if finding["outcome"] == "failed"]
    assert failed == [key.format(namespace=hospital.namespace)]
    assert said in found[failed[0]]["message"]


def test_somebody_elses_rights_can_be_asked_for(hospital: Hospital) -> None:
    found = hospital.findings("--as", f"{hospital.namespace}/default")
    denied = found[f"rights {hospital.namespace}"]
    assert denied["outcome"] == "failed"
    assert denied["message"].startswith(f"{hospital.namespace}/default may not ")
    assert '"httproutes"' in denied["fix"]


def test_who_may_see_little_is_told_so_and_finds_no_fault_in_the_daemon(hospital: Hospital) -> None:
    found = hospital.findings(person="nobody")
    outcomes = {key.partition(" ")[0]: each["outcome"] for key, each in found.items() if "rights" not in key}
    assert outcomes == {
        "api": "ok",
        "clock": "ok",
        "crd": "skipped",
        "daemon": "skipped",
        "leader": "skipped",
        "prometheus": "skipped",
        "policy": "skipped",
    }


def test_where_the_daemon_runs_it_needs_no_options_and_checks_its_own_rights(
    hospital: Hospital, tmp_path: Path
) -> None:
    (tmp_path / "fraud.yaml").write_text(POLICY.format(namespace=hospital.namespace))
    account = f"system:serviceaccount:{hospital.namespace}:serinus"
    environment = {
        "SERINUS_POLICIES_DIR": str(tmp_path),
        "SERINUS_PROMETHEUS__URL": "http://127.0.0.1:9",
        "SERINUS_KUBERNETES__NAMESPACES": json.dumps([hospital.namespace]),
        "SERINUS_KUBERNETES__FEATURES": json.dumps(sorted(FEATURES)),
        "SERINUS_KUBERNETES__LEASE_NAMESPACE": hospital.namespace,
        "SERINUS_KUBERNETES__IDENTITY": "serinus-abc",
        "SERINUS_KUBERNETES__KUBECONFIG": str(hospital.server.kubeconfig(account)),
    }
    result = CliRunner().invoke(app, ["doctor", "-o", "json"], env=environment, prog_name="serinus")
    found = {f"{each['check']} {each['subject']}": each for each in json.loads(result.stdout)["items"]}
    assert {key: each["outcome"] for key, each in found.items() if each["outcome"] != "ok"} == {
        "crd modelrollouts.serinus.dev": "skipped",
        "prometheus http://127.0.0.1:9": "failed",
    }
    assert found[f"rights {hospital.namespace}"]["message"].startswith("you may do all ")
    assert found["route fraud"]["message"].endswith("fraud-v1 serves")


def test_a_server_that_does_not_answer_is_the_only_finding(hospital: Hospital, tmp_path: Path) -> None:
    config = hospital.server.kubeconfig("admin", "https://127.0.0.1:9", namespace=hospital.namespace)
    result = CliRunner().invoke(
        app, ["--kubeconfig", str(config), "doctor", "-o", "json"], prog_name="serinus"
    )
    assert result.exit_code == 1
    (only,) = json.loads(result.stdout)["items"]
    assert (only["check"], only["outcome"]) == ("api", "failed")
