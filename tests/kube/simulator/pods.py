"""What a scheduler and a kubelet say of a pod, as kubectl shows it: objects in, statuses out. Pure."""

from collections.abc import Iterable
from typing import Any

from tests.kube.simulator.images import Container, image

Obj = dict[str, Any]

_RESTARTS = 4


def running(pod: Obj, ip: str, now: str) -> Obj:
    """The status of a pod whose containers all are ready."""
    states = [
        _container(each, ready=True, state={"running": {"startedAt": now}}) for each in _containers(pod)
    ]
    return {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "hostIP": "127.0.0.1",
        "startTime": now,
        "containerStatuses": states,
        "conditions": conditions(
            pod,
            [(kind, "True", "", "") for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")],
            now,
        ),
    }


def waiting(pod: Obj, now: str, *, starting: bool) -> Obj:
    """The status of a pod that has a node but is not ready: it starts, or it cannot."""
    states, crashing = [], False
    for each in _containers(pod):
        container = image(each["image"]).container
        if starting or container is Container.RUNS:
            state = {"waiting": {"reason": "ContainerCreating"}}
            states.append(_container(each, ready=False, state=state))
        elif container is Container.CRASHES:
            crashing = True
            states.append(_crashed(each, pod["metadata"]["name"], now))
        else:
            message = f'Back-off pulling image "{each["image"]}"'
            state = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
            states.append(_container(each, ready=False, state=state))
    unready = [each["name"] for each in _containers(pod)]
    said = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    wanted = [("PodScheduled", "True", "", ""), ("Initialized", "True", "", "")]
    wanted += [(kind, "False", *said) for kind in ("ContainersReady", "Ready")]
    return {
        "phase": "Running" if crashing else "Pending",
        "hostIP": "127.0.0.1",
        "startTime": now,
        "containerStatuses": states,
        "conditions": conditions(pod, wanted, now),
    }


def unschedulable(pod: Obj, message: str, now: str) -> Obj:
    """The status of a pod that fits on no node."""
    wanted = [("PodScheduled", "False", "Unschedulable", message)]
    return {"phase": "Pending", "conditions": conditions(pod, wanted, now)}


def _containers(pod: Obj) -> list[Obj]:
    found: list[Obj] = pod["spec"]["containers"]
    return found


def _container(spec: Obj, *, ready: bool, state: Obj) -> Obj:
    return {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": f"simulated://{spec['image']}" if ready else "",
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    }


def _crashed(spec: Obj, pod: str, now: str) -> Obj:
    message = f"back-off 1m20s restarting failed container={spec['name']} pod={pod}"
    ended = {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}
    return {
        **_container(
            spec, ready=False, state={"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        ),
        "restartCount": _RESTARTS,
        "lastState": {"terminated": ended},
    }


def conditions(obj: Obj, wanted: Iterable[tuple[str, str, str, str]], now: str) -> list[Obj]:
    """Type, status, reason and message of each; the time of the last change is kept where nothing changed."""
    old = {each["type"]: each for each in obj.get("status", {}).get("conditions", [])}
    made = []
    for kind, status, reason, message in wanted:
        before = old.get(kind, {})
        since = before.get("lastTransitionTime") if before.get("status") == status else None
        condition = {"type": kind, "status": status, "lastTransitionTime": since or now}
        made.append(
            condition | {key: text for key, text in (("reason", reason), ("message", message)) if text}
        )
    return made


def is_ready(pod: Obj) -> bool:
    """Whether the kubelet says Ready, and the pod is not being deleted."""
    found = pod.get("status", {}).get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in found)
    return ready and "deletionTimestamp" not in pod["metadata"]


def container_port(pod: Obj) -> int | None:
    """The first port that a container declares: where its server listens."""
    for container in _containers(pod):
        for port in container.get("ports", []):
            number: int = port["containerPort"]
            return number
    return None
