"""Many replayed rollouts, and what became of them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, sqrt
from random import Random

from controller.domain.backtest.past import Past, Usual, usual_of
from controller.domain.backtest.regressions import Regression
from controller.domain.backtest.replay import End, Outcome, replay, replayable
from controller.domain.policy import Policy
from controller.domain.vocabulary import Reason

LEARNING = timedelta(hours=1)
"""A rollout begins no earlier in the past, so that there is something to calibrate by."""
_Z = 1.96
"""Two-sided 95 %, the quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Middle:
    """The median and the 95th percentile, by nearest rank."""

    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """What became of the rollouts of one canary. ``regression`` is None where it is as good as stable.

    ``seconds_to_promote`` is of those that were promoted, ``seconds_to_detect`` and ``bad_requests`` of those
    that were rolled back; None where there were none.
    """

    regression: str | None
    ends: Mapping[End, int]
    reasons: Mapping[Reason, int]
    seconds_to_promote: Middle | None
    seconds_to_detect: Middle | None
    bad_requests: Middle | None

    @property
    def runs(self) -> int:
        """How many rollouts there were."""
        return sum(self.ends.values())

    def share(self, end: End) -> tuple[float, float]:
        """How many of the rollouts ended so: the least and the largest plausible share.

        Runs over the same hours have something in common, so the true interval is wider.

        **Source**: Wilson (1927), the score interval, here with 95 % confidence.
        """
        n, found = self.runs, self.ends.get(end, 0)
        if not n:
            return 0.0, 1.0
        p, z2 = found / n, _Z**2 / n
        centre, half = p + z2 / 2, _Z * sqrt(p * (1 - p) / n + z2 / (4 * n))
        low = max((centre - half) / (1 + z2), 0.0) if found else 0.0
        return low, min((centre + half) / (1 + z2), 1.0)


def shortest_rollout(policy: Policy) -> timedelta:
    """What a rollout needs at least, from its first weight to the end of its bake."""
    return sum((step.hold + 4 * policy.interval for step in policy.steps), policy.bake)


def beginnings(policy: Policy, past: Past, count: int) -> tuple[datetime, ...]:
    """When rollouts begin, evenly spread over the past; none where it is too short for one.

    Each has twice the time that it needs at least, or half of the past.
    """
    if past.begin is None or past.end is None or count < 1:
        return ()
    first, span = past.begin + LEARNING, past.end - past.begin - LEARNING
    shortest = shortest_rollout(policy)
    if span < shortest:
        return ()
    room = span - min(2 * shortest, max(span / 2, shortest))
    return tuple(first + room * number / max(count - 1, 1) for number in range(count))


def replays(
    policy: Policy, past: Past, starts: Sequence[datetime], seed: int, regression: Regression | None = None
) -> Iterator[Outcome]:
    """A rollout from each of the starts, one after another."""
    policy = replayable(policy)
    usual: dict[str, Usual] = {check.name: usual_of(past, check) for check in policy.checks}
    name = regression.name if regression else ""
    for number, began in enumerate(starts):
        chance = Random(f"{seed} {name} {number}")  # noqa: S311 - a simulation, not a secret
        yield replay(policy, past, began, chance, usual, regression)


def summary(regression: Regression | None, outcomes: Sequence[Outcome]) -> Scenario:
    """Count them."""
    return Scenario(
        regression=regression.name if regression else None,
        ends={end: sum(outcome.end is end for outcome in outcomes) for end in End},
        reasons=Counter(outcome.reason for outcome in outcomes),
        seconds_to_promote=_middle(outcomes, End.PROMOTED, lambda outcome: outcome.took.total_seconds()),
        seconds_to_detect=_middle(outcomes, End.ROLLED_BACK, lambda outcome: outcome.took.total_seconds()),
        bad_requests=_middle(outcomes, End.ROLLED_BACK, lambda outcome: outcome.bad_requests),
    )


def _middle(outcomes: Sequence[Outcome], end: End, number: Callable[[Outcome], float]) -> Middle | None:
    numbers = sorted(number(outcome) for outcome in outcomes if outcome.end is end)
    if not numbers:
        return None
    return Middle(*(numbers[ceil(share * len(numbers)) - 1] for share in (0.5, 0.95)))
