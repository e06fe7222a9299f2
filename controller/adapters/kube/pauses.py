"""The pause of everything in a cluster: a ConfigMap in the daemon's own namespace, which is there or not.

**Invariant**: that it is there is the pause, whatever it holds; who wrote it and why is for people.
"""

from contextlib import suppress

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.inbox import created_at
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.resources import CONFIG_MAPS, Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.domain.fleet.facts import Pause
from controller.domain.wording import printable
from controller.errors import Conflict

PAUSE_NAME = "serinus-pause"
PERMISSIONS = (Permission(CONFIG_MAPS, frozenset({"list", "watch"}), Feature.CORE, names=(PAUSE_NAME,)),)
"""The daemon's, which only follows it."""

_LONGEST_NAME = 128
_LONGEST_NOTE = 500


class KubePauses:
    """Implements `FleetPauses`, with the rights of whoever asks. Raises what the client raises."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def paused(self) -> Pause | None:
        """The pause in force."""
        return pause_in(await self._client.get(CONFIG_MAPS, self._namespace, PAUSE_NAME))

    async def pause(self, pause: Pause | None) -> None:
        """Put it in force, or end it; of two who pause at the same time the first is the one."""
        if pause is None:
            await self._client.delete(CONFIG_MAPS, self._namespace, PAUSE_NAME)
            return
        with suppress(Conflict):
            await self._client.create(CONFIG_MAPS, self._namespace, _object_of(pause))


def pause_in(obj: Obj | None) -> Pause | None:
    """The pause that an object is; None without one."""
    if obj is None:
        return None
    said = mapping(obj.get("data"))
    actor = printable(text(said.get("by"))[:_LONGEST_NAME]) or "somebody"
    return Pause(actor, created_at(obj), printable(text(said.get("reason"))[:_LONGEST_NOTE]))


def _object_of(pause: Pause) -> Obj:
    metadata = {"name": PAUSE_NAME, "labels": {"app.kubernetes.io/name": "serinus"}}
    data = {"by": pause.actor, "reason": pause.note}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
