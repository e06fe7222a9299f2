"""Whether a policy may name a metrics pack: one that can tell its two versions apart, where its route is."""

from controller.policy.catalogue import Catalogue, did_you_mean
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
