"""Reads from a pod's template how long it has to end its requests when it is stopped. Pure.

**Source**: core/v1 PodSpec, Lifecycle and SleepAction (Kubernetes 1.30 and later); vLLM's ``serve``,
``--shutdown-timeout``.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.workload.kube_scalable import Scalable
from controller.domain.grace import Grace, short_grace
from controller.domain.wording import listed

_DEFAULT_SECONDS = 30
"""The API's own, where nothing is set."""
_LONGEST_SECONDS = 7 * 24 * 3600
_SLEEP = re.compile(r"\bsleep\s+([0-9]{1,6})(s?)\b")
_SHUTDOWN = re.compile(r"--shutdown-timeout(?:=|\s+)([0-9]{1,6})\b")


def grace_of(template: Obj) -> Grace:
    """As the template of the pods says. Of several containers the one that takes longest counts."""
    spec = mapping(template.get("spec"))
    asked = spec.get("terminationGracePeriodSeconds")
    containers = [mapping(each) for each in sequence(spec.get("containers"))]
    shutdowns = [seconds for each in containers for seconds in _shutdown(each)]
    return Grace(
        whole=_span(_DEFAULT_SECONDS if asked is None else number(asked)),
        pre_stop=_span(max((_pre_stop(each) for each in containers), default=0)),
        shutdown=_span(max(shutdowns)) if shutdowns else None,
    )


def grace_cautions(workloads: Iterable[Scalable], drain: timedelta) -> tuple[str, ...]:
    """What is too short for the policy's drain time; workloads that are stopped alike are one sentence."""
    alike: dict[Grace, list[str]] = {}
    for each in workloads:
        alike.setdefault(grace_of(each.template), []).append(str(each))
    said = (short_grace(listed(names), grace, drain) for grace, names in alike.items())
    return tuple(filter(None, said))


def _pre_stop(container: Obj) -> int:
    """Seconds that a hook sleeps; 0 of a hook that does anything else, whose time nobody can read."""
    hook = mapping(mapping(container.get("lifecycle")).get("preStop"))
    slept = number(mapping(hook.get("sleep")).get("seconds"))
    command = " ".join(map(text, sequence(mapping(hook.get("exec")).get("command"))))
    return max(slept, *(int(found[1]) for found in _SLEEP.finditer(command)), 0)


def _shutdown(container: Obj) -> Iterator[int]:
    words = [*sequence(container.get("command")), *sequence(container.get("args"))]
    for found in _SHUTDOWN.finditer(" ".join(map(text, words))):
        yield int(found[1])


def _span(seconds: int) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0), _LONGEST_SECONDS))
