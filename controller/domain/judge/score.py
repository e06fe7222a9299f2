"""Scores: shares of passes from trials, against a limit and against stable.

Each trial is a block of a contest (`contest`), bet on as `betting` says. What a check demands is one number,
and so both sides ask about the same: evidence against says that the canary is worse than it, evidence in
favour that it is not. Golden requests go to both versions and are compared in pairs, evaluations are not.

**Invariant**: of constant size, and the same to the last bit when read back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controller.domain.judge.betting import BETS, TILTS_BETTER, TILTS_WORSE, pair_gains, sum_gains
from controller.domain.judge.contest import IN_FAVOUR, Contest
from controller.domain.judge.evidence import (
    Counts,
    Difference,
    Null,
    Stakes,
    new_process,
    rare,
)
from controller.domain.policy import Check
from controller.domain.trials import Pairs, Score, TrialSeen

_ROUNDS = Stakes(reserve=0.2, restart=1 / 40)
"""A trial of golden requests alone never decides: a copy that stalls for a moment is no worse model."""
_WHOLE = Stakes(reserve=0.2, restart=1 / 40, cap=600.0)
"""An evaluation may: its cases are all that it has to say. What more would say is not to overflow."""
_NOBODY = Score(0, 0.0)


@dataclass(frozen=True, slots=True)
class ScoreMemory:
    """Totals of both versions, of pairs where there are some, and the evidence on each demand.

    ``note`` is what the last trial said besides; ``silent`` that it brought nothing of the canary.
    """

    canary: Score = _NOBODY
    stable: Score = _NOBODY
    pairs: Pairs | None = None
    limit: Contest = field(default_factory=lambda: _new(TILTS_WORSE, TILTS_BETTER))
    paired: Contest = field(default_factory=lambda: _new(BETS, BETS))
    unpaired: Contest = field(default_factory=lambda: _new(TILTS_WORSE, TILTS_BETTER))
    difference: Difference = field(default_factory=Difference)
    note: str = ""
    silent: bool = False

    def after(self, check: Check, seen: TrialSeen) -> "ScoreMemory":
        """With one more trial."""
        canary, stable = seen.canary, seen.stable
        repeated = canary is None and not seen.problem
        mine = replace(self, note=seen.problem or seen.example or self.note * repeated)
        mine = replace(mine, silent=mine.silent if repeated else canary is None)
        if canary is None or not canary.n:
            return mine
        mine = replace(mine, canary=_plus(self.canary, canary), limit=self._limited(check, canary, stable))
        if stable is None or not stable.n:
            return mine
        mine = replace(mine, stable=_plus(self.stable, stable))
        if seen.pairs is not None:
            return replace(
                mine, pairs=_joined(self.pairs, seen.pairs), paired=self._paired(check, seen.pairs)
            )
        counts = Counts(canary.n, canary.failed, stable.n, stable.failed)
        return replace(mine, unpaired=self._unpaired(check, counts), difference=self.difference.after(counts))

    def _limited(self, check: Check, canary: Score, stable: Score | None) -> Contest:
        """Where stable breaks the limit itself, in the same trial, it is not held against the canary.

        It speaks for the canary all the same: to leave out hard draws there would flatter it.
        """
        if check.min is None:
            return self.limit
        most = 1 - check.min
        worse = sum_gains(canary.n, canary.failed, most, TILTS_WORSE)
        better = sum_gains(canary.n, canary.failed, most, TILTS_BETTER)
        bet = _bet(self.limit, worse, better, _stakes(check))
        if stable is not None and stable.failed > most * stable.n:
            return replace(bet, against=self.limit.against, jumps=self.limit.jumps + 1)
        return bet

    def _paired(self, check: Check, pairs: Pairs) -> Contest:
        allowed = check.worse_by_points or 0.0
        losing = [-bet for bet in BETS]
        worse, better = pair_gains(pairs, allowed, BETS), pair_gains(pairs, allowed, losing)
        return _bet(self.paired, worse, better, _stakes(check))

    def _unpaired(self, check: Check, counts: Counts) -> Contest:
        null = Null(1.0, check.worse_by_points or 0.0)
        worse, better = ([rare(counts, null, t) for t in tilts] for tilts in (TILTS_WORSE, TILTS_BETTER))
        return _bet(self.unpaired, worse, better, _stakes(check))

    @property
    def comparison(self) -> Contest | None:
        """The contest of both versions; None while there was nothing to compare."""
        if not self.stable.n:
            return None
        return self.unpaired if self.pairs is None else self.paired


def _new(worse: Sequence[float], better: Sequence[float]) -> Contest:
    return Contest(new_process(worse), new_process(better))


def _stakes(check: Check) -> Stakes:
    return _ROUNDS if check.sampling is not None and check.sampling.golden else _WHOLE


def _bet(contest: Contest, worse: Sequence[float], better: Sequence[float], stakes: Stakes) -> Contest:
    favour = replace(IN_FAVOUR, cap=stakes.cap)
    return replace(
        contest, against=contest.against.after(worse, stakes), favour=contest.favour.after(better, favour)
    )


def _plus(one: Score, other: Score) -> Score:
    return Score(one.n + other.n, one.failed + other.failed)


def _joined(one: Pairs | None, other: Pairs) -> Pairs:
    if one is None:
        return other
    return Pairs(one.n + other.n, one.only_canary + other.only_canary, one.only_stable + other.only_stable)


def score_row(memory: ScoreMemory, contest_row: Callable[[Contest], Any]) -> dict[str, Any]:
    """As JSON can hold it. ``contest_row`` writes a contest."""
    pairs = memory.pairs
    return {
        "canary": [memory.canary.n, memory.canary.failed],
        "stable": [memory.stable.n, memory.stable.failed],
        "pairs": pairs and [pairs.n, pairs.only_canary, pairs.only_stable],
        "contests": [contest_row(each) for each in (memory.limit, memory.paired, memory.unpaired)],
        "difference": memory.difference.sums,
        "note": memory.note,
        "silent": memory.silent,
    }


def score_of(row: dict[str, Any], contest_of: Callable[[Any], Contest]) -> ScoreMemory:
    """What `score_row` wrote."""
    limit, paired, unpaired = (contest_of(each) for each in row["contests"])
    return ScoreMemory(
        canary=Score(*row["canary"]),
        stable=Score(*row["stable"]),
        pairs=Pairs(*row["pairs"]) if row["pairs"] else None,
        limit=limit,
        paired=paired,
        unpaired=unpaired,
        difference=Difference(tuple((a, b) for a, b in row["difference"])),
        note=row["note"],
        silent=row["silent"],
    )
