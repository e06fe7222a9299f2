"""Why copies do not become ready, in the words of the vocabulary, with what to look at next. Pure.

Of several problems the one that waiting mends least is named. What a registry, the scheduler or an admission
check says is quoted, bounded; what a container prints is not: it may hold secrets.

**Source**: core/v1 PodStatus; the kubelet's reasons of waiting containers; kube-scheduler's
"Insufficient ..." messages; apps/v1 DeploymentCondition ``ReplicaFailure``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.workload.kube_endpoints import condition, is_ready
from controller.adapters.workload.kube_labels import name_of
from controller.adapters.workload.kube_problem import Problem, quoted
from controller.domain.vocabulary import Reason

_PULLING = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_UNSTARTABLE = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_LONGEST = 800
_REPEATED = 2
"""Restarts from which a container that is not ready is said to crash again and again."""


@dataclass(frozen=True, slots=True)
class _Container:
    """One container of a pod that is not ready, and its status."""

    pod: Obj
    status: Obj
    init: bool

    @property
    def name(self) -> str:
        return text(self.status.get("name"))

    @property
    def spec(self) -> Obj:
        listed = "initContainers" if self.init else "containers"
        found = map(mapping, sequence(mapping(self.pod.get("spec")).get(listed)))
        return next((each for each in found if each.get("name") == self.name), {})

    @property
    def waiting(self) -> Obj:
        return mapping(mapping(self.status.get("state")).get("waiting"))

    @property
    def restarts(self) -> int:
        return number(self.status.get("restartCount"))

    def __str__(self) -> str:
        return f"{'init container' if self.init else 'container'} {self.name}"


def diagnose(workload: Obj, pods: Iterable[Obj]) -> Problem | None:
    """What keeps copies of a workload from being ready; None when they may only need time.

    ``pods`` are those of the workload. The sentence is about the first of them, by name, with the problem.
    """
    unready = unready_pods(pods)
    containers = [each for pod in unready for each in _containers(pod)]
    found = (
        _unpullable(containers),
        _crashing(containers),
        _unscheduled(unready),
        _refused(workload),
        _unstartable(containers),
        _probing(containers),
    )
    problem = next((each for each in found if each is not None), None)
    return None if problem is None else replace(problem, message=quoted(problem.message, _LONGEST))


def unready_pods(pods: Iterable[Obj]) -> list[Obj]:
    """The pods that should become ready, by name: neither leaving nor over."""
    return sorted(
        (
            each
            for each in pods
            if not is_ready(each)
            and mapping(each.get("metadata")).get("deletionTimestamp") is None
            and mapping(each.get("status")).get("phase") not in ("Succeeded", "Failed")
        ),
        key=name_of,
    )


def waits_for_node(pod: Obj) -> bool:
    """Whether the scheduler found no node for the pod."""
    scheduled = condition(pod, "PodScheduled")
    return scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"


def _containers(pod: Obj) -> Iterator[_Container]:
    for key, init in (("initContainerStatuses", True), ("containerStatuses", False)):
        for status in map(mapping, sequence(mapping(pod.get("status")).get(key))):
            if status.get("ready") is not True:
                yield _Container(pod, status, init)


def _unpullable(containers: Sequence[_Container]) -> Problem | None:
    for each in containers:
        reason, words = text(each.waiting.get("reason")), quoted(text(each.waiting.get("message")))
        image = quoted(text(each.spec.get("image")) or text(each.status.get("image")))
        if reason == "InvalidImageName":
            message = f"{image} is not the name of an image: {words or reason}"
            return Problem(Reason.IMAGE_PULL_FAILED, message, hopeless=True)
        if reason in _PULLING:
            return Problem(Reason.IMAGE_PULL_FAILED, f"image {image} cannot be pulled: {words or reason}")
    return None


def _crashing(containers: Sequence[_Container]) -> Problem | None:
    for each in containers:
        looping = each.waiting.get("reason") == "CrashLoopBackOff" or each.restarts >= _REPEATED
        last = mapping(mapping(each.status.get("lastState")).get("terminated"))
        last = mapping(mapping(each.status.get("state")).get("terminated")) or last
        if not looping or not last:
            continue
        reason = text(last.get("reason"))
        out_of_memory = reason == "OOMKilled"
        limit = text(mapping(mapping(each.spec.get("resources")).get("limits")).get("memory"))
        limited = f", its memory limit is {quoted(limit)}" if out_of_memory and limit else ""
        named = f" ({quoted(reason)})" if reason and reason not in ("Error", "Completed") else ""
        namespace = text(mapping(each.pod.get("metadata")).get("namespace"))
        message = (
            f"{each} ended with exit code {last.get('exitCode', 'unknown')}{named}, "
            f"{each.restarts} restart{'' if each.restarts == 1 else 's'}{limited}; read: "
            f"kubectl logs -n {namespace} {name_of(each.pod)} -c {each.name} --previous"
        )
        return Problem(Reason.CRASH_LOOPING, message)
    return None


def _unscheduled(pods: Sequence[Obj]) -> Problem | None:
    for pod in filter(waits_for_node, pods):
        words = quoted(text(condition(pod, "PodScheduled").get("message")))
        reason = Reason.INSUFFICIENT_CAPACITY if "Insufficient " in words else Reason.UNSCHEDULABLE
        return Problem(reason, f"no node takes {name_of(pod)}: {words or 'the scheduler says no more'}")
    return None


def _refused(workload: Obj) -> Problem | None:
    """The cluster refuses to make pods: a quota, or an admission check."""
    failure = condition(workload, "ReplicaFailure")
    if failure.get("status") != "True" or not _current(workload):
        return None
    words = quoted(text(failure.get("message")))
    reason = Reason.INSUFFICIENT_CAPACITY if "exceeded quota" in words else Reason.WORKLOAD_REFUSED
    return Problem(reason, f"the cluster makes no pods of {name_of(workload)}: {words}")


def _unstartable(containers: Sequence[_Container]) -> Problem | None:
    for each in containers:
        reason = text(each.waiting.get("reason"))
        if reason in _UNSTARTABLE:
            words = quoted(text(each.waiting.get("message"))) or reason
            return Problem(None, f"{each} of {name_of(each.pod)} cannot start: {words}")
    return None


def _probing(containers: Sequence[_Container]) -> Problem | None:
    for each in containers:
        if each.init or not mapping(mapping(each.status.get("state")).get("running")):
            continue
        probe = (
            "startup" if each.status.get("started") is False and "startupProbe" in each.spec else "readiness"
        )
        return Problem(None, f"{each} of {name_of(each.pod)} runs, its {probe} probe does not succeed yet")
    return None


def _current(workload: Obj) -> bool:
    """Whether the status is about the present spec."""
    seen = mapping(workload.get("status")).get("observedGeneration")
    return number(seen) >= number(mapping(workload.get("metadata")).get("generation"))
