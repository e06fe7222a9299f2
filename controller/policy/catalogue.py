"""The names a policy may use, told to the loader by whoever knows which adapters there are.

The loader must not import adapters, and a new adapter must not change the loader.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from controller.domain.capabilities import Capabilities

_LONGEST_WORD = 64


@dataclass(frozen=True, slots=True)
class Measures:
    """What a pack of metrics measures: durations, of which checks have quantiles, shares of requests, levels.

    ``distributions`` are histograms of other things than time, which drifts are checked of.
    ``about`` says what it reads, ``told_by`` how it tells versions apart. ``lacks`` says of a check why it
    cannot be measured, ``refused`` why nothing can; ``of_gateway`` is a gateway's, ``cluster_only`` tells
    versions apart only on a route of a cluster, ``of_adapters`` by the names of adapters in the same pods.
    ``by_upstream`` counts what each upstream of a route got: of testers, who have one of their own, it counts
    apart.
    """

    histograms: frozenset[str] = frozenset()
    ratios: frozenset[str] = frozenset()
    levels: frozenset[str] = frozenset()
    distributions: frozenset[str] = frozenset()
    errors: bool = True
    lacks: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    caveats: tuple[str, ...] = ()
    of_gateway: bool = False
    cluster_only: bool = False
    by_upstream: bool = False
    of_adapters: bool = False
    about: str = ""
    told_by: tuple[str, ...] = ()
    unmirrored: str = ""
    """Why requests that are copied to the canary are not measured; empty where they are."""

    @property
    def checks(self) -> list[str]:
        """Names of checks that read them."""
        drifts = (f"{name}_drift" for name in self.distributions)
        quantiles = (f"{name}_p99" for name in self.histograms)
        return sorted([*self.ratios, *self.levels, *quantiles, *drifts])


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Known names: kinds of route with what they can do, packs of metrics with what they measure, judges."""

    routes: Mapping[str, Capabilities]
    packs: Mapping[str, Measures]
    judges: frozenset[str]

    @property
    def gateways(self) -> str:
        """The packs that read a gateway, for who cannot use an engine's."""
        found = [(name, pack) for name, pack in self.packs.items() if pack.of_gateway]
        return ", ".join(sorted(name for name, pack in found if not pack.refused and not pack.of_adapters))


def did_you_mean(word: str, known: frozenset[str] | list[str]) -> str:
    """A suggestion for a word that is not known: the closest one, or else all that are."""
    close = get_close_matches(word[:_LONGEST_WORD], sorted(known), n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(sorted(known))}"
