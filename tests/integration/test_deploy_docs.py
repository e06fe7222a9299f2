"""Every command of the documentation that a cluster can take is run against a real API server.

The server is older than what we ask for (1.20), so in the copy that is installed from the chart asks for no
version, and kubectl and helm are told not to check fields that such a server does not know.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import REPOSITORY
from tests.deploy.flagger import flagger
from tests.deploy.prometheus_operator import prometheus_operator
from tests.deploy.rendering import program
from tests.deploy.shell_blocks import script
from tests.deploy.terminal import PROGRAMS
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

INSTALL = REPOSITORY / "docs" / "how-to" / "install-in-a-cluster.md"
INSTALLATIONS = {
    "kustomize": script("docs/how-to/install-in-a-cluster.md", "kustomize"),
    "helm": script("docs/how-to/install-in-a-cluster.md", "helm"),
}
DEPLOY = script("docs/how-to/deploy-a-new-version.md")
ROLLOUT = ("serinus.dev/v1alpha1", "ModelRollout", "ml")
POLICY = """\
model: fraud-detector
namespace: ml
route: {httpRoute: fraud-detector}
metrics: envoy
steps: [5%, 50%]
checks: {errors: {max: 1%}}
"""
KUBECTL = """\
#!/bin/sh
[ "$1" = apply ] && { shift; set -- apply --validate=false "$@"; }
exec KUBECTL "$@"
"""
DOCKER = """\
#!/bin/sh
# docker build -t IMAGE FOLDER, docker push IMAGE
case "$1" in
  build) [ "$2" = -t ] && [ -f "$4/Dockerfile" ] && echo built ;;
  push) [ $# = 2 ] && echo pushed ;;
  *) exit 1 ;;
esac
"""
HELM = """\
#!/bin/sh
old="--server-side=false --disable-openapi-validation --take-ownership"
case "$1" in install|upgrade) command="$1"; shift; set -- "$command" $old "$@" ;; esac
exec HELM "$@"
"""


class Shell:
    """A copy of what a user has: the repository, a folder of policies, kubectl and helm for the cluster."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self._folder = folder
        self._config = server.kubeconfig("admin")
        shutil.copytree(
            REPOSITORY / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("local", "*.py")
        )
        chart = folder / "deploy" / "helm" / "serinus" / "Chart.yaml"
        lines = chart.read_text().splitlines(keepends=True)
        chart.write_text("".join(line for line in lines if not line.startswith("kubeVersion")))
        (folder / "policies").mkdir()
        (folder / "policies" / "fraud-detector.yaml").write_text(POLICY)
        for name, text in {"kubectl": KUBECTL, "helm": HELM}.items():
            tool = folder / "bin" / name
            tool.parent.mkdir(exist_ok=True)
            tool.write_text(text.replace(name.upper(), program(name)))
            tool.chmod(0o755)
        shutil.copy(REPOSITORY / "Dockerfile", folder)
        docker = folder / "bin" / "docker"
        docker.write_text(DOCKER)
        docker.chmod(0o755)

    def run(self, script: str) -> str:
        environment = {
            "PATH": f"{self._folder / 'bin'}:{PROGRAMS}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(self._folder),
            "KUBECONFIG": str(self._config),
        }
        done = subprocess.run(
            ("bash", "-euo", "pipefail", "-c", script),
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{script}\n{done.stderr}{done.stdout}"
        return done.stdout


@pytest.fixture
def shell(apiserver: ApiServer, tmp_path: Path) -> Iterator[Shell]:
    """A shell, in a cluster with the namespace ml. What a run has made is gone afterwards."""
    for each in prometheus_operator():
        apiserver.admin.define(each)
    apiserver.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}})
    shell = Shell(apiserver, tmp_path)
    yield shell
    everything = "serviceaccounts,roles,rolebindings,deployments,services,configmaps,poddisruptionbudgets"
    shell.run(
        f"kubectl delete --all-namespaces --wait=false {everything},networkpolicies,prometheusrules"
        " -l app.kubernetes.io/instance=serinus\n"
        "kubectl delete clusterroles,clusterrolebindings -l app.kubernetes.io/instance=serinus\n"
        "kubectl -n serinus delete --ignore-not-found configmap serinus-policies\n"
        "kubectl -n serinus delete --ignore-not-found secret -l owner=helm\n"
        "kubectl -n ml delete --ignore-not-found --all modelrollouts,httproutes\n"
        "kubectl -n assistants delete --ignore-not-found --all modelrollouts"
    )


@pytest.mark.parametrize("way", ["kustomize", "helm"])
def test_three_commands_install_it_and_begin_a_release(apiserver: ApiServer, shell: Shell, way: str) -> None:
    commands = INSTALLATIONS[way]
    if way == "kustomize":  # the page's later block updates the policies that the first made
        assert "--dry-run=client" in commands
    shell.run(commands)
    admin = apiserver.admin
    assert admin.get("apps/v1", "Deployment", "serinus", "serinus")
    assert admin.get(*ROLLOUT, "fraud-v7")
    policies = admin.get("v1", "ConfigMap", "serinus", "serinus-policies")
    assert policies is not None
    assert policies["data"] == {"fraud-detector.yaml": POLICY}
    account = "--as=system:serviceaccount:serinus:serinus"
    asked = ("auth", "can-i", "patch", "httproutes", "-n", "ml", account)
    admin.until(
        lambda: apiserver.kubectl(*asked, check=False).returncode == 0, "the account may patch routes"
    )


def test_the_readme_says_the_same_in_short(apiserver: ApiServer, shell: Shell) -> None:
    shell.run(script("README.md"))
    assert apiserver.admin.get("apps/v1", "Deployment", "serinus", "serinus")
    assert apiserver.admin.get(*ROLLOUT, "fraud-v7")


def test_the_install_takes_three_commands() -> None:
    """As the page promises: each way's first three blocks are one command each."""
    text = INSTALL.read_text(encoding="utf-8").partition("## Choose what it may do")[0]
    for way in ("kustomize", "helm"):
        blocks = [block for block in text.split("<!-- tested: ")[1:] if way in block.partition(" -->")[0]]
        assert len(blocks) == 3


def test_the_image_is_built_where_its_file_is_and_pushed(shell: Shell) -> None:
    """By a stand-in: no Docker is here. What the file says, test_deploy_image does step by step."""
    assert shell.run(script("docs/how-to/install-in-a-cluster.md", "image")).splitlines() == [
        "built",
        "pushed",
    ]


def test_a_language_model_is_released_under_its_policy(apiserver: ApiServer, shell: Shell) -> None:
    apiserver.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "assistants"}})
    assert "code-assistant-v2" in shell.run(script("docs/how-to/llm.md", "cluster"))
    rollout = apiserver.admin.get("serinus.dev/v1alpha1", "ModelRollout", "assistants", "code-assistant-v2")
    assert rollout is not None
    assert rollout["spec"]["backend"] == {"kind": "InferencePool", "name": "code-assistant-v2"}


def test_models_of_kserve_are_released(apiserver: ApiServer, shell: Shell) -> None:
    for name in ("credit", "assistants"):
        apiserver.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    shell.run(script("docs/how-to/kserve.md", "model"))
    rollout = apiserver.admin.get("serinus.dev/v1alpha1", "ModelRollout", "credit", "credit-scorer-v8")
    assert rollout is not None
    assert rollout["spec"]["storageUri"] == "gs://models/credit/8"
    shell.run(script("docs/how-to/kserve.md", "llm"))
    rollout = apiserver.admin.get("serinus.dev/v1alpha1", "ModelRollout", "assistants", "legal-assistant-v2")
    assert rollout is not None
    assert rollout["spec"]["backend"] == {"kind": "LLMInferenceService", "name": "legal-v2"}
    for namespace in ("credit", "assistants"):
        apiserver.kubectl("delete", "modelrollouts", "--all", "-n", namespace)
    apiserver.kubectl("delete", "llminferenceservices", "--all", "-n", "assistants")


def test_a_subset_and_a_revision_are_released(apiserver: ApiServer, shell: Shell) -> None:
    said = shell.run(script("docs/how-to/gateways.md", "cluster"))
    backends = {
        "risk-mesh-v7": {"kind": "Service", "name": "risk", "subset": "v7"},
        "reranker-knative-v7": {"kind": "Revision", "name": "reranker-00007"},
    }
    for name, backend in backends.items():
        assert name in said
        rollout = apiserver.admin.get("serinus.dev/v1alpha1", "ModelRollout", "ml", name)
        assert rollout is not None
        assert rollout["spec"]["backend"] == backend


def test_models_are_dealt_out_by_namespaces(apiserver: ApiServer, shell: Shell) -> None:
    for name in ("risk", "vision"):
        apiserver.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    shell.run(script("docs/how-to/scale-out.md", "namespaces"))
    for name, other in (("risk", "vision"), ("vision", "risk")):
        account = f"--as=system:serviceaccount:serinus-{name}:serinus-{name}"
        asked = ("auth", "can-i", "patch", "httproutes", account, "-n")
        assert apiserver.kubectl(*asked, name, check=False).stdout.strip() == "yes"
        assert apiserver.kubectl(*asked, other, check=False).stdout.strip() == "no"
    shell.run("for name in risk vision; do helm uninstall serinus-$name -n serinus-$name; done")


def test_models_are_dealt_out_to_shards(apiserver: ApiServer, shell: Shell) -> None:
    shell.run(
        "helm install serinus deploy/helm/serinus -n serinus --create-namespace --set 'namespaces={ml}'"
    )
    shell.run(script("docs/how-to/scale-out.md", "shards"))
    found = apiserver.kubectl("-n", "serinus", "get", "deployments", "-o", "name").stdout.split()
    assert found == [f"deployment.apps/serinus-{index}-of-3" for index in (1, 2, 3)]
    account = "--as=system:serviceaccount:serinus:serinus"
    for lease, answer in (("serinus-2-of-3", "yes"), ("serinus", "no")):
        asked = ("auth", "can-i", "patch", f"lease/{lease}", "-n", "serinus", account)
        assert apiserver.kubectl(*asked, check=False).stdout.strip() == answer
    shell.run("helm uninstall serinus -n serinus")


def test_a_folder_of_ones_own_chooses_features(apiserver: ApiServer, shell: Shell) -> None:
    shell.run(script("docs/how-to/install-in-a-cluster.md", "own"))
    deployment = apiserver.admin.get("apps/v1", "Deployment", "serinus", "serinus")
    assert deployment is not None
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/serinus:0.1.0"
    assert apiserver.admin.get("rbac.authorization.k8s.io/v1", "ClusterRole", None, "serinus-capacity")


def test_the_overlay_for_one_namespace_is_copied_and_changed(apiserver: ApiServer, shell: Shell) -> None:
    apiserver.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vision"}})
    shell.run(script("docs/how-to/install-in-a-cluster.md", "one-namespace"))
    assert apiserver.admin.get("rbac.authorization.k8s.io/v1", "Role", "vision", "serinus")
    models = apiserver.admin.get("networking.k8s.io/v1", "NetworkPolicy", "serinus", "serinus-models")
    deployment = apiserver.admin.get("apps/v1", "Deployment", "serinus", "serinus")
    assert models is not None
    assert deployment is not None
    [rule] = models["spec"]["egress"]
    assert rule["to"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "vision"}}}]
    variables = {each["name"]: each.get("value") for each in _container(deployment)["env"]}
    assert variables["SERINUS_KUBERNETES__NAMESPACES"] == '["vision"]'


def test_a_release_is_made_watched_and_steered(apiserver: ApiServer, shell: Shell) -> None:
    blocks = DEPLOY
    made, _, rest = blocks.partition("kubectl --namespace ml get modelrollouts\n")
    shell.run(made)
    _promoted(apiserver, "fraud-v7")
    out = shell.run("kubectl --namespace ml get modelrollouts\n" + rest)
    assert "fraud-v7" in out
    assert "Succeeded: the version passed every check" in out
    rollout = apiserver.admin.get(*ROLLOUT, "fraud-v7")
    assert rollout is not None
    assert rollout["spec"]["request"] == {"id": "pause-2026-11-25", "action": "pause", "by": "ann"}


def test_the_promoted_version_is_read_for_git(apiserver: ApiServer, shell: Shell) -> None:
    shell.run(DEPLOY.partition("kubectl --namespace ml get modelrollouts\n")[0])
    _promoted(apiserver, "fraud-v7")
    apiserver.admin.apply(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "fraud-detector", "namespace": "ml"},
            "spec": {"rules": [{"backendRefs": [{"name": "fraud-v7", "port": 8080}]}]},
        }
    )
    assert shell.run(script("docs/how-to/gitops.md")).splitlines()[-1] == "fraud-v7"


def _container(deployment: dict[str, Any]) -> dict[str, Any]:
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)


def _promoted(server: ApiServer, name: str) -> None:
    """What the daemon writes at the end."""
    at = "2026-11-25T10:00:00Z"
    words = {"reason": "Promoted", "message": "the version passed every check", "lastTransitionTime": at}
    conditions = [
        {"type": kind, "status": status, "observedGeneration": 1, **words}
        for kind, status in (("Progressing", "False"), ("Promoted", "True"))
    ]
    status = {
        "phase": "Succeeded",
        "reason": "Promoted",
        "message": words["message"],
        "conditions": conditions,
    }
    server.admin.patch(*ROLLOUT, name, {"status": status}, "status")


def test_alerts_and_dashboard_come_without_helms_release(apiserver: ApiServer, shell: Shell) -> None:
    apiserver.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "serinus"}})
    shell.run(script("docs/how-to/observe.md", "cluster"))
    rule = apiserver.admin.get("monitoring.coreos.com/v1", "PrometheusRule", "serinus", "serinus")
    board = apiserver.admin.get("v1", "ConfigMap", "serinus", "serinus-dashboard")
    assert rule is not None
    assert rule["spec"]["groups"][0]["rules"]
    assert board is not None
    assert board["data"]["serinus.json"]


def test_the_alerts_are_found_good_where_prometheus_reads_files(shell: Shell) -> None:
    assert "SUCCESS" in shell.run(script("docs/how-to/observe.md", "machine"))


def test_a_canary_of_flagger_becomes_a_policy(apiserver: ApiServer, shell: Shell, tmp_path: Path) -> None:
    apiserver.admin.define(*flagger())
    examples = REPOSITORY / "tests" / "golden" / "convert"
    apiserver.kubectl("apply", "-f", str(examples / "canary-01-fraud-detector.yaml"), "--validate=false")
    shell.run(script("docs/how-to/convert.md", "cluster"))
    assert "\nmodel: fraud-detector\n" in (tmp_path / "policies" / "fraud-detector.yaml").read_text()
    shutil.copy(examples / "canary-02-queries.yaml", tmp_path / "canary.yaml")
    assert '"$version"' in shell.run(script("docs/how-to/convert.md", "label"))


def test_a_token_is_made_for_a_program(apiserver: ApiServer, shell: Shell) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ci", "namespace": "ml"}}
    apiserver.admin.apply(account)
    token = shell.run(script("docs/how-to/api.md", "cluster")).strip()
    assert token.count(".") == 2


def test_everything_is_paused_and_goes_on(apiserver: ApiServer, shell: Shell) -> None:
    apiserver.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "serinus"}})
    said = shell.run(script("docs/how-to/fleet.md", "cluster"))
    assert "reason: the feature store is down" in said
    assert "lets everything go on" in said
    assert apiserver.admin.get("v1", "ConfigMap", "serinus", "serinus-pause") is None


def test_an_adapter_is_released_under_its_policy(apiserver: ApiServer, shell: Shell) -> None:
    apiserver.admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "assistants"}})
    shell.run(script("docs/how-to/lora.md", "cluster"))
    rewrite = apiserver.admin.get("llm-d.ai/v1alpha2", "InferenceModelRewrite", "assistants", "food-review")
    assert rewrite is not None
    rollout = apiserver.admin.get("serinus.dev/v1alpha1", "ModelRollout", "assistants", "food-review-v2")
    assert rollout is not None
    assert rollout["spec"]["backend"] == {"kind": "LoraAdapter", "name": "food-review-v2"}
