"""How many copies of a version would serve everyone: the measure for shares of requests."""

from controller.adapters.kube.identity import attempt_of
from controller.adapters.workload.kube_endpoints import Endpoints
from controller.adapters.workload.kube_labels import (
    COPIES,
    CREATED,
    ROLLOUT,
    annotations_of,
    labels_of,
)
from controller.adapters.workload.kube_look import look
from controller.adapters.workload.kube_scalable import Scalable
from controller.adapters.workload.kube_view import ClusterView
from controller.domain.model import Rollout


async def full_copies(view: ClusterView, rollout: Rollout, target: Scalable) -> int | None:
    """What the stable version has, at least 1; None when there is none to measure by.

    An autoscaler takes copies from the stable version as the canary takes its requests, so the number from
    the beginning of the rollout counts where it is known and larger.
    """
    stable = rollout.stable
    if stable is None or stable.backend is None:
        return None
    namespace = rollout.policy.namespace
    workloads = await stable_workloads(view, rollout)
    asked = sum(each.replicas for each in workloads)
    if asked == 0:
        seen = await look(view, namespace, stable.backend)
        asked = len(seen.ready) if isinstance(seen, Endpoints) else 0
    return max(asked, _at_first(rollout, target), 1)


async def stable_workloads(view: ClusterView, rollout: Rollout) -> list[Scalable]:
    """What makes the pods of the stable version, as far as that may be read."""
    stable = rollout.stable
    if stable is None or stable.backend is None:
        return []
    return await view.behind(rollout.policy.namespace, stable.backend)


def scales(rollout: Rollout, target: Scalable | None) -> bool:
    """Whether Serinus gives the canary its copies: it created them, now or earlier, or the policy lets it."""
    release, rules = rollout.release, rollout.policy.workload
    created = target is not None and labels_of(target.obj).get(CREATED) == "true"
    return release.image is not None or rules.scale or created


def _at_first(rollout: Rollout, target: Scalable) -> int:
    if labels_of(target.obj).get(ROLLOUT) != attempt_of(rollout.id)[0]:
        return 0  # cloned for another rollout, at another time of day
    copies = annotations_of(target.obj).get(COPIES, "")
    return int(copies) if copies.isascii() and copies.isdigit() else 0
