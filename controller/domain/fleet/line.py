"""Who may start: limits on how many roll at once, a budget of GPUs, and the line of those that wait.

The line is walked in its order, and whoever fits into every limit gets a place. Who does not fit keeps the
limits closed that it lacks: nobody behind it takes of those, so that a large one is not starved by small
ones, while those that need none of them pass by.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from controller.domain.fleet.facts import Hold
from controller.domain.fleet.members import Member
from controller.domain.vocabulary import Reason

_GPUS = "gpus"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rollouts may be under way at once, and how many GPUs their canaries may take.

    None is no limit.
    """

    rollouts: int | None = None
    per_namespace: int | None = None
    per_gateway: int | None = None
    gpus: int | None = None

    def _kinds(self, member: Member) -> Iterator[tuple[tuple[str, str], int | None, int]]:
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
    key: tuple[str, str]
    limit: int
    amount: int


class Places:
    """The limits with what is taken of them."""

    def __init__(self, limits: Limits, members: Iterable[Member]) -> None:
        self._limits = limits
        self._taken: Counter[tuple[str, str]] = Counter()
        self._kept: dict[tuple[str, str], Member] = {}
        for member in members:
            if member.takes_place:
                self._take(member)

    def ask(self, member: Member) -> Hold | None:
        """Take a place for the next in line, or keep its limits for it and say what it lacks."""
        needs = self._limits.of(member)
        impossible = next((need for need in needs if need.amount > need.limit), None)
        if impossible is not None:  # it would keep the limit for ever
            return Hold(
                Reason.WAITING_FOR_GPUS,
                f"needs {impossible.amount} GPUs, and the fleet has {impossible.limit}: "
                "raise fleet.gpus in the settings, or lower gpus in the policy",
            )
        short = [need for need in needs if self._taken[need.key] + need.amount > need.limit]
        kept = [need for need in needs if need.key in self._kept]
        for need in short:
            self._kept.setdefault(need.key, member)
        if short:
            return _short_of(short[0], self._taken[short[0].key])
        if kept:
            return _behind(kept[0], self._kept[kept[0].key])
        self._take(member)
        return None

    def _take(self, member: Member) -> None:
        for need in self._limits.of(member):
            self._taken[need.key] += need.amount


def place_for(me: Member, members: Iterable[Member], limits: Limits) -> Hold | None:
    """Why ``me`` cannot start now, if it cannot. ``members`` need not hold it.

    Those of the line among them must be such as could start if they had a place.
    """
    others = [member for member in members if member.id != me.id]
    places = Places(limits, others)
    for member in sorted((each for each in others if each.in_line), key=lambda each: each.order):
        if member.order < me.order:
            places.ask(member)
    return places.ask(me)


def admitted(members: Iterable[Member], limits: Limits) -> list[Member]:
    """Those of the line that have a place now, in their order."""
    everybody = list(members)
    places = Places(limits, everybody)
    line = sorted((each for each in everybody if each.in_line), key=lambda each: each.order)
    return [member for member in line if places.ask(member) is None]


def _short_of(need: _Need, taken: int) -> Hold:
    kind, name = need.key
    if kind == _GPUS:
        one = "1 GPU" if need.amount == 1 else f"{need.amount} GPUs"
        return Hold(Reason.WAITING_FOR_GPUS, f"waits for {one}: {taken} of {need.limit} are taken")
    where = {"in": f" in namespace {name}", "at": f" at gateway {name}"}.get(kind, "")
    return Hold(
        Reason.WAITING_FOR_TURN, f"waits for its turn: {taken} of {need.limit} rollouts run{where} already"
    )


def _behind(need: _Need, first: Member) -> Hold:
    goes_first = f"{first.id} goes first, with priority {first.rules.priority}"
    if need.key[0] == _GPUS:
        return Hold(Reason.WAITING_FOR_GPUS, f"waits for GPUs: {goes_first}")
    return Hold(Reason.WAITING_FOR_TURN, f"waits for its turn: {goes_first}")
