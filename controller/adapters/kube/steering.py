"""Errands from outside the cluster, written into ModelRollouts as people write theirs, by any replica.

**Invariant**: nothing is read or written for a person before the cluster's RBAC was asked about that person.
"""

from collections.abc import Callable

from controller.adapters.kube.access_review import is_allowed
from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import Key, attempt_of, current_rollout_id
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.rolloutstatus import rollouts_from
from controller.adapters.kube.speaking import Patience, spoken
from controller.adapters.kube.words import Answer, Word, answer_to
from controller.control.errors import NotFound, NotPermitted, Refused
from controller.control.steering import Errand
from controller.control.views import OutcomeView
from controller.domain.model import CommandKind, Rollout


class ClusterSteering:
    """Implements `Steering` with the daemon's own client. ``allows`` says where policies may act.

    A word is written only over the spec that was read while the rollout ran, so that it cannot reach a
    later attempt: none begins without a change of the spec.
    """

    def __init__(self, client: KubeClient, allows: Callable[[str], bool], patience: Patience) -> None:
        self._client = client
        self._allows = allows
        self._patience = patience

    async def carry_out(self, errand: Errand) -> OutcomeView:
        """Write it, and wait for the leader's answer."""
        key = Key(errand.target.namespace, attempt_of(errand.target.rollout)[0])
        if not self._allows(key.namespace):
            raise NotPermitted(f"this Serinus may not act in the namespace {key.namespace}")
        await self._permit(errand, key)
        obj = await self._client.get(MODEL_ROLLOUTS, key.namespace, key.name)
        if obj is None:
            raise NotFound(f"the ModelRollout {key} is gone", "serinus get")
        word = Word(errand.request_id, errand.kind, errand.actor, errand.note, errand.asking)
        if (answer := answer_to(obj, word.request_id)) is None:
            _refuse_untimely(obj, errand)
            obj, answer = await spoken(self._client, obj, word, self._patience)
        return _outcome(current_rollout_id(obj), rollouts_from(obj), errand, answer)

    async def _permit(self, errand: Errand, key: Key) -> None:
        if not await is_allowed(self._client, errand.person, errand.kind.value, key):
            raise NotPermitted(
                f"{errand.person.name} may not {errand.kind} {MODEL_ROLLOUTS} in {key.namespace}: ask for "
                "that verb, which the role serinus-operator has"
            )


def _refuse_untimely(obj: Obj, errand: Errand) -> None:
    """Raises `Refused` for an object whose rollout is another, is over, or has not begun."""
    rollout = rollouts_from(obj)
    if rollout is None:
        name = current_rollout_id(obj)
        raise Refused(f"{name} has not begun yet; to withdraw it, delete the object", f"serinus why {name}")
    errand.target.refuse_other(rollout)
    if rollout.phase.terminal and errand.kind is not CommandKind.RETRY:
        raise Refused(f"{rollout.id} is over ({rollout.phase})", f"serinus status {rollout.id}")


def _outcome(name: str, now: Rollout | None, errand: Errand, answer: Answer) -> OutcomeView:
    if not answer.followed:
        raise Refused(f"{name}: {answer.message}", f"serinus status {name}")
    phase = None if now is None else now.phase
    return OutcomeView(rollout=name, operation=errand.kind, phase=phase, message=answer.message)
