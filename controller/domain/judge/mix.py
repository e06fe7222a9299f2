"""Whether two versions get, and give, the same mix of token counts: only then do whole answers compare.

How long an answer takes says first how long it is. So where the canary's prompts or answers are shown to
differ in length from stable's, a comparison of whole latencies is set aside, and what is free of length
decides: the time to the first token, from token to token, and for each token.

How large a difference counts: a check with ``worse_by`` compares the shares of requests above a bound, so
the same shares of *tokens* are compared. The mix differs when the interval of the difference of one of these
shares, which holds at all times together with all others, lies wholly beyond what the check allows, either
way: longer requests make a good canary look slow, shorter ones hide a slow one.

The invariant: only stable's counts choose the bounds, and the block that chose them proves nothing. Of
constant size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from controller.domain.judge.base import MixShown
from controller.domain.judge.calibration import choose_latency_bounds
from controller.domain.judge.counts import CheckCounts, Tally
from controller.domain.judge.evidence import Difference
from controller.domain.judge.questions import counts_of, shares_of
from controller.domain.measures import Level
from controller.domain.policy import Check, CheckKind, Policy

COUNTED = (Level.PROMPT_TOKENS, Level.OUTPUT_TOKENS)
MISS = 0.05
"""The chance that a difference is ever said to be shown that is not there."""
_MOST_BOUNDS = 3
_ENOUGH_STABLE_REQUESTS = 100
_LEAST_ALLOWED = 2e-4


@dataclass(frozen=True, slots=True)
class TokenMix:
    """The counts of one kind of token. **Shape**: one of ``differences`` for each bound, ascending."""

    canary: Tally = field(default_factory=Tally)
    stable: Tally = field(default_factory=Tally)
    bounds: tuple[float, ...] = ()
    differences: tuple[Difference, ...] = ()

    def after(self, counts: CheckCounts) -> "TokenMix":
        """With one more block."""
        mix = replace(self, canary=self.canary.plus(counts.canary), stable=self.stable.plus(counts.stable))
        changed = self.stable.bounds and mix.stable.bounds != self.stable.bounds
        if not self.bounds or changed:
            return mix._acquainted()
        if mix.canary.bounds != mix.stable.bounds:
            return mix  # nothing that both versions have is there to be compared
        blocks = [counts_of(counts.canary, counts.stable, bound) for bound in self.bounds]
        pairs = zip(self.differences, blocks, strict=True)
        return replace(mix, differences=tuple(each.after(block) for each, block in pairs))

    def _acquainted(self) -> "TokenMix":
        if self.stable.requests < _ENOUGH_STABLE_REQUESTS or not self.stable.bounds:
            return replace(self, bounds=(), differences=())
        bounds = _telling(shares_of(self.stable))
        return replace(self, bounds=bounds, differences=(Difference(),) * len(bounds))

    def differs(self, allowed_ratio: float) -> bool:
        """Whether a share is shown to differ by more than this part of stable's."""
        miss = MISS / (len(COUNTED) * _MOST_BOUNDS)
        for bound, difference in zip(self.bounds, self.differences, strict=True):
            usual = self.stable.above(bound) / self.stable.requests
            low, high = difference.interval(miss)
            # the share above and the share below say the same: the smaller one is the stricter
            allowed = allowed_ratio * min(usual, 1 - usual) + _LEAST_ALLOWED
            if low > allowed or high < -allowed:
                return True
        return False


def _telling(shares: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """The bounds at which versions are compared; where stable's requests are all alike, those around them."""
    below = [bound for bound, share in shares if share <= 0]
    above = [bound for bound, share in shares if share >= 1]
    found = dict.fromkeys([*choose_latency_bounds(shares), *below[:1], *above[-1:]])
    return tuple(sorted(list(found)[:_MOST_BOUNDS]))


Mixes = Mapping[Level, TokenMix]


def compares_whole_answers(check: Check) -> bool:
    """Whether the check compares how long whole answers take: that is longer for more tokens."""
    return check.kind is CheckKind.QUANTILE and check.relative and not check.counts


def is_free_of_length(check: Check) -> bool:
    """Whether the check is about a time that more tokens do not make longer, by whatever it is counted."""
    return check.name.partition("_p")[0] in _FREE_OF_LENGTH


_FREE_OF_LENGTH = frozenset({"ttft", "itl", Level.TOKEN_LATENCY.value})


def mix_checks(policy: Policy) -> tuple[Check, ...]:
    """What must be counted beside the policy's checks, in the form of checks; nothing where none compares."""
    if not any(compares_whole_answers(check) for check in policy.checks):
        return ()
    return tuple(Check(tokens.value, CheckKind.QUANTILE, measure=tokens.value) for tokens in COUNTED)


def mixes_after(mixes: Mixes, counts: Mapping[str, CheckCounts]) -> dict[Level, TokenMix]:
    """With one more block; of tokens that nobody counts there is no mix."""
    found = dict(mixes)
    for tokens in COUNTED:
        if (counted := counts.get(tokens.value)) is not None and counted.stable.requests:
            found[tokens] = found.get(tokens, TokenMix()).after(counted)
    return found


def shown_difference(mixes: Mixes, check: Check) -> MixShown | None:
    """The first difference that makes the check's comparison say nothing."""
    if not compares_whole_answers(check):
        return None
    allowed = check.worse_by_ratio or 0.0
    for tokens, mix in mixes.items():
        if mix.differs(allowed):
            return MixShown(tokens, mean_tokens(mix.canary), mean_tokens(mix.stable))
    return None


def mean_tokens(tally: Tally) -> float:
    """About how many tokens a request has: the middle of its bucket, or the last bound."""
    edges = [0.0, *tally.bounds]
    middles = [(low + high) / 2 for low, high in zip(edges, tally.bounds, strict=False)]
    middles.append(tally.bounds[-1] if tally.bounds else 0.0)
    total = sum(tally.buckets)
    return (
        sum(middle * n for middle, n in zip(middles, tally.buckets, strict=False)) / total if total else 0.0
    )


def rows(mixes: Mixes) -> dict[str, Any]:
    """As values of JSON."""
    return {
        tokens.value: [
            *([mix.requests, mix.bounds, mix.buckets] for mix in (found.canary, found.stable)),
            found.bounds,
            [difference.sums for difference in found.differences],
        ]
        for tokens, found in mixes.items()
    }


def read_rows(document: Mapping[str, Sequence[Any]]) -> dict[Level, TokenMix]:
    """What `rows` wrote."""
    return {Level(name): _mix(*row) for name, row in document.items()}


def _mix(
    canary: Sequence[Any], stable: Sequence[Any], bounds: Sequence[float], sums: Sequence[Any]
) -> TokenMix:
    tallies = [Tally(n, bounds=tuple(at), buckets=tuple(buckets)) for n, at, buckets in (canary, stable)]
    differences = tuple(Difference(tuple((a, b) for a, b in each)) for each in sums)
    return TokenMix(tallies[0], tallies[1], tuple(bounds), differences)
