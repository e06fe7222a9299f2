"""One question about one kind of bad request, asked from both sides: is the canary worse, is it as good.

The two sides are two e-processes over the same blocks. ``against`` gathers evidence that the canary is worse
than allowed, ``favour`` that it is no worse than what may be promoted. Neither is the other's negation: with
few requests both are silent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import asin, e, log, sqrt

from controller.domain.judge.evidence import Counts, Null, Process, Stakes, bulk, new_process, rare

ENOUGH_IN_FAVOUR = 20.0
"""Wealth at which non-inferiority is shown: a version that is not as good is promoted once in 20 at most."""

WORSE = (1.3, 2.0, 3.5, 8.0, 30.0, 200.0)
WORSE_IN_BULK = (1.15, 1.5, 2.2, 3.5, 8.0, 20.0)
BETTER = (0.1, 0.4, 0.7)
BELOW_LIMIT = (0.1, 0.4, 0.7, 0.9)
"""How many times as many bad requests each bet is on: the sizes of effect between which the mixture lies."""

_BETTER_SHARES, _BELOW_SHARES = (0.4, 0.35, 0.25), (0.35, 0.3, 0.2, 0.15)
_WORSE_SHARES = (0.1, 0.15, 0.25, 0.25, 0.15, 0.1)
"""Regressions by a factor of some 3 to 10 are the ones that need every bit of evidence."""
_JUMP = 3.0
_CAUTIOUS_CAP = 2.0
IN_FAVOUR = Stakes(reserve=0.15, restart=1 / 20, clip=ENOUGH_IN_FAVOUR * e**1.5)
"""What was gained is clipped, so that many good hours cannot outvote a bad minute."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. ``worse`` is refuted by evidence against the canary, ``better`` by evidence for it.

    ``bound_seconds`` is the histogram bound above which a request is bad, ``good_bound_seconds`` the one for
    evidence in favour where the limit lies between two bounds; None where bad requests are counted.
    ``in_bulk`` asks for the form that suits the body of a distribution: its nulls are odds ratios. ``share``
    is the part of the judge's evidence that the question may bring.
    """

    worse: Null
    better: Null
    share: float
    bound_seconds: float | None = None
    good_bound_seconds: float | None = None
    in_bulk: bool = False

    @property
    def relative(self) -> bool:
        """Whether stable is compared with, and not a limit alone."""
        return self.worse.ratio > 0


@dataclass(frozen=True, slots=True)
class Setting:
    """How a block is to be taken: set before it is seen.

    ``design_effect`` is how many requests share one fate; ``cautious`` halves what one block may say, where
    too little is known of stable.
    """

    design_effect: float = 1.0
    cautious: bool = False


@dataclass(frozen=True, slots=True)
class Contest:
    """The evidence on one question. ``before`` is stable's last block: requests and bad ones."""

    against: Process
    favour: Process
    before: tuple[float, float] = (0.0, 0.0)
    jumps: int = 0
    """Blocks that were not held against the canary because of what stable itself did in them."""

    def with_wealth(self, wealth: float) -> "Contest":
        """The contest betting anew with this much evidence against the canary, from wherever it came."""
        staked = wealth * (1 - Stakes().reserve)
        bets = tuple(staked * share for share in _WORSE_SHARES)
        return replace(self, against=Process(bets, wealth * Stakes().reserve))

    def after(self, question: Question, worse: Counts, better: Counts, setting: Setting) -> "Contest":
        """With one more block, counted for each side."""
        before, moved = (worse.stable, worse.stable_bad), self._moved(question, worse)
        if moved and question.relative:
            return replace(self, before=before, jumps=self.jumps + 1)
        favour = _gains(better, question.better, _good_tilts(question), question, setting)
        changed = replace(
            self,
            favour=self.favour.after(favour, IN_FAVOUR, _good_shares(question))
            if better.canary
            else self.favour,
            before=before if worse.stable else self.before,
        )
        if moved:  # a canary that mends what stable breaks is shown to be good all the same
            return replace(changed, jumps=self.jumps + 1)
        stakes = Stakes(cap=_CAUTIOUS_CAP) if setting.cautious else Stakes()
        against = _gains(worse, question.worse, _tilts(question), question, setting)
        after = self.against.after(against, stakes, _shares(question)) if worse.canary else self.against
        return replace(changed, against=after)

    def _moved(self, question: Question, counts: Counts) -> bool:
        """Whether stable itself says that the block proves nothing against the canary; only its counts tell.

        Its rate jumped, so the two versions' counts may not cover quite the same seconds of an incident, and
        prove nothing in favour either; or it broke the limit itself.
        """
        if question.relative:
            now = counts.stable, counts.stable_bad
            return _exceeds(question.worse, self.before, now) and _jump(self.before, now) > _JUMP
        return counts.stable > 0 and counts.stable_bad > question.worse.increase * counts.stable


def new_contest(question: Question) -> Contest:
    """Before any evidence."""
    return Contest(new_process(_tilts(question)), new_process(_good_tilts(question)))


def requests_needed(contest: Contest, canary_requests: int) -> int | None:
    """How many more of the canary's requests would show that it is as good, if they come as before.

    None where that leads nowhere: no requests yet, or evidence that does not grow.
    """
    gained = log(max(contest.favour.wealth, 1e-300))
    missing = log(ENOUGH_IN_FAVOUR) - gained
    if missing <= 0:
        return 0
    if gained <= 0 or not canary_requests:
        return None
    return round(canary_requests * missing / gained)


def _tilts(question: Question) -> Sequence[float]:
    return WORSE_IN_BULK if question.in_bulk else WORSE


def _shares(question: Question) -> Sequence[float] | None:
    return None if question.in_bulk else _WORSE_SHARES


def _good_shares(question: Question) -> Sequence[float]:
    return _BETTER_SHARES if question.relative else _BELOW_SHARES


def _good_tilts(question: Question) -> Sequence[float]:
    """Against a limit alone a version counts that is only just below it."""
    return BETTER if question.relative else BELOW_LIMIT


def _gains(
    counts: Counts, null: Null, tilts: Sequence[float], question: Question, setting: Setting
) -> Sequence[float]:
    deff = setting.design_effect
    if question.in_bulk:
        return [gain / deff for gain in bulk(counts, null.ratio, tilts)]
    fewer = thinned(counts, deff)
    return [rare(fewer, null, tilt) for tilt in tilts]


def thinned(counts: Counts, design_effect: float) -> Counts:
    """The canary's requests as so many witnesses as they are worth."""
    if design_effect == 1.0:
        return counts
    return replace(counts, canary=counts.canary / design_effect, canary_bad=counts.canary_bad / design_effect)


def _exceeds(allowed: Null, before: tuple[float, float], now: tuple[float, float]) -> bool:
    """Whether stable moved, either way, by more than the canary may differ from it."""
    if not before[0] or not now[0]:
        return False
    low, high = sorted(bad / n for n, bad in (before, now))
    return high > allowed.ratio * low + allowed.increase


def _jump(before: tuple[float, float], now: tuple[float, float]) -> float:
    """How many standard errors stable's bad share moved, after Anscombe's (1948) variance stabilisation."""
    if not before[0] or not now[0]:
        return 0.0
    angles = [asin(sqrt(min((bad + 0.375) / (n + 0.75), 1.0))) for n, bad in (before, now)]
    return abs(angles[1] - angles[0]) / (0.5 * sqrt(1 / before[0] + 1 / now[0]))
