"""What is done to workloads once a rollout is over: fewer copies after the drain, nothing at all much later.

Unlike a rollout's own clocks these waits are counted on the wall clock, across restarts: to be late, or early
by a jump of the clock, costs idle copies and no user's request, for nothing here touches what serves.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from controller.domain.model import ZERO, Rollout
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Phase


class Care(StrEnum):
    """What is done to a release that serves nobody any more."""

    SCALE_DOWN = "scale down"
    DELETE = "delete"
    TAKE_BACK = "take back"
    """Put back what a release that is files took the place of."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something to do with a release. ``wait`` is the longest until it is due, 0 when it is."""

    release: Release
    care: Care
    wait: timedelta


def aftercare(rollout: Rollout, now: datetime) -> tuple[Due, ...]:
    """What a rollout that is over leaves to be done, in order; nothing while it runs.

    The loser is the old stable version after a promotion, and the canary after everything else. Serinus
    scales what it created, or what the policy lets it scale, and deletes only what it created. Its copies
    are due when its requests have ended (`rules.draining`), and when the drain time is over at the latest.
    Files that an InferenceService was given are taken back; after a promotion KServe clears what is left.
    """
    if _left_files(rollout):
        wait = max(rollout.policy.workload.drain - since_end(rollout, now), ZERO)
        return (Due(rollout.release, Care.TAKE_BACK, wait),)
    loser, rules = loser_of(rollout), rollout.policy.workload
    if loser is None:
        return ()
    since = since_end(rollout, now)
    drained = rollout.drain is not None
    due = [Due(loser, Care.SCALE_DOWN, ZERO if drained else max(rules.drain - since, ZERO))]
    if loser.image is not None:
        due.append(Due(loser, Care.DELETE, max(max(rules.drain, rules.keep_for) - since, ZERO)))
    return tuple(due)


def loser_of(rollout: Rollout) -> Release | None:
    """The version whose copies are taken away after the rollout; None where that is not for Serinus to do."""
    loser = rollout.stable if rollout.phase is Phase.SUCCEEDED else rollout.release
    if not rollout.phase.terminal or loser is None or loser.backend is None:
        return None
    never_made = rollout.phase is not Phase.SUCCEEDED and rollout.supply_permille == 0
    ours = loser.image is not None or rollout.policy.workload.scale
    return loser if ours and not never_made and loser.backend.kind is not BackendKind.STORAGE_URI else None


def _left_files(rollout: Rollout) -> bool:
    """Whether an InferenceService was given files that it shall not keep."""
    backend = rollout.release.backend
    if backend is None or backend.kind is not BackendKind.STORAGE_URI or rollout.supply_permille == 0:
        return False
    return rollout.phase.terminal and rollout.phase is not Phase.SUCCEEDED


def since_end(rollout: Rollout, now: datetime) -> timedelta:
    """How long the rollout has been over."""
    return max(now - (rollout.updated_at or rollout.created_at), ZERO)


def backends_in_use(rollouts: Iterable[Rollout], serving: Release | None) -> tuple[Backend, ...]:
    """What serves, or takes part in a rollout that is not over: it is left alone."""
    parties = [serving]
    for rollout in rollouts:
        if not rollout.phase.terminal:
            parties += [rollout.stable, rollout.release]
    return tuple(party.backend for party in parties if party is not None and party.backend is not None)


def in_use(backend: Backend, used: Iterable[Backend]) -> bool:
    """Whether a backend is among those in use, whatever the port."""
    named = backend.kind, backend.name, backend.subset
    return any((each.kind, each.name, each.subset) == named for each in used)
