"""Where in a cluster the daemons live that look after a namespace: each has its pause of everything there."""

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.resources import DEPLOYMENTS, Obj
from controller.cli.doctor.setup import HOME, LABELS, setup_in
from controller.errors import ControllerError


async def homes_of_daemons(client: KubeClient, namespace: str | None) -> tuple[str, ...]:
    """The namespaces of the daemons that act in ``namespace`` or live there, of all for None, sorted.

    The usual one, where none of them can be seen: whether it is right shows when it is asked.
    """
    found = {
        told.lease.namespace
        for told in map(setup_in, await _deployments(client))
        if namespace in (None, told.lease.namespace) or told.allows(namespace)
    }
    return tuple(sorted(found)) or (HOME,)


async def _deployments(client: KubeClient) -> list[Obj]:
    """Those of everywhere, or of where this person may look."""
    found: list[Obj] = []
    for place in (None, HOME, client.namespace):
        try:
            seen, _ = await client.list(DEPLOYMENTS, place, labels=LABELS)
        except ControllerError:
            continue
        found += seen
        if place is None:
            break
    return found
