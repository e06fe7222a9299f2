"""Tells the fleet's register of ModelRollouts: those of other shards, and those that are deleted.

Our own leader's commits reach it by themselves. A record is decoded only when its phase or reason changed.
"""

from controller.adapters.fleet.register import FleetRegister
from controller.adapters.kube.identity import key_of
from controller.adapters.kube.requestlog import status_in
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import text
from controller.adapters.store.kubernetes_index import Held, RolloutIndex, claims_over
from controller.domain.fleet.members import Member, member_of
from controller.domain.fleet.rules import FleetRules
from controller.domain.sharding import Shard
from controller.domain.vocabulary import Reason
from controller.errors import StoreUnavailable

_REASONS = {reason.value: reason for reason in Reason}


class Fellows:
    """Listens to the reflector of ModelRollouts, after the index. Sleeps until `lead`."""

    def __init__(self, register: FleetRegister, index: RolloutIndex, shard: Shard) -> None:
        self._register = register
        self._index = index
        self._shard = shard
        self._leads = False

    def lead(self) -> None:
        """Take all that there is, and from now on what changes."""
        held = (each for model in self._index.models() for each in self._index.of(model))
        opened = map(self._member, (each for each in held if not claims_over(each.obj)))
        self._register.load(filter(None, opened))
        self._register.ask_for_newest(self.newest)
        self._leads = True

    def newest(self, model: str) -> Member | None:
        """The model's newest rollout. Raises `StoreUnavailable` for a record that cannot be read."""
        held = next((each for each in reversed(self._index.of(model)) if each.has_record), None)
        if held is None:
            return None
        rollout = None if claims_over(held.obj) else held.rollout()
        return _ended(held, model) if rollout is None else member_of(rollout)

    def changed(self, old: Obj | None, new: Obj | None) -> None:
        """Take a reflector's news."""
        if not self._leads:
            return
        if new is None and old is not None:
            self._gone(old)
        elif new is not None and self._is_news(old, new):
            self._take(self._index.get(key_of(new)))

    def _is_news(self, old: Obj | None, new: Obj) -> bool:
        model = text(status_in(new).get("model"))
        return not self._shard.owns(model) and (old is None or _standing(old) != _standing(new))

    def _take(self, held: Held | None) -> None:
        member = None if held is None else self._member(held)
        if member is not None:
            self._register.changed(member)

    def _member(self, held: Held) -> Member | None:
        try:
            rollout = held.rollout()
        except StoreUnavailable:  # its own shard's passes say so
            return None
        return None if rollout is None else member_of(rollout)

    def _gone(self, obj: Obj) -> None:
        try:
            outcome = Held(obj).outcome()
        except StoreUnavailable:
            return
        if outcome is not None:
            self._register.gone(outcome.id)


def _ended(held: Held, model: str) -> Member | None:
    """Of what is over only how it ended matters."""
    outcome = held.outcome()
    if outcome is None:
        return None
    return Member(
        id=outcome.id,
        model=model,
        version=outcome.release.version,
        namespace=held.key.namespace,
        gateways=(),
        rules=FleetRules(),
        created_at=outcome.created_at,
        phase=outcome.phase,
        reason=_REASONS.get(text(status_in(held.obj).get("reason")), Reason.CREATED),
    )


def _standing(obj: Obj) -> tuple[object, object]:
    status = status_in(obj)
    return status.get("phase"), status.get("reason")
