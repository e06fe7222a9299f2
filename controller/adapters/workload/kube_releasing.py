"""Begins rollouts in a cluster for people from outside: a ModelRollout that says who asked for it.

**Invariant**: nothing is read or made for a person before the cluster's RBAC was asked about that person.
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
from controller.adapters.workload.kube_ordering import created, outcome_of, taken_up
from controller.adapters.workload.kube_orders import differences, model_rollout
from controller.control.doors import DEPLOY
from controller.control.errors import InvalidRequest, NotPermitted, Refused
from controller.control.interface import Order
from controller.control.steering import Person
from controller.control.views import OutcomeView
from controller.ports import Clock, Policies

log = structlog.get_logger(__name__)

PERMISSIONS = (Permission(MODEL_ROLLOUTS, frozenset({"create"}), Feature.API),)


class ClusterReleasing:
    """Implements `Releasing` with the daemon's own client. ``allows`` says where policies may act."""

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
        held = await self._created(wanted)
        if different := differences(wanted, held.obj):
            raise Refused(
                f"a ModelRollout {held.key} exists already, with another {' and '.join(different)}: what it "
                "asks for cannot be changed, so use another version",
                f"serinus status {held.rollout_id}",
            )
        held = await taken_up(self._client, held, self._patience)
        return outcome_of(held, held.status(self._clock.now()))

    def _namespace_of(self, model: str) -> str:
        policy = self._policies.current().get(model)
        if policy is None:
            raise InvalidRequest("no valid policy is for the model: say in which namespace it is")
        return policy.namespace

    async def _created(self, wanted: Obj) -> Held:
        try:
            return await created(self._client, wanted)
        except Rejected as error:
            key = key_of(wanted)
            log.warning("release_rejected", object=str(key), error=str(error))
            raise InvalidRequest(
                f"the API server refuses the ModelRollout {key}; the log says why"
            ) from error
