"""The operator's rules of the fleet: how many roll at once, and when nothing may."""

from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field

from controller.domain.fleet.line import Limits
from controller.policy.recurring import RecurrenceSection


class FleetTimes(RecurrenceSection):
    """Times that come again, for all models or for some."""

    namespaces: list[str] = Field(default=[], max_length=1000)
    """Whose models they are for, with ``*`` and ``?``; everybody's if empty."""
    models: list[str] = Field(default=[], max_length=1000)
    """Which models they are for, in the same way."""

    def concerns(self, namespace: str, model: str) -> bool:
        """Whether they are for that model."""
        return _among(namespace, self.namespaces) and _among(model, self.models)


class FleetSettings(BaseModel):
    """What many rollouts at the same time may take, and when nothing starts or steps up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_rollouts: int | None = Field(default=None, ge=1)
    """Rollouts that may be under way at once, from their start to their end; any number if absent."""
    max_rollouts_per_namespace: int | None = Field(default=None, ge=1)
    """The same in each namespace."""
    max_rollouts_per_gateway: int | None = Field(default=None, ge=1)
    """The same at each gateway: in a cluster the Gateways that a route belongs to."""
    gpus: int | None = Field(default=None, ge=0)
    """GPUs that the canaries of all rollouts may take together, by what their policies say."""
    windows: tuple[FleetTimes, ...] = ()
    """When rollouts may start and step up; any time for a model that none of them concerns."""
    freezes: tuple[FleetTimes, ...] = ()
    """When nothing starts or steps up. A rollback always may."""

    @property
    def limits(self) -> Limits:
        """In the words of the domain."""
        return Limits(
            rollouts=self.max_rollouts,
            per_namespace=self.max_rollouts_per_namespace,
            per_gateway=self.max_rollouts_per_gateway,
            gpus=self.gpus,
        )


def _among(name: str, patterns: list[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
