"""Whether a policy may name a metrics pack, and what a pack says of itself."""

from collections.abc import Iterator

from controller.policy.catalogue import Catalogue, Measures, did_you_mean
from controller.policy.fields import complaint
from controller.policy.quantities import shown
from controller.policy.routes import OBJECT_KINDS


def usable_pack(name: str, known: Catalogue, route_kind: str | None) -> str:
    """The pack's name; ``route_kind`` is None where the route has a fault of its own. Raises a complaint."""
    pack = known.packs.get(name)
    if pack is None:
        raise complaint(f"{shown(name)} is not a metrics pack", did_you_mean(name, frozenset(known.packs)))
    if pack.refused:
        sentence = f"the metrics pack {name} cannot be used: {pack.refused}"
        raise complaint(sentence, f"use a gateway's pack: metrics: {known.gateways}")
    if pack.cluster_only and route_kind is not None and route_kind not in OBJECT_KINDS:
        sentence = (
            f"the metrics pack {name} tells versions apart by names that a cluster's gateway gives them,"
            f" and a route of the kind {route_kind} has none"
        )
        raise complaint(sentence, "write metrics: envoy, or the pack of the engine")
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
    yield from ("", "Keep in mind:")
    yield from (f"  - {sentence}" for sentence in pack.caveats)


def checks_of(pack: Measures) -> list[str]:
    """The names of the checks that a pack measures, a quantile of each duration for all."""
    return [*(["errors"] if pack.errors else []), *pack.checks]
