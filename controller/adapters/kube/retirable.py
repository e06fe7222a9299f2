"""What the aftercare of rollouts needs of whoever has the workloads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from controller.domain.model import Rollout
from controller.domain.release import Backend, Release


@dataclass(frozen=True, slots=True)
class Created:
    """A workload that Serinus created, by the backend before it; ``copies`` is what it is asked to have."""

    release: Release
    created_at: str
    copies: int


class Retirable(Protocol):
    """What a workload adapter does for versions that serve nobody any more."""

    async def retire(
        self, namespace: str, release: Release, *, delete: bool, in_use: Sequence[Backend]
    ) -> bool:
        """Take all copies away, or delete what Serinus created; whether nothing is left to do.

        Raises `TargetError` when the copies are those of a backend ``in_use`` too, or it is not clear whose.
        """
        ...

    async def idle(self, namespace: str, release: Release) -> bool:
        """Whether there is no copy left to take away. Raises `TargetError` where that is not clear."""
        ...

    async def take_back(self, rollout: Rollout) -> bool:
        """Put back what a release that is files took the place of; whether nothing is left to do."""
        ...

    async def settle(self, namespace: str, release: Release) -> None:
        """Let the autoscaler of a promoted version have its own way again."""
        ...

    async def created(self, namespace: str, model: str) -> Sequence[Created]:
        """What Serinus created for a model, and is still there."""
        ...
