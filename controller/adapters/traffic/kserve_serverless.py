"""An InferenceService on Knative: a percentage divides between the newest revision and the last good one.

    model of S, no percent                 Split(S)
    model of S, 0 percent                  Split(S)             put back after a rollback, not ready yet
    model of C, 0 percent                  Split(S)             prepared, or rolled back
    model of C, p percent                  Split(S, C, p)
    model of C, 100 percent                Split(S, C, 1000)
    model of C, no percent                 Split(C)             promoted

The percent is written in the same patch as the model, or KServe gives the new revision everything as soon as
it is ready. What is in force is read from the revisions on the route: KServe's choice of "the last good one"
is believed only where that revision loads the files of the stable version. Pure.

**Source**: KServe 0.20, ksvc_reconciler.go (createKnativeService) and inference_service_status.go
(PropagateStatus): at 0 percent after 100 the revision before that gets everything.
"""

from collections.abc import Sequence

from controller.adapters.kube.resources import REVISIONS, Obj
from controller.adapters.traffic.dialect import Companion
from controller.adapters.traffic.gateway_status import Verdict
from controller.adapters.traffic.kserve_service import (
    PREDICTOR,
    URI,
    Service,
    files_of,
    labelled,
    latch_at,
    latch_in,
    source_of,
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
_PERCENT = f"{PREDICTOR}/canaryTrafficPercent"
_NOT_READY = ("PredictorConfigurationReady", "LatestDeploymentReady", "PredictorRouteReady", "PredictorReady")


class Serverless:
    """The one way of two. Everything is asked of an object as it was read."""

    def companions(self, service: Service) -> tuple[Companion, ...]:
        """The revisions on the route, and the newest: only they say which files they load."""
        return tuple(Companion(REVISIONS, name) for name in _revisions(service))

    def held(self, service: Service, routed: RoutedModel) -> Held:
        """The split that it asks for."""
        uri, percent = service.uri, service.percent
        if not service.splits_revisions:
            known = [each for each in (routed.canary, routed.stable) if files_of(each) == uri]
            return Held(Split(stable=known[0])) if known else somebody_else(uri)
        if percent == 0 and routed.stable is not None:
            return Held(Split(stable=routed.stable))
        if percent is None or uri != files_of(routed.canary) or routed.stable is None:
            return unlike_any(routed, percent)
        return Held(beside(routed, percent))

    def change(self, service: Service, routed: RoutedModel, wanted: Wanted) -> list[Obj]:
        """The model and its percent, in one patch. For stable alone the model stays: only the percent falls.

        Stable's own model may be there at 0 percent: KServe's newest revision can still be the canary's.
        """
        files = files_of(wanted.release)
        if wanted.percent is None and wanted.release == routed.stable:
            alone = files == service.uri and not service.splits_revisions
            return [] if alone else _percent(service, 0)
        writes = _percent(service, wanted.percent)
        if files == service.uri:
            return writes
        labels = labelled(service.predictor, routed, wanted.release)
        return [
            {"op": "test", "path": URI, "value": service.uri},
            {"op": "replace", "path": URI, "value": files},
            {"op": "add", "path": f"{PREDICTOR}/labels", "value": labels},
            *writes,
        ]

    def emergency(self, service: Service, routed: RoutedModel) -> list[Obj]:
        """0 percent, unless stable's model is alone there. KServe knows the last good revision itself."""
        if service.splits_revisions or (routed.canary and files_of(routed.canary) == service.uri):
            return _percent(service, 0)
        if files_of(routed.stable) == service.uri:
            return []
        raise TargetError(
            f"nothing on the InferenceService {service.name} tells which revision is the canary: "
            "set canaryTrafficPercent: 0 yourself, kubectl edit"
        )

    def latch(self, service: Service, reason: str) -> list[Obj]:
        """An annotation of the newest revision's pods; empty takes it away.

        Only where the newest revision is not the only one: it would restart what serves.
        """
        return latch_at(PREDICTOR, service.predictor, reason) if service.splits_revisions else []

    def latched(self, service: Service) -> str:
        """The reason of a latch; empty without one."""
        return latch_in(service.predictor) if service.splits_revisions else ""

    def verdict(
        self, service: Service, found: Sequence[Obj | None], routed: RoutedModel, held: Held
    ) -> Verdict:
        """Whether the revisions on the route load the files that shall have these shares."""
        shares, wanted = shares_by_files(service, found), shares_of(held, routed)
        if shares == wanted:
            return Verdict(accepted=True)
        if shares is None:
            return Verdict(accepted=False, message=f"KServe has not routed {service.name} yet{_why(service)}")
        stands = ", ".join(
            f"{share}% to {uri or 'a revision without storageUri'}" for uri, share in shares.items()
        )
        return Verdict(accepted=False, message=f"the revisions of {service.name} get {stands}{_why(service)}")

    def settled(self, service: Service, found: Sequence[Obj | None]) -> Verdict:
        """The same without knowing the versions: whether the newest revision gets what is asked for it."""
        del found
        wanted = service.percent if service.splits_revisions else _ALL
        newest = sum(each.percent for each in service.targets if each.latest)
        if service.targets and newest == wanted:
            return Verdict(accepted=True)
        asked = f"{newest}% of the requests go to the newest revision, not {wanted}%"
        return Verdict(accepted=False, message=f"{asked}{_why(service)}")

    def series(
        self, service: Service, found: Sequence[Obj | None], routed: RoutedModel
    ) -> tuple[tuple[str, str], ...]:
        """Each version's revision, by which Knative's own metrics and the pods' labels tell them apart."""
        by_files: dict[str, list[str]] = {}
        for name, source in _sources(service, found):
            by_files.setdefault(source, []).append(name)
        pairs = []
        for release in (routed.stable, routed.canary):
            names = by_files.get(files_of(release), [])
            busy = [name for name in names if service.serves(name)] or names
            if release is not None and files_of(release) and len(busy) == 1:
                pairs.append((release.version, busy[0]))
        return tuple(pairs)


def shares_by_files(service: Service, found: Sequence[Obj | None]) -> dict[str, int] | None:
    """Percent of the requests by the files that the revisions load; None where nothing is routed yet."""
    shares: dict[str, int] = {}
    for name, source in _sources(service, found):
        if share := service.serves(name):
            shares[source] = shares.get(source, 0) + share
    return shares if sum(shares.values()) == _ALL else None


def _revisions(service: Service) -> list[str]:
    names = [each.revision for each in service.targets if each.percent]
    return list(dict.fromkeys(name for name in (*names, service.latest_ready) if name))


def _sources(service: Service, found: Sequence[Obj | None]) -> list[tuple[str, str]]:
    """Each revision that was looked at, and what it loads."""
    names = _revisions(service)
    return [] if len(found) != len(names) else list(zip(names, map(source_of, found), strict=True))


def _percent(service: Service, percent: int | None) -> list[Obj]:
    present = service.predictor.get("canaryTrafficPercent") if service.splits_revisions else None
    if percent is None:
        return [{"op": "remove", "path": _PERCENT}] if service.splits_revisions else []
    return [] if present == percent else [{"op": "add", "path": _PERCENT, "value": percent}]


def _why(service: Service) -> str:
    """What keeps the newest revision from being ready, if KServe says so."""
    if service.latest_ready == service.latest_created and service.latest_ready:
        return ""
    said = service.said(*_NOT_READY)
    return f": {said}" if said else f": the revision {service.latest_created or '(none)'} is not ready"
