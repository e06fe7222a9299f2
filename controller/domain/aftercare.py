"""What is done to workloads once a rollout is over: fewer copies after the drain, nothing at all much later.

Unlike a rollout's own clocks these waits are counted on the wall clock, across restarts: to be late, or early
by a jump of the clock, costs idle copies and no user's request, for nothing here touches what serves.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from controller.domain.model import ZERO, Rollout
from controller.domain.release import Backend, Release
from controller.domain.vocabulary import Phase


class Care(StrEnum):
    """What is done to a release that serves nobody any more."""

    SCALE_DOWN = "scale down"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Due:
    """Something to do with a release. ``wait`` is 0 when it is due."""

    release: Release
    care: Care
    wait: timedelta


def aftercare(rollout: Rollout, now: datetime) -> tuple[Due, ...]:
    """What a rollout that is over leaves to be done, in order; nothing while it runs.

    The loser is the old stable version after a promotion, and the canary after everything else. Serinus
    scales what it created, or what the policy lets it scale, and deletes only what it created.
    """
    loser = rollout.stable if rollout.phase is Phase.SUCCEEDED else rollout.release
    if not rollout.phase.terminal or loser is None or loser.backend is None:
        return ()
    rules = rollout.policy.workload
    never_made = rollout.phase is not Phase.SUCCEEDED and rollout.supply_permille == 0
    if never_made or not (loser.image is not None or rules.scale):
        return ()
    since = max(now - (rollout.updated_at or rollout.created_at), ZERO)
    due = [Due(loser, Care.SCALE_DOWN, max(rules.drain - since, ZERO))]
    if loser.image is not None:
        due.append(Due(loser, Care.DELETE, max(max(rules.drain, rules.keep_for) - since, ZERO)))
    return tuple(due)


def backends_in_use(rollouts: Iterable[Rollout], serving: Release | None) -> tuple[Backend, ...]:
    """What serves, or takes part in a rollout that is not over: it is left alone."""
    parties = [serving]
    for rollout in rollouts:
        if not rollout.phase.terminal:
            parties += [rollout.stable, rollout.release]
    return tuple(party.backend for party in parties if party is not None and party.backend is not None)


def in_use(backend: Backend, used: Iterable[Backend]) -> bool:
    """Whether a backend is among those in use, whatever the port."""
    return any((each.kind, each.name) == (backend.kind, backend.name) for each in used)
