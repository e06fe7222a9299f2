"""The checker finds every breach of the standard; what we deploy has none."""

import json
from typing import Any

import pytest

from tests.deploy.pod_security import of_workload, violations
from tests.deploy.rendering import OVERLAYS, charted, kustomized

Obj = dict[str, Any]

GOOD: Obj = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [
        {
            "name": "a",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "livenessProbe": {"httpGet": {"path": "/", "port": 1}},
            "ports": [{"containerPort": 1}],
        }
    ],
}
CONTAINER = ("containers", 0)
CONTEXT = (*CONTAINER, "securityContext")
BREACHES = [
    (("hostNetwork",), True),
    (("hostPID",), True),
    (("hostIPC",), True),
    (("volumes", 0, "hostPath"), {"path": "/"}),
    (("volumes", 0, "nfs"), {}),
    (("securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
    (("securityContext", "runAsNonRoot"), False),
    (("securityContext", "runAsUser"), 0),
    (("securityContext", "seccompProfile"), {"type": "Unconfined"}),
    (("securityContext", "seccompProfile"), None),
    (("securityContext", "appArmorProfile"), {"type": "Unconfined"}),
    (("securityContext", "seLinuxOptions"), {"type": "spc_t"}),
    (("securityContext", "seLinuxOptions"), {"role": "sysadm_r"}),
    (("securityContext", "windowsOptions"), {"hostProcess": True}),
    ((*CONTEXT, "privileged"), True),
    ((*CONTEXT, "allowPrivilegeEscalation"), None),
    ((*CONTEXT, "capabilities"), {"drop": ["NET_RAW"]}),
    ((*CONTEXT, "capabilities"), {"drop": ["ALL"], "add": ["SYS_PTRACE"]}),
    ((*CONTEXT, "procMount"), "Unmasked"),
    ((*CONTEXT, "runAsNonRoot"), False),
    ((*CONTEXT, "runAsUser"), 0),
    ((*CONTEXT, "seccompProfile"), {"type": "Unconfined"}),
    ((*CONTAINER, "ports"), [{"containerPort": 1, "hostPort": 1}]),
    ((*CONTAINER, "livenessProbe", "httpGet", "host"), "10.0.0.1"),
    ((*CONTAINER, "lifecycle"), {"preStop": {"tcpSocket": {"host": "10.0.0.1", "port": 1}}}),
    (("initContainers",), [{"name": "b"}]),
]


def changed(path: tuple[str | int, ...], value: Any) -> Obj:
    pod: Any = json.loads(json.dumps(GOOD))
    place = pod
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return pod  # type: ignore[no-any-return]


def test_a_restricted_pod_is_admitted() -> None:
    assert violations({}, GOOD) == []


@pytest.mark.parametrize(("path", "value"), BREACHES)
def test_a_breach_is_found(path: tuple[str | int, ...], value: Any) -> None:
    assert violations({}, changed(path, value))


def test_a_breach_by_annotation_is_found() -> None:
    annotation = {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}
    assert violations({"annotations": annotation}, GOOD)


def test_a_bindable_port_may_be_allowed() -> None:
    allowed = {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    assert violations({}, changed((*CONTEXT, "capabilities"), allowed)) == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_daemon_is_restricted(overlay: str) -> None:
    [deployment] = [each for each in kustomized(overlay) if each["kind"] == "Deployment"]
    assert of_workload(deployment) == []
    assert_hardened(deployment["spec"]["template"]["spec"])


def test_the_chart_is_restricted() -> None:
    destination = {"url": "https://hooks.example.com/a", "secretName": "key", "secretKey": "key"}
    rendered = charted({"namespaces": ["ml"], "destinations": {"ops": destination}})
    workloads = [each for each in rendered if each["kind"] in {"Deployment", "Pod"}]
    assert {each["kind"] for each in workloads} == {"Deployment", "Pod"}
    for workload in workloads:
        assert of_workload(workload) == []
        assert_hardened(workload["spec"].get("template", workload)["spec"])


def assert_hardened(pod: Obj) -> None:
    """What we promise beyond the standard."""
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["enableServiceLinks"] is False, "they would put SERINUS_PORT and the like into the environment"
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert not any("subPath" in mount for mount in container.get("volumeMounts", ()))
    for volume in pod.get("volumes", ()):
        assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]
