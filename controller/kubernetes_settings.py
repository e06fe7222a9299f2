"""The operator's settings of a cluster: where Serinus acts, who leads, and which models are its own."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from controller.domain.sharding import Shard, shard_from
from controller.features import Feature


def _shard(written: str) -> str:
    return str(shard_from(written))


class KubernetesSettings(BaseModel):
    """The cluster whose routes are written and whose ModelRollouts are the record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    namespaces: tuple[str, ...] = Field(min_length=1)
    """Where policies may act; ``["*"]`` is everywhere."""
    features: frozenset[Feature] = frozenset()
    """What is done there besides watching and shifting traffic."""
    lease_namespace: str
    """Where the leader's Lease is: the daemon's own namespace."""
    lease_name: str = "serinus"
    shard: Annotated[str, AfterValidator(_shard)] = "1/1"
    """Which models this daemon works on: ``2/3`` are the second third of them, by a hash of the name."""
    lease_seconds: int = Field(default=15, ge=2, le=3600)
    """How long a leader that fell silent is waited for."""
    renew_seconds: float = Field(default=10, gt=0)
    """A leader that could not renew the lease for so long gives up."""
    retry_seconds: float = Field(default=2, gt=0)
    """Time between two tries to take or to renew the lease."""
    identity: str = Field(min_length=1, max_length=253)
    """Who holds the lease; no two daemons may have the same: the pod's name."""
    kubeconfig: Path | None = None
    """How to reach the API server; the pod's own service account when absent."""
    context: str | None = None
    """The kubeconfig's context; its current one when absent."""

    @model_validator(mode="after")
    def _lease_outlasts_its_renewal(self) -> Self:
        if not self.retry_seconds < self.renew_seconds < self.lease_seconds:
            error = "retry_seconds < renew_seconds < lease_seconds must hold"
            raise ValueError(error)
        return self

    def allows(self, namespace: str) -> bool:
        """Whether policies may act there."""
        return "*" in self.namespaces or namespace in self.namespaces

    @property
    def share(self) -> Shard:
        """The shard, as the code speaks of it."""
        return shard_from(self.shard)
