"""All rollouts in a few words each, as the last commits left them: what one model's pass sees of the others.

**Invariant**: whoever waits only for the fleet is woken when that may be over; nobody else is. What is lost
here is only time: the register is made anew from the records when the daemon starts.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from controller.adapters.fleet.hours import Hours
from controller.domain.fleet.facts import FleetSeen, Hold, Pause
from controller.domain.fleet.line import Limits
from controller.domain.fleet.members import Member, member_of
from controller.domain.fleet.rules import FleetRules
from controller.domain.fleet.view import Fleet, Newest
from controller.domain.model import Rollout
from controller.domain.policy import Policy
from controller.domain.vocabulary import CLOSED, Reason

log = structlog.get_logger(__name__)

_REVIEW_SECONDS = 5.0
"""How late the end of a freeze may be noticed."""
_UNREAD = Hold(Reason.WAITING_FOR_TURN, "waits until the records of the other rollouts are read")


class FleetRegister:
    """Implements `controller.ports.Fleet`. Belongs to one event loop.

    ``wake`` is told the models that may go on. ``policies`` are those in force: they say who is of a group.
    """

    def __init__(
        self,
        limits: Limits,
        hours: Hours,
        policies: Callable[[], Mapping[str, Policy]],
        wake: Callable[[str], None],
    ) -> None:
        self.turn = asyncio.Lock()
        self._hours = hours
        self._policies = policies
        self._wake = wake
        self._open: dict[str, Member] = {}
        self._newest: dict[str, Member] = {}
        self._tied: set[str] = set()
        self._loaded = False
        self._sorted: Mapping[str, Policy] = {}
        self._groups: dict[tuple[str, str], dict[str, FleetRules]] = {}
        self._known_newest: Newest = self._newest.get
        self._fleet = Fleet(
            limits,
            self._open,
            newest=self._newest_of,
            groups=self._models_of,
            closed=hours.closed,
        )

    @property
    def pause(self) -> Pause | None:
        """The pause of everything, as it was last told."""
        return self._hours.pause

    def pause_is(self, pause: Pause | None) -> None:
        """Somebody paused everything, or took that back."""
        before, self._hours.pause = self._hours.pause, pause
        if pause is not None and pause != before:
            log.warning("everything_paused", actor=pause.actor, reason=pause.note)
        if pause is None and before is not None:
            log.warning("everything_resumed", paused_by=before.actor)
            self.review()

    def ask_for_newest(self, newest: Newest) -> None:
        """Have each model's newest rollout looked up, where the register is not told of all of them.

        ``newest`` raises `StoreUnavailable` for a record that cannot be read.
        """
        self._known_newest = newest

    def load(self, members: Iterable[Member]) -> None:
        """Take what there is, in any order, instead of all that was known."""
        self._open.clear()
        self._newest.clear()
        self._tied.clear()
        for member in members:
            self._take(member)
        self._loaded = True

    def seen(self, rollout: Rollout, gateways: Sequence[str] | None) -> FleetSeen | None:
        """As `controller.ports.Fleet` says; before the first `load` nothing starts or steps up."""
        if not self._loaded:
            return FleetSeen(closed=_UNREAD)
        return self._fleet.seen_by(member_of(rollout, None if gateways is None else tuple(gateways)))

    def committed(self, rollout: Rollout) -> None:
        """A rollout was committed: take it, and wake whom that lets go on."""
        self.changed(member_of(rollout))

    def changed(self, member: Member) -> None:
        """The same of what is known of it."""
        before = self._open.get(member.id)
        self._take(member)
        if before is None or (before.phase, before.reason) != (member.phase, member.reason):
            self._ring(before, member)

    def gone(self, rollout_id: str) -> None:
        """The record of a rollout was deleted."""
        member = self._open.pop(rollout_id, None)
        self._tied.discard(rollout_id)
        for model, newest in list(self._newest.items()) if member is None else [(member.model, member)]:
            if newest.id == rollout_id:
                self._newest.pop(model, None)
        if member is not None and member.takes_place:
            self._wake_admitted()

    def review(self) -> None:
        """Wake those that waited for an hour that has come."""
        for member in list(self._open.values()):
            if member.waits and member.reason in CLOSED and self._hours.closed(member) is None:
                self._wake(member.model)

    async def watch_hours(self) -> None:
        """Review for ever."""
        while True:
            await asyncio.sleep(_REVIEW_SECONDS)
            self.review()

    def _take(self, member: Member) -> None:
        self._tied.discard(member.id)
        if member.phase.terminal:
            self._open.pop(member.id, None)
        else:
            self._open[member.id] = member
            if member.rules.after or member.rules.group:
                self._tied.add(member.id)
        newest = self._newest.get(member.model)
        if newest is None or newest.id == member.id or newest.created_at <= member.created_at:
            self._newest[member.model] = member

    def _ring(self, before: Member | None, after: Member) -> None:
        placed = before is not None and before.takes_place
        left_line = before is not None and before.in_line
        if (placed and not after.takes_place) or (left_line and not after.in_line):
            self._wake_admitted()
        for other in [self._open[each] for each in self._tied]:
            if other.id != after.id and (_follows(other, after) or _mates(other, after)):
                self._wake(other.model)

    def _wake_admitted(self) -> None:
        for member in self._fleet.admitted():
            self._wake(member.model)

    def _newest_of(self, model: str) -> Member | None:
        return self._known_newest(model)

    def _models_of(self, namespace: str, group: str) -> Mapping[str, FleetRules]:
        policies = self._policies()
        if policies is not self._sorted:  # a change of policies makes a new mapping
            self._groups.clear()
            for model, policy in policies.items():
                if policy.fleet.group:
                    named = self._groups.setdefault((policy.namespace, policy.fleet.group), {})
                    named[model] = policy.fleet
            self._sorted = policies
        return self._groups.get((namespace, group), {})


def _follows(other: Member, changed: Member) -> bool:
    return other.waits and changed.model in other.rules.after


def _mates(other: Member, changed: Member) -> bool:
    return bool(changed.rules.group) and other.group == changed.group
