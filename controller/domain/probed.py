"""What came back of Serinus' own requests through the gateway, by version.

A probe is answered by whichever version the gateway sends it to. Only an answer that says which one counts,
and it counts for that one; what cannot be told counts for neither.

The invariant: a round is counted once, whole, however often it is seen: the record remembers the last one of
each process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from controller.domain.judge.counts import Block, CheckCounts, Tally


@dataclass(frozen=True, slots=True)
class ProbeMark:
    """The last round that was counted. ``run`` is new in each process, ``number`` rises in it."""

    run: str
    number: int


@dataclass(frozen=True, slots=True)
class ProbeRound:
    """One round, over: probes and bad ones of each version.

    ``faults`` are sentences for people, each with its count in front, free of addresses and of what the
    answers say.
    """

    mark: ProbeMark
    canary: Tally = field(default_factory=Tally)
    stable: Tally = field(default_factory=Tally)
    faults: tuple[str, ...] = ()


def uncounted(rounds: Sequence[ProbeRound], last: ProbeMark | None) -> tuple[ProbeRound, ...]:
    """The rounds that the record does not hold yet."""
    if last is None:
        return tuple(rounds)
    return tuple(one for one in rounds if one.mark.run != last.run or one.mark.number > last.number)


def with_probes(block: Block, rounds: Sequence[ProbeRound], check: str) -> Block:
    """The block with the rounds' counts as those of the check: they came in with it."""
    canary = stable = Tally()
    for one in rounds:
        canary, stable = canary.plus(one.canary), stable.plus(one.stable)
    others = tuple(each for each in block.checks if each.check != check)
    return replace(block, checks=(*others, CheckCounts(check, canary, stable)))
