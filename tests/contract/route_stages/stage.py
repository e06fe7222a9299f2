"""What a stage of one kind of route offers to the contract's tests."""

from typing import Protocol

from controller.domain.release import RoutedModel
from controller.ports import TrafficRouter


class RouteStage(Protocol):
    """A route on which the stable version serves everybody, and a canary that has had no request yet."""

    @property
    def router(self) -> TrafficRouter:
        """What is tested."""
        ...

    @property
    def routed(self) -> RoutedModel:
        """The model, with both versions. Its steps may be anything that the kind can express."""
        ...

    async def confirm(self) -> None:
        """Whoever runs the route takes it as it is now; what was read of it in the meantime is forgotten."""
        ...

    def meddle(self) -> None:
        """Somebody else gives the versions weights that no rollout of the contract asks for."""
        ...

    def remove(self) -> None:
        """The route is gone."""
        ...

    def theirs(self) -> object:
        """All that stands there, without what Serinus may change: equal before and after every write."""
        ...

    def everything(self) -> object:
        """All that stands there: equal if nothing was written."""
        ...

    def shares(self) -> dict[str, int]:
        """What the route itself says, in thousandths, by version; only versions that are on it."""
        ...
