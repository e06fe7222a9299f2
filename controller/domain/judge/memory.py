"""What the sequential judge remembers, and its JSON. Of constant size: it never grows with the blocks.

The invariant: what was written reads back the same to the last bit, so a restart changes no evidence. JSON's
numbers are Python's shortest exact ones.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controller.domain.judge.contest import Contest
from controller.domain.judge.counts import Tally
from controller.domain.judge.drift import DriftMemory, drift_of, drift_row
from controller.domain.judge.evidence import Counts, Difference, Process
from controller.domain.judge.mix import Mixes
from controller.domain.judge.mix import read_rows as read_mixes
from controller.domain.judge.mix import rows as mix_rows
from controller.domain.judge.questions import Known
from controller.domain.judge.score import ScoreMemory, score_of, score_row

_FORM = 1
"""Raised with every change of what is remembered, or of the bets: old evidence cannot be read on."""
RECENT_BLOCKS = 4
"""The last minute, in blocks of 15 s; more where scrapes are rarer."""


@dataclass(frozen=True, slots=True)
class CheckMemory:
    """One check. ``wait`` is how many blocks are still left out: the first answers of a canary are slow.

    ``known`` is set once, and with it the questions; **Shape**: ``contests`` has one for each of these.
    ``recent`` are the last blocks, newest last, at most `RECENT_BLOCKS`.
    """

    canary: Tally = field(default_factory=Tally)
    stable: Tally = field(default_factory=Tally)
    wait: int = 0
    known: Known | None = None
    contests: tuple[Contest, ...] = ()
    difference: Difference = field(default_factory=Difference)
    recent: tuple[Counts, ...] = ()
    design_effect: float = 1.0
    kept: float = 1.0
    """What evidence was left when stable's traffic ended, of a check that has no limit of its own."""

    def counted(self, canary: Tally, stable: Tally) -> "CheckMemory":
        """With a block's requests added."""
        return replace(self, canary=self.canary.plus(canary), stable=self.stable.plus(stable))

    def remembering(self, counts: Counts) -> "CheckMemory":
        """With a block among the recent ones."""
        return replace(self, recent=(*self.recent, counts)[-RECENT_BLOCKS:])


@dataclass(frozen=True, slots=True)
class Memory:
    """All of it. ``traffic`` has seconds and requests of the last blocks; ``compare`` is fixed at the first.

    ``gauges`` is the state of the threshold rule, which judges what is no count.
    """

    checks: dict[str, CheckMemory]
    gauges: str
    scores: dict[str, ScoreMemory] = field(default_factory=dict)
    drifts: dict[str, DriftMemory] = field(default_factory=dict)
    traffic: tuple[tuple[float, int], ...] = ()
    compare: bool | None = None
    mixes: Mixes = field(default_factory=dict)
    """How many tokens requests have, by kind; empty where nobody counts them."""
    earlier: float = 0.0
    """What the evidence of a testers' step adds to what came after; below 0 if it was in favour."""

    @property
    def requests_per_second(self) -> float:
        """The model's whole traffic in the last minute; 0 before any block."""
        seconds = sum(span for span, _ in self.traffic)
        return sum(requests for _, requests in self.traffic) / seconds if seconds else 0.0

    @property
    def block_seconds(self) -> float:
        """How long the last block was; 0 before any."""
        return self.traffic[-1][0] if self.traffic else 0.0

    def flowing(self, seconds: float, requests: int) -> "Memory":
        """With a block's traffic."""
        return replace(self, traffic=(*self.traffic, (seconds, requests))[-RECENT_BLOCKS:])


def dump(memory: Memory) -> str:
    """As JSON text."""
    checks = {name: _check_row(check) for name, check in memory.checks.items()}
    document = {
        "form": _FORM,
        "checks": checks,
        "gauges": memory.gauges,
        "scores": {name: score_row(each, _contest_row) for name, each in memory.scores.items()},
        "drifts": {name: drift_row(each, _tally_row) for name, each in memory.drifts.items()},
        "traffic": memory.traffic,
        "compare": memory.compare,
        "mixes": mix_rows(memory.mixes),
        "earlier": memory.earlier,
    }
    return json.dumps(document, separators=(",", ":"))


def load(state: str) -> Memory | None:
    """Read what `dump` wrote; None for what another version of Serinus wrote in another form."""
    document = json.loads(state)
    if document.get("form") != _FORM:
        return None
    return Memory(
        checks={name: _check(row) for name, row in document["checks"].items()},
        gauges=document["gauges"],
        scores={name: score_of(row, _contest) for name, row in document.get("scores", {}).items()},
        drifts={name: drift_of(row, _tally) for name, row in document.get("drifts", {}).items()},
        traffic=tuple((span, requests) for span, requests in document["traffic"]),
        compare=document["compare"],
        mixes=read_mixes(document.get("mixes", {})),
        earlier=document.get("earlier", 0.0),  # of an older Serinus, which knew no testers
    )


def _check_row(check: CheckMemory) -> dict[str, Any]:
    known = check.known
    return {
        "canary": _tally_row(check.canary),
        "stable": _tally_row(check.stable),
        "wait": check.wait,
        "known": known and [known.requests_per_second, known.shares],
        "contests": [_contest_row(contest) for contest in check.contests],
        "difference": check.difference.sums,
        "recent": [_counts_row(counts) for counts in check.recent],
        "design_effect": check.design_effect,
        "kept": check.kept,
    }


def _check(row: dict[str, Any]) -> CheckMemory:
    known = row["known"]
    return CheckMemory(
        canary=_tally(row["canary"]),
        stable=_tally(row["stable"]),
        wait=row["wait"],
        known=Known(known[0], tuple((bound, share) for bound, share in known[1])) if known else None,
        contests=tuple(_contest(each) for each in row["contests"]),
        difference=Difference(tuple((a, b) for a, b in row["difference"])),
        recent=tuple(Counts(*each) for each in row["recent"]),
        design_effect=row["design_effect"],
        kept=row["kept"],
    )


def _contest_row(contest: Contest) -> list[Any]:
    against, favour = ([process.reserve, process.bets] for process in (contest.against, contest.favour))
    return [against, favour, contest.before, contest.jumps]


def _contest(row: Sequence[Any]) -> Contest:
    against, favour, before, jumps = row
    return Contest(
        Process(tuple(against[1]), against[0]),
        Process(tuple(favour[1]), favour[0]),
        (before[0], before[1]),
        jumps,
    )


def _counts_row(counts: Counts) -> list[float]:
    return [counts.canary, counts.canary_bad, counts.stable, counts.stable_bad]


def _tally_row(tally: Tally) -> list[Any]:
    return [tally.requests, tally.bad, tally.bounds, tally.buckets]


def _tally(row: Sequence[Any]) -> Tally:
    requests, bad, bounds, buckets = row
    return Tally(requests, bad, tuple(bounds), tuple(buckets))
