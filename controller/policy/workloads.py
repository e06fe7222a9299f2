"""Where a policy says what is done to the workloads of a cluster."""

from pydantic import Field

from controller.domain.policy import WorkloadRules
from controller.policy.fields import Duration, Section, complaint, written

_MOST_KEPT = 50


class WorkloadSection(Section):
    """What Serinus does to the workloads behind the route, in a cluster."""

    discover: bool = Field(
        default=False,
        description="Begin a release by itself when a backend with a new serinus.dev/version label appears.",
        examples=[True],
    )
    scale: bool = Field(
        default=False,
        description="Scale existing workloads too, not only those that Serinus created.",
        examples=[True],
    )
    drain: Duration = Field(
        default=written("1m"),
        description="Longest wait for requests in flight between weight 0 and fewer copies.",
        examples=["10m"],
    )
    keep_for: Duration = Field(
        default=written("1d"),
        description="Time that a version without traffic is kept, at no copies, for a quick return.",
        examples=["7d"],
    )
    history: int = Field(
        default=3,
        ge=0,
        le=_MOST_KEPT,
        description="Most versions without traffic that are kept, of those that Serinus created.",
        examples=[5],
    )

    def to_rules(self) -> WorkloadRules:
        """The section in the words of the domain."""
        return WorkloadRules(self.discover, self.scale, self.drain, self.keep_for, self.history)


def demand_cluster(section: WorkloadSection, kind: str, cluster_kinds: frozenset[str]) -> None:
    """Raise a complaint about a section that says something where there are no workloads."""
    if section.model_fields_set and kind not in cluster_kinds:
        kinds = ", ".join(sorted(cluster_kinds))
        sentence = f"the workloads behind a route of kind {kind} are not Serinus' business"
        raise complaint(sentence, f"remove it, or name a route of a cluster: {kinds}")


def demand_copies(section: WorkloadSection, kind: str, adapter_kinds: frozenset[str]) -> None:
    """Raise a complaint about wishes for a version's own copies where adapters share those of a pool."""
    for wish in ("discover", "scale"):
        if kind in adapter_kinds and getattr(section, wish):
            sentence = (
                f"{wish}: the adapters of an {kind} share the pods of their pool, which stay as they are"
            )
            raise complaint(sentence, "remove it; scale the pool's own workload, and deploy with lora/NAME")
