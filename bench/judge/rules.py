"""What every rule is to the simulator, how a run of one goes, and how it ends."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bench.judge.lane import Lane


class Ended(StrEnum):
    """How a run ended."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class End:
    """A rule's last word, and why in its own words."""

    how: Ended
    why: str = ""


class Rule(Protocol):
    """A way to decide over a canary. One object is one run."""

    def begin(self, lane: Lane) -> float:
        """Give the canary its first traffic, and say when to look for the first time."""
        ...

    def look(self, lane: Lane) -> float | End:
        """Look, move the weight, and say when to look again; or end."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run. ``seconds``, ``requests`` and ``bad`` count from the canary's first traffic to the end.

    ``counted`` is how many of the requests stood in a closed block by then, which is all that a judge of ours
    can know. ``oracle_requests`` is how many the test that knows both rates needed on the same scrapes and
    weights, where it was asked.
    """

    how: Ended
    why: str
    seconds: float
    requests: int
    bad: int
    counted: int = 0
    oracle_requests: int | None = None


def roll_out(rule: Rule, lane: Lane, limit_seconds: float) -> Outcome:
    """Let the rule decide; whoever has not when the time is over is undecided."""
    start = lane.chance.start
    lane.advance(start)
    at, end = rule.begin(lane), End(Ended.UNDECIDED, "time is over")
    while at <= start + limit_seconds:
        lane.advance(at)
        answer = rule.look(lane)
        if isinstance(answer, End):
            end = answer
            break
        at = answer
    else:
        lane.advance(start + limit_seconds)
    return Outcome(end.how, end.why, lane.now - start, lane.requests, lane.bad)
