"""A release given to a cluster as a ModelRollout, and what the leader makes of it; whoever gives it.

**Invariant**: an object that exists already is never changed. Its name follows from model and version, so an
order that is given again is the same order.
"""

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import key_of
from controller.adapters.kube.records import Held
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.speaking import Patience
from controller.control.errors import NotFound, Refused
from controller.control.views import OutcomeView, StatusView
from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase
from controller.errors import TransientError


async def created(client: KubeClient, wanted: Obj) -> Held:
    """The object, made now or before. Raises what the client raises."""
    key = key_of(wanted)
    try:
        return Held(await client.create(MODEL_ROLLOUTS, key.namespace, wanted))
    except TransientError:  # it exists, or the answer was lost: what is there tells
        found = await client.get(MODEL_ROLLOUTS, key.namespace, key.name)
        if found is None:
            raise
        return Held(found)


async def taken_up(client: KubeClient, held: Held, patience: Patience) -> Held:
    """The object once the leader said something about it, or when the patience is over.

    Raises `NotFound` when it was deleted, and what the client raises.
    """
    ends = patience.monotonic() + patience.answer_seconds
    while not held.taken_up and patience.monotonic() < ends:
        await patience.sleep(patience.poll_seconds)
        found = await client.get(MODEL_ROLLOUTS, held.key.namespace, held.key.name)
        if found is None:
            raise NotFound(f"the ModelRollout {held.key} was deleted", "serinus get")
        held = Held(found)
    return held


def outcome_of(held: Held, status: StatusView) -> OutcomeView:
    """What became of the release so far. Raises `Refused` where it was never deployed."""
    if held.phase is Phase.NOT_DEPLOYED:
        raise Refused(f"{held.rollout_id}: {status.message}", f"serinus why {held.rollout_id}")
    return OutcomeView(
        rollout=held.rollout_id,
        operation=CommandKind.DEPLOY,
        phase=held.phase if held.taken_up else None,
        message=status.message if held.taken_up else "created; no daemon has taken it up yet",
    )
