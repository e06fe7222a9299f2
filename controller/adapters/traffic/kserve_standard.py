"""An InferenceService on Deployments: ``spec.canary`` divides between the predictor and a canary beside it.

    model of S, no canary                  Split(S)
    model of S, canary C at 0 percent      Split(S)             prepared, or rolled back
    model of S, canary C at p percent      Split(S, C, p)
    model of S, canary C at 100 percent    Split(S, C, 1000)
    model of C, no canary                  Split(C)             promoted

KServe 0.20.0 takes ``spec.canary``, starts the canary's pods, repeats the percentage in its status, and sends
no request to them. So only the weights of the HTTPRoutes that it makes are believed. A promotion gives the
predictor the canary's model and its name, and KServe keeps the canary's pods. Pure.

**Source**: KServe master after 0.20.0: kserve#5672 (canaries), kserve#5912 (weights), kserve#5984 (a canary
that is not ready is left out of the routes).
"""

from collections.abc import Sequence

from controller.adapters.kube.resources import HTTP_ROUTES, Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.traffic.dialect import Companion
from controller.adapters.traffic.gateway_status import Verdict
from controller.adapters.traffic.kserve_canary import (
    added,
    entry_of,
    new_entry,
    path_of,
    promoted,
    service_name,
    weighed,
)
from controller.adapters.traffic.kserve_routes import in_force
from controller.adapters.traffic.kserve_service import (
    Service,
    files_of,
    latch_at,
    latch_in,
)
from controller.adapters.traffic.kserve_split import (
    Held,
    Wanted,
    beside,
    shares_of,
    somebody_else,
    unlike_any,
)
from controller.domain.release import RoutedModel, Split
from controller.errors import TargetError

_ALL = 100


class Standard:
    """The other way of two."""

    def companions(self, service: Service) -> tuple[Companion, ...]:
        """The HTTPRoutes of the service and of its predictor."""
        return tuple(Companion(HTTP_ROUTES, name) for name in (service.name, f"{service.name}-predictor"))

    def held(self, service: Service, routed: RoutedModel) -> Held:
        """The split that it asks for."""
        canary, uri = entry_of(service, routed.canary), service.uri
        others = sum(each.percent or 0 for each in service.entries if each != canary)
        if others or any(each.percent is None for each in service.entries):
            return unlike_any(routed, canary.percent if canary else others)
        if routed.stable is not None and uri == files_of(routed.stable):
            return Held(beside(routed, canary.percent or 0)) if canary else Held(Split(stable=routed.stable))
        if routed.canary is not None and uri == files_of(routed.canary) and canary is None:
            return Held(Split(stable=routed.canary))
        return somebody_else(uri)

    def change(self, service: Service, routed: RoutedModel, wanted: Wanted) -> list[Obj]:
        """One canary's percentage, the canary itself, or the predictor that takes its place."""
        entry = entry_of(service, routed.canary)
        if wanted.percent is not None:
            if entry is not None:
                return weighed(entry, wanted.percent)
            return added(service, new_entry(service, routed, wanted.release, wanted.percent, 1))
        if files_of(wanted.release) == service.uri:
            return weighed(entry, 0) if entry is not None else []
        if wanted.release == routed.canary and entry is not None:
            return promoted(service, entry)
        raise TargetError(
            f"the InferenceService {service.name} runs {service.uri}, and {wanted.release.version} is no "
            "canary beside it any more: deploy it again"
        )

    def emergency(self, service: Service, routed: RoutedModel) -> list[Obj]:
        """0 percent for every canary: whoever they are, they are not what serves."""
        if routed.stable is not None and service.uri == files_of(routed.canary):
            raise TargetError(
                f"the InferenceService {service.name} was promoted already: "
                f"deploy {routed.stable.version} again"
            )
        return [operation for entry in service.entries for operation in weighed(entry, 0)]

    def latch(self, service: Service, reason: str) -> list[Obj]:
        """An annotation of the canaries' pods, which have no requests then; empty takes it away."""
        return [
            operation
            for entry in service.entries
            for operation in latch_at(path_of(entry), mapping(entry.body.get("predictor")), reason)
        ]

    def latched(self, service: Service) -> str:
        """The reason of a latch; empty without one."""
        predictors = (mapping(entry.body.get("predictor")) for entry in service.entries)
        return next(filter(None, map(latch_in, predictors)), "")

    def verdict(
        self, service: Service, found: Sequence[Obj | None], routed: RoutedModel, held: Held
    ) -> Verdict:
        """Whether the HTTPRoutes have these weights, and their gateways took them."""
        by_files = {service.uri: service_name(service.name, text(service.predictor.get("name")))}
        by_files |= {each.uri: service_name(service.name, each.name) for each in service.entries}
        shares = {by_files.get(uri, uri): share for uri, share in shares_of(held, routed).items()}
        return self._verdict(service, found, shares, set(by_files.values()))

    def settled(self, service: Service, found: Sequence[Obj | None]) -> Verdict:
        """The same without knowing the versions."""
        main = service_name(service.name, text(service.predictor.get("name")))
        shares = {service_name(service.name, each.name): each.percent or 0 for each in service.entries}
        names = {main, *shares}
        shares[main] = _ALL - sum(shares.values())
        return self._verdict(service, found, {name: share for name, share in shares.items() if share}, names)

    def series(
        self, service: Service, found: Sequence[Obj | None], routed: RoutedModel
    ) -> tuple[tuple[str, str], ...]:
        """Each version's Service."""
        del found
        pairs = []
        main = service_name(service.name, text(service.predictor.get("name")))
        for release in (routed.stable, routed.canary):
            entry = entry_of(service, release)
            if release is not None and files_of(release) == service.uri:
                pairs.append((release.version, main))
            elif release is not None and entry is not None:
                pairs.append((release.version, service_name(service.name, entry.name)))
        return tuple(pairs)

    def _verdict(
        self, service: Service, found: Sequence[Obj | None], shares: dict[str, int], names: set[str]
    ) -> Verdict:
        wanted = [each.name for each in self.companions(service)]
        if len(found) != len(wanted):
            return Verdict(accepted=False, message=f"the HTTPRoutes of {service.name} were not looked at")
        return in_force(service, list(zip(wanted, found, strict=True)), shares, names)
