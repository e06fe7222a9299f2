"""What the fleet has to say to one rollout, out of what is known of all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.domain.fleet.facts import FleetSeen, Hold, Sibling
from controller.domain.fleet.line import Absent, Limits, admitted, place_for
from controller.domain.fleet.members import Member
from controller.domain.fleet.rules import FleetRules
from controller.domain.vocabulary import Phase

Closed = Callable[[Member], Hold | None]
"""Why nothing of a member starts or steps up at this hour, if that is so."""

Newest = Callable[[str], Member | None]
"""A model's newest rollout, if it has any."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that is known: the rollouts that are not over, each model's newest, and the operator's limits.

    ``groups`` has the models of each group with their rules, by namespace and name, as policies are now.
    """

    limits: Limits
    open: Mapping[str, Member]
    newest: Newest
    groups: Callable[[str, str], Mapping[str, FleetRules]]
    closed: Closed

    def seen_by(self, me: Member) -> FleetSeen | None:
        """None when it has nothing to say."""
        closed, starts = self.closed(me), me.phase is Phase.PENDING
        line = None
        if starts and closed is None and self.limits != Limits():
            line = place_for(me, self.contenders(), self.limits, self._absent())
        before = tuple(map(self._sibling, me.rules.after)) if starts else ()
        group = tuple(map(self._sibling, self._mates(me)))
        if closed is None and line is None and not before and not group:
            return None
        return FleetSeen(closed, line, before, circle(me, self.newest) if before else (), group)

    def admitted(self) -> list[Member]:
        """Those of the line that have a place now, in their order."""
        return admitted(self.contenders(), self.limits, self._absent())

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
        by_record = (each.model for each in self.open.values() if each.group == me.group)
        models = {*self.groups(*me.group), *by_record} - {me.model}
        return sorted(models)

    def _absent(self) -> Absent:
        grouped: dict[tuple[str, str], list[Member]] = {}
        for each in self.open.values():
            if each.rules.group:
                grouped.setdefault(each.group, []).append(each)
        return lambda me: self._without_place(me, grouped.get(me.group, ()))

    def _without_place(self, me: Member, grouped: Sequence[Member]) -> list[Member]:
        """Those of the group; what is not deployed yet will roll where ``me`` does, as its policy is now."""
        if not me.rules.group:
            return []
        # of one model the rollout that has the place, else the newest
        ordered = sorted(grouped, key=lambda each: (each.takes_place, each.created_at))
        there = {each.model: each for each in ordered}
        will_be = [
            replace(me, id=model, model=model, rules=rules)
            for model, rules in self.groups(*me.group).items()
            if model not in there
        ]
        return [*(each for each in there.values() if not each.takes_place), *will_be]

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
