"""The dialect of every kind of route that is a list of weighted backends: its `Layout`, and who runs it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller.adapters.kube.client import FIELD_MANAGER
from controller.adapters.kube.resources import Obj, Resource
from controller.adapters.traffic.dialect import Companion, Standing, Surveyed
from controller.adapters.traffic.gateway_emergency import with_versions
from controller.adapters.traffic.gateway_patch import route_patch
from controller.adapters.traffic.gateway_rule import Pair, Trouble, find_pair
from controller.adapters.traffic.gateway_seen import (
    Series,
    agrees,
    described,
    held_in,
    route_seen,
    standing_words,
)
from controller.adapters.traffic.gateway_status import Verdict
from controller.adapters.traffic.gateway_survey import survey_of
from controller.adapters.traffic.layout import Layout
from controller.domain.observation import RouteSeen
from controller.domain.release import Release, RoutedModel, Split
from controller.errors import Conflict, TargetError
from controller.features import Feature


def _nothing(standing: Standing, routed: RoutedModel) -> Iterator[Trouble]:  # noqa: ARG001 - as kinds have it
    return iter(())


def _nobody(route: Obj, routed: RoutedModel) -> tuple[Companion, ...]:  # noqa: ARG001 - as kinds have it
    return ()


@dataclass(frozen=True, slots=True)
class WeightedRoutes:
    """`Dialect` of one kind. What is asked of ``accept`` and the rest is as `Dialect` says."""

    resource: Resource
    feature: Feature
    layout: Layout
    accept: Callable[[Standing], Verdict]
    series: Series
    gateways: Callable[[Obj], tuple[str, ...]]
    """The gateways that a route belongs to, by names that are the same for all their routes."""
    obstacles: Callable[[Standing, RoutedModel], Iterator[Trouble]] = _nothing
    """What this kind alone knows to stand in the way of a rollout."""
    beside: Callable[[Obj, RoutedModel], tuple[Companion, ...]] = _nobody

    def object_name(self, routed: RoutedModel) -> str:
        """The name in the policy."""
        return routed.route.name

    def companions(self, route: Obj, routed: RoutedModel) -> tuple[Companion, ...]:
        """As the kind says."""
        return self.beside(route, routed)

    def survey(self, standing: Standing, routed: RoutedModel, recorded: Release | None) -> Surveyed:
        """Of the model's rule."""
        return survey_of(
            standing.route,
            routed,
            recorded,
            self.layout,
            verdict=self.accept(standing),
            obstacles=self.obstacles(standing, routed),
            gateways=self.gateways(standing.route),
        )

    def accepted(self, standing: Standing) -> Verdict:
        """By all who run it."""
        return self.accept(standing)

    def seen(self, standing: Standing, routed: RoutedModel, mark: str) -> RouteSeen:
        """The weights, who wrote last, and whether they were taken."""
        return route_seen(
            standing.route,
            self.layout,
            routed,
            FIELD_MANAGER,
            mark,
            verdict=self.accept(standing),
            series=self.series,
        )

    def change(self, route: Obj, routed: RoutedModel, split: Split, expected: Split) -> list[Obj]:
        """The pair's weights, the canary's entry, and the rules for those who do not get it by chance."""
        pair = self._pair(route, routed)
        if not agrees(held_in(route, pair, routed), routed, split, expected):
            stands = standing_words(route, pair, routed, FIELD_MANAGER)
            raise Conflict(f"{stands}; expected was {described(expected)}")
        return route_patch(route, pair, routed, split)

    def emergency(self, route: Obj, routed: RoutedModel) -> list[Obj]:
        """Serinus' mark tells the canary where the record cannot."""
        known = with_versions(route, routed, self.layout)
        return route_patch(route, self._pair(route, known), known, Split(stable=known.stable))

    def _pair(self, route: Obj, routed: RoutedModel) -> Pair:
        pair = find_pair(route, routed, self.layout)
        if isinstance(pair, Trouble):
            raise TargetError(pair.message)
        return pair
