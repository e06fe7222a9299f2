"""Whether a policy may name a metrics pack, and what a pack says of itself."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from controller.domain.measures import AUTO, MetricsPage
from controller.policy.catalogue import Catalogue, Measures, did_you_mean
from controller.policy.fields import Section, complaint
from controller.policy.quantities import shown
from controller.policy.route_sections import ADAPTER_KINDS, OBJECT_KINDS

_PATH = r"^/[A-Za-z0-9._~/-]*$"


class MetricsPageSection(Section):
    """Where a copy shows its metrics."""

    port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port of the metrics; that of requests where there is none.",
        examples=[8082],
    )
    path: Annotated[str, StringConstraints(pattern=_PATH, max_length=200)] = Field(
        default="/metrics", description="Path of the metrics.", examples=["/v1/metrics"]
    )

    def to_page(self) -> MetricsPage:
        """In the words of the domain."""
        return MetricsPage(self.port, self.path)


def usable_pack(name: str, known: Catalogue, route_kind: str | None) -> str:
    """The pack's name; ``route_kind`` is None where the route has a fault of its own. Raises a complaint."""
    if route_kind in ADAPTER_KINDS and not (name in known.packs and known.packs[name].of_adapters):
        able = ", ".join(sorted(pack for pack, found in known.packs.items() if found.of_adapters))
        sentence = f"metrics: {shown(name)} cannot tell adapters apart that run in the same pods"
        raise complaint(sentence, f"use one that goes by the adapter's name: metrics: {able}")
    if name == AUTO:
        return name
    pack = known.packs.get(name)
    if pack is None:
        raise complaint(
            f"{shown(name)} is not a metrics pack", did_you_mean(name, frozenset({*known.packs, AUTO}))
        )
    if pack.refused:
        sentence = f"the metrics pack {name} cannot be used: {pack.refused}"
        raise complaint(sentence, f"use a gateway's pack: metrics: {known.gateways}")
    if pack.cluster_only and route_kind is not None and route_kind not in OBJECT_KINDS:
        sentence = (
            f"the metrics pack {name} tells versions apart by names that a cluster's gateway gives them,"
            f" and a route of the kind {route_kind} has none"
        )
        raise complaint(sentence, "write metrics: envoy, or the pack of the engine")
    if pack.of_adapters and route_kind is not None and route_kind not in ADAPTER_KINDS:
        sentence = f"the metrics pack {name} tells adapters apart, and a route of kind {route_kind} has none"
        raise complaint(sentence, "use the pack of the gateway or the engine, such as metrics: epp")
    return name


def explain_pack(name: str, known: Catalogue) -> str:
    """What a pack reads and measures, what not and why. Raises `LookupError`, with a suggestion."""
    pack = known.packs.get(name)
    if pack is None:
        suggestion = did_you_mean(name, frozenset(known.packs))
        raise LookupError(f"there is no metrics pack {shown(name)}; {suggestion}")
    return "\n".join([f"metrics: {name}", f"  {pack.about}", *_parts(pack)])


def _parts(pack: Measures) -> Iterator[str]:
    if pack.refused:
        yield f"  Cannot be used: {pack.refused}."
    else:
        yield f"  Versions are told apart by: {', '.join(pack.told_by)}."
        yield f"  Checks: {', '.join(checks_of(pack))}."
    for check, reason in sorted(pack.lacks.items()):
        yield f"  No {check}: {reason}."
    if pack.unmirrored:
        yield f"  No shadow steps where requests can be copied: {pack.unmirrored}."
    yield from ("", "Keep in mind:")
    yield from (f"  - {sentence}" for sentence in pack.caveats)


def checks_of(pack: Measures) -> list[str]:
    """The names of the checks that a pack measures, a quantile of each duration for all."""
    return [*(["errors"] if pack.errors else []), *pack.checks]
