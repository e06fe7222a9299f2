"""Begins rollouts in a cluster for people from outside: a ModelRollout that says who asked for it.

**Invariant**: nothing is read or made for a person before the cluster's RBAC was asked about that person, and
an object that exists already is never changed.
"""

from collections.abc import Callable

import structlog

from controller.adapters.kube.access_review import is_allowed
from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import Rejected
from controller.adapters.kube.identity import Key, key_of
from controller.adapters.kube.modelrollout import CREATED_BY, actor_text
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.records import Held
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.speaking import Patience
from controller.adapters.workload.kube_orders import differences, model_rollout
from controller.control.doors import DEPLOY
from controller.control.errors import InvalidRequest, NotFound, NotPermitted, Refused
from controller.control.interface import Order
from controller.control.steering import Person
from controller.control.views import OutcomeView
from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase
from controller.errors import TransientError
from controller.ports import Clock, Policies

log = structlog.get_logger(__name__)

PERMISSIONS = (Permission(MODEL_ROLLOUTS, frozenset({"create"}), Feature.API),)


class ClusterReleasing:
    """Implements `Releasing` with the daemon's own client. ``allows`` says where policies may act.

    The object's name follows from model and version, so an order that is given again is the same order.
    """

    def __init__(
        self,
        client: KubeClient,
        policies: Policies,
        clock: Clock,
        allows: Callable[[str], bool],
        patience: Patience,
    ) -> None:
        self._client = client
        self._policies = policies
        self._clock = clock
        self._allows = allows
        self._patience = patience

    async def release(
        self,
        order: Order,
        person: Person,
        namespace: str | None,
        request_id: str,  # noqa: ARG002 - the object's name has its part
    ) -> OutcomeView:
        """Make the object, and say what the leader makes of it, if it does so in time."""
        where = namespace or self._namespace_of(order.model)
        if not self._allows(where):
            raise NotPermitted(f"this Serinus may not act in the namespace {where}")
        wanted = model_rollout(order, where)
        if not await is_allowed(self._client, person, DEPLOY, Key(where, "")):
            raise NotPermitted(
                f"{person.name} may not {DEPLOY} {MODEL_ROLLOUTS} in {where}: ask for that verb, which the "
                "role serinus-operator has"
            )
        wanted["metadata"]["annotations"] = {CREATED_BY: actor_text(person.name)}
        held = Held(await self._created(wanted))
        if different := differences(wanted, held.obj):
            raise Refused(
                f"a ModelRollout {held.key} exists already, with another {' and '.join(different)}: what it "
                "asks for cannot be changed, so use another version",
                f"serinus status {held.rollout_id}",
            )
        return self._outcome(await self._taken_up(held))

    def _namespace_of(self, model: str) -> str:
        policy = self._policies.current().get(model)
        if policy is None:
            raise InvalidRequest("no valid policy is for the model: say in which namespace it is")
        return policy.namespace

    async def _created(self, wanted: Obj) -> Obj:
        """The object, made now or before."""
        key = key_of(wanted)
        try:
            return await self._client.create(MODEL_ROLLOUTS, key.namespace, wanted)
        except Rejected as error:
            log.warning("release_rejected", object=str(key), error=str(error))
            raise InvalidRequest(
                f"the API server refuses the ModelRollout {key}; the log says why"
            ) from error
        except TransientError:  # it exists, or the answer was lost: what is there tells
            found = await self._client.get(MODEL_ROLLOUTS, key.namespace, key.name)
            if found is None:
                raise
            return found

    async def _taken_up(self, held: Held) -> Held:
        """The object once the leader said something about it, or when the patience is over."""
        ends = self._patience.monotonic() + self._patience.answer_seconds
        while not held.taken_up and self._patience.monotonic() < ends:
            await self._patience.sleep(self._patience.poll_seconds)
            found = await self._client.get(MODEL_ROLLOUTS, held.key.namespace, held.key.name)
            if found is None:
                raise NotFound(f"the ModelRollout {held.key} was deleted", "serinus get")
            held = Held(found)
        return held

    def _outcome(self, held: Held) -> OutcomeView:
        message = held.status(self._clock.now()).message
        if held.phase is Phase.NOT_DEPLOYED:
            raise Refused(f"{held.rollout_id}: {message}", f"serinus why {held.rollout_id}")
        return OutcomeView(
            rollout=held.rollout_id,
            operation=CommandKind.DEPLOY,
            phase=held.phase if held.taken_up else None,
            message=message if held.taken_up else "created; no daemon has taken it up yet",
        )
