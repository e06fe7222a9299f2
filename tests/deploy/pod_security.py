"""Whether a pod keeps the Pod Security Standard ``restricted``, which holds all of ``baseline``.

**Source**: Kubernetes, "Pod Security Standards", the tables of the two profiles as of version 1.34. The test
API server has no such admission, so the rules are asked here. A rule about Windows is left out: our pods bear
no ``os.name``, so all rules hold for them.
"""

from collections.abc import Callable, Iterator
from typing import Any

Obj = dict[str, Any]

_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
    }
)
_SELINUX = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_APPARMOR = frozenset({"RuntimeDefault", "Localhost"})
_SECCOMP = frozenset({"RuntimeDefault", "Localhost"})
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")


def violations(metadata: Obj, spec: Obj) -> list[str]:
    """Every breach, as a path and what stands there; empty when the pod is admitted."""
    found = list(_of_pod(metadata, spec))
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, ()):
            where = f"{kind}[{container.get('name')}]"
            found += [f"{where}.{breach}" for breach in _of_container(spec, container)]
    return found


def of_workload(workload: Obj) -> list[str]:
    """The violations of a Pod, or of the template of a Deployment or Job."""
    if workload["kind"] == "Pod":
        return violations(workload["metadata"], workload["spec"])
    template = workload["spec"]["template"]
    return violations(template.get("metadata", {}), template["spec"])


def _of_pod(metadata: Obj, spec: Obj) -> Iterator[str]:
    context = spec.get("securityContext", {})
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field}: true"
    if spec.get("hostUsers") is True and spec.get("hostNetwork"):
        yield "hostUsers: true"
    yield from (
        f"securityContext.sysctls: {each['name']}"
        for each in context.get("sysctls", ())
        if each["name"] not in _SYSCTLS
    )
    for volume in spec.get("volumes", ()):
        yield from (f"volumes[{volume['name']}]: {kind}" for kind in volume.keys() - {"name"} - _VOLUMES)
    for key, profile in metadata.get("annotations", {}).items():
        if key.startswith("container.apparmor.security.beta.kubernetes.io/") and not (
            profile == "runtime/default" or profile.startswith("localhost/")
        ):
            yield f"annotations[{key}]: {profile}"
    if context.get("runAsUser") == 0:
        yield "securityContext.runAsUser: 0"
    yield from (f"securityContext.{breach}" for breach in _of_any_context(context))


def _of_container(spec: Obj, container: Obj) -> Iterator[str]:
    context = container.get("securityContext", {})
    pods = spec.get("securityContext", {})
    rules: dict[str, Callable[[], bool]] = {
        "privileged": lambda: not context.get("privileged"),
        "allowPrivilegeEscalation": lambda: context.get("allowPrivilegeEscalation") is False,
        "capabilities.drop": lambda: "ALL" in context.get("capabilities", {}).get("drop", ()),
        "capabilities.add": lambda: {*context.get("capabilities", {}).get("add", ())} <= {"NET_BIND_SERVICE"},
        "procMount": lambda: context.get("procMount", "Default") == "Default",
        "runAsNonRoot": lambda: context.get("runAsNonRoot", pods.get("runAsNonRoot")) is True,
        "runAsUser": lambda: context.get("runAsUser") != 0,
        "seccompProfile": lambda: bool(context.get("seccompProfile") or pods.get("seccompProfile")),
    }
    yield from (f"securityContext.{name}" for name, kept in rules.items() if not kept())
    yield from (f"securityContext.{breach}" for breach in _of_any_context(context))
    yield from (
        f"ports: hostPort {each['hostPort']}" for each in container.get("ports", ()) if each.get("hostPort")
    )
    handlers = {probe: container.get(probe, {}) for probe in _PROBES}
    handlers |= {hook: container.get("lifecycle", {}).get(hook, {}) for hook in _HOOKS}
    for name, handler in handlers.items():
        for kind in ("httpGet", "tcpSocket"):
            if handler.get(kind, {}).get("host"):
                yield f"{name}.{kind}.host"


def _of_any_context(context: Obj) -> Iterator[str]:
    """What both a pod's and a container's security context must keep, if it says it."""
    if "seccompProfile" in context and context["seccompProfile"].get("type") not in _SECCOMP:
        yield f"seccompProfile.type: {context['seccompProfile'].get('type')}"
    if "appArmorProfile" in context and context["appArmorProfile"].get("type") not in _APPARMOR:
        yield f"appArmorProfile.type: {context['appArmorProfile'].get('type')}"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield "windowsOptions.hostProcess: true"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type", "") not in _SELINUX or selinux.get("user") or selinux.get("role"):
        yield "seLinuxOptions"
