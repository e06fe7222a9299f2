"""Who may start: limits on how many roll at once, a budget of GPUs, and the line of those that wait.

The line is walked in its order, and whoever fits into every limit gets a place. Who does not fit keeps the
limits closed that it lacks: nobody behind it takes of those, so that a large one is not starved by small
ones, while those that need none of them pass by.

A group takes the places of all its models when the first of them starts. If each took only its own, the first
could wait for the promotion of one that waits for a place, and for ever.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.domain.fleet.facts import Hold
from controller.domain.fleet.members import Member
from controller.domain.vocabulary import Reason

_GPUS = "gpus"

Absent = Callable[[Member], Sequence[Member]]
"""Those of a member's group that have no place, as they are or will be, itself among them if it has none."""

Key = tuple[str, str]
"""Of which limit something is taken: its kind, and the name of the namespace or the gateway."""


def nobody(_: Member) -> Sequence[Member]:
    """Of whom has no group."""
    return ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rollouts may be under way at once, and how many GPUs their canaries may take.

    None is no limit.
    """

    rollouts: int | None = None
    per_namespace: int | None = None
    per_gateway: int | None = None
    gpus: int | None = None

    def _kinds(self, member: Member) -> Iterator[tuple[Key, int | None, int]]:
        yield ("", ""), self.rollouts, 1
        yield ("in", member.namespace), self.per_namespace, 1
        for gateway in member.gateways:
            yield ("at", gateway), self.per_gateway, 1
        yield (_GPUS, ""), self.gpus, member.rules.gpus

    def of(self, member: Member) -> "list[_Need]":
        """What the member takes of each limit that there is."""
        found = self._kinds(member)
        return [_Need(key, limit, amount) for key, limit, amount in found if limit is not None and amount]


@dataclass(frozen=True, slots=True)
class _Need:
    key: Key
    limit: int
    amount: int


class Places:
    """The limits with what is taken of them, and what of that is promised to members of groups."""

    def __init__(self, limits: Limits, members: Iterable[Member], absent: Absent = nobody) -> None:
        self._limits = limits
        self._absent = absent
        self._taken: Counter[Key] = Counter()
        self._promised: dict[str, Counter[Key]] = {}
        self._kept: dict[Key, Member] = {}
        rolling = [member for member in members if member.takes_place]
        for member in rolling:
            self._taken.update(self._amounts(member))
        begun = {member.group: member for member in rolling if member.may_wait_for_group}
        for member in begun.values():
            self._promise(absent(member))

    def ask(self, member: Member) -> Hold | None:
        """Take a place for the next in line, or keep its limits for it and say what it lacks."""
        whole = [each for each in self._absent(member) if each.model != member.model]
        starting = [member, *(each for each in whole if each.model not in self._promised)]
        needs = self._needs(starting)
        group = member.rules.group if len(starting) > 1 else ""
        impossible = next((need for need in needs if need.amount > need.limit), None)
        if impossible is not None:  # it would keep the limit for ever
            return _impossible(impossible, group)
        short = [need for need in needs if self._taken[need.key] + need.amount > need.limit]
        kept = [need for need in needs if need.key in self._kept]
        for need in short:
            self._kept.setdefault(need.key, member)
        if short:
            key = short[0].key
            promised = any(each[key] for each in self._promised.values())
            return _short_of(short[0], self._taken[key], group, promised=promised)
        if kept:
            return _behind(kept[0], self._kept[kept[0].key])
        self._promise(starting)
        return None

    def _needs(self, starting: Sequence[Member]) -> list[_Need]:
        """What they take together, beyond what is promised to them."""
        limits = {need.key: need.limit for each in starting for need in self._limits.of(each)}
        amounts: Counter[Key] = Counter()
        for each in starting:
            amounts.update(self._amounts(each) - self._promised.get(each.model, Counter()))
        return [_Need(key, limits[key], amount) for key, amount in amounts.items()]

    def _promise(self, members: Iterable[Member]) -> None:
        for member in members:
            promised = self._promised.get(member.model, Counter())
            amounts = self._amounts(member)
            self._taken.update(amounts - promised)
            self._promised[member.model] = amounts | promised

    def _amounts(self, member: Member) -> Counter[Key]:
        return Counter({need.key: need.amount for need in self._limits.of(member)})


def place_for(me: Member, members: Iterable[Member], limits: Limits, absent: Absent = nobody) -> Hold | None:
    """Why ``me`` cannot start now, if it cannot. ``members`` need not hold it.

    Those of the line among them must be such as could start if they had a place.
    """
    others = [member for member in members if member.id != me.id]
    places = Places(limits, others, absent)
    for member in sorted((each for each in others if each.in_line), key=lambda each: each.order):
        if member.order < me.order:
            places.ask(member)
    return places.ask(me)


def admitted(members: Iterable[Member], limits: Limits, absent: Absent = nobody) -> list[Member]:
    """Those of the line that have a place now, in their order."""
    everybody = list(members)
    places = Places(limits, everybody, absent)
    line = sorted((each for each in everybody if each.in_line), key=lambda each: each.order)
    return [member for member in line if places.ask(member) is None]


def _short_of(need: _Need, taken: int, group: str, *, promised: bool) -> Hold:
    together = f" for all of its group {group}" if group else ""
    kept = ", or are kept for groups that have begun" if promised else ""
    if need.key[0] == _GPUS:
        one = "1 GPU" if need.amount == 1 else f"{need.amount} GPUs"
        message = f"waits for {one}{together}: {taken} of {need.limit} are taken{kept}"
        return Hold(Reason.WAITING_FOR_GPUS, message)
    turn = f"{need.amount} places{together}" if group else "its turn"
    message = f"waits for {turn}: {taken} of {need.limit} rollouts run{_where(need.key)} already{kept}"
    return Hold(Reason.WAITING_FOR_TURN, message)


def _impossible(need: _Need, group: str) -> Hold:
    if need.key[0] != _GPUS:
        message = (
            f"its group {group} needs {need.amount} places, and {need.limit} rollouts may run"
            f"{_where(need.key)}: raise the limit in the settings, or make the group smaller"
        )
        return Hold(Reason.WAITING_FOR_TURN, message)
    together = f" for all of its group {group}" if group else ""
    message = (
        f"needs {need.amount} GPUs{together}, and the fleet has {need.limit}: "
        "raise fleet.gpus in the settings, or lower gpus in the policy"
    )
    return Hold(Reason.WAITING_FOR_GPUS, message)


def _where(key: Key) -> str:
    kind, name = key
    return {"in": f" in namespace {name}", "at": f" at gateway {name}"}.get(kind, "")


def _behind(need: _Need, first: Member) -> Hold:
    goes_first = f"{first.id} goes first, with priority {first.rules.priority}"
    if need.key[0] == _GPUS:
        return Hold(Reason.WAITING_FOR_GPUS, f"waits for GPUs: {goes_first}")
    return Hold(Reason.WAITING_FOR_TURN, f"waits for its turn: {goes_first}")
