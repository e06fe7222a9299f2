"""What the fleet has to say to one rollout, out of what is known of all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.domain.fleet.facts import FleetSeen, Hold, Sibling
from controller.domain.fleet.line import Limits, place_for
from controller.domain.fleet.members import Member
from controller.domain.vocabulary import Phase

Closed = Callable[[Member], Hold | None]
"""Why nothing of a member starts or steps up at this hour, if that is so."""

Newest = Callable[[str], Member | None]
"""A model's newest rollout, if it has any."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that is known: the rollouts that are not over, each model's newest, and the operator's limits.

    ``groups`` has the models of each group, by namespace and name.
    """

    limits: Limits
    open: Mapping[str, Member]
    newest: Newest
    groups: Callable[[str, str], Iterable[str]]
    closed: Closed

    def seen_by(self, me: Member) -> FleetSeen | None:
        """None when it has nothing to say."""
        closed, rules = self.closed(me), me.rules
        line = None
        if me.phase is Phase.PENDING and closed is None and self.limits != Limits():
            line = place_for(me, self.contenders(), self.limits)
        before = tuple(self._sibling(model) for model in rules.after)
        group = tuple(self._sibling(model) for model in self._mates(me))
        if closed is None and line is None and not before and not group:
            return None
        return FleetSeen(closed, line, before, circle(me, self.newest), group)

    def contenders(self) -> list[Member]:
        """Those that have a place, and those that lack nothing else."""
        return [
            each
            for each in self.open.values()
            if each.takes_place or (each.in_line and self.closed(each) is None)
        ]

    def _mates(self, me: Member) -> Sequence[str]:
        if not me.rules.group:
            return ()
        by_record = (
            each.model
            for each in self.open.values()
            if (each.namespace, each.rules.group) == (me.namespace, me.rules.group)
        )
        models = {*self.groups(me.namespace, me.rules.group), *by_record} - {me.model}
        return sorted(models)

    def _sibling(self, model: str) -> Sibling:
        newest = self.newest(model)
        return Sibling(model) if newest is None else newest.sibling


def circle(me: Member, newest: Newest) -> tuple[str, ...]:
    """The way from model to model along ``after`` that comes back to ``me``, if all on it wait to start."""
    ways: list[tuple[str, ...]] = [(me.model,)]
    visited: set[str] = set()
    while ways:
        way = ways.pop()
        member = me if len(way) == 1 else newest(way[-1])
        if member is None or member.phase is not Phase.PENDING:
            continue
        for model in member.rules.after:
            other = newest(model)
            if other is not None and other.id in member.overruled:
                continue
            if model == me.model:
                return (*way, model)
            if model not in visited:
                visited.add(model)
                ways.append((*way, model))
    return ()
