"""The dialect of InferenceModelRewrite: shares of LoRA adapters in a rule, within one InferencePool."""

from dataclasses import dataclass, replace

from controller.adapters.kube.client import FIELD_MANAGER
from controller.adapters.kube.fencing import latch_of
from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import FORMER_MODEL_REWRITES, MODEL_REWRITES, Obj, Resource
from controller.adapters.traffic.dialect import Companion, Standing, Surveyed
from controller.adapters.traffic.gateway_rule import Trouble
from controller.adapters.traffic.gateway_seen import agrees, described
from controller.adapters.traffic.gateway_status import Verdict, foreign_writer
from controller.adapters.traffic.rewrite_mark import mark_of
from controller.adapters.traffic.rewrite_patch import patch_for
from controller.adapters.traffic.rewrite_rule import Pair, find_pair
from controller.adapters.traffic.rewrite_split import read_split
from controller.adapters.traffic.rewrite_status import acceptance, of_no_pool, rival
from controller.adapters.traffic.rewrite_survey import survey_of
from controller.domain.observation import RouteSeen
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, TargetError
from controller.features import Feature

_VERBS = frozenset({"get", "list", "watch", "patch"})
PERMISSIONS = tuple(
    Permission(resource, _VERBS, Feature.INFERENCE_MODEL_REWRITES)
    for resource in (MODEL_REWRITES, FORMER_MODEL_REWRITES)
)
"""Both: the client uses the group that the cluster knows, and it may come to know the newer one."""


@dataclass(frozen=True, slots=True)
class ModelRewrites:
    """`Dialect`. The endpoint picker of the pool runs a rewrite as it is: nothing is generated from it."""

    resource: Resource = MODEL_REWRITES
    feature: Feature = Feature.INFERENCE_MODEL_REWRITES

    def object_name(self, routed: RoutedModel) -> str:
        """The name in the policy."""
        return routed.route.name

    def companions(self, route: Obj, routed: RoutedModel) -> tuple[Companion, ...]:  # noqa: ARG002 - as `Dialect` has it
        """The rewrites of the namespace: an older one for the same model decides instead."""
        return (Companion(self.resource, ""),)

    def survey(self, standing: Standing, routed: RoutedModel, recorded: Release | None) -> Surveyed:
        """Of the model's rule, and of other rewrites for the same model."""
        return survey_of(standing, routed, recorded)

    def accepted(self, standing: Standing) -> Verdict:
        """By its controller, where there is one."""
        return acceptance(standing.route)

    def seen(self, standing: Standing, routed: RoutedModel, mark: str) -> RouteSeen:
        """The shares, who wrote last, and whether this rewrite is the one that decides."""
        rewrite = standing.route
        pair, latched = find_pair(rewrite, routed), latch_of(rewrite, mark)
        if isinstance(pair, Trouble):
            message = f"{pair.message}{_culprit(rewrite)}"
            return RouteSeen(Split(), False, Reason.DRIFT_DETECTED, message, latched)  # noqa: FBT003 - accepted
        held, verdict = read_split(pair, routed, mark_of(rewrite, routed.model)), acceptance(rewrite)
        problem, message = None, _standing_words(rewrite, pair, routed)
        trouble = of_no_pool(rewrite) or rival(standing, routed)
        if held.strange:
            problem = Reason.DRIFT_DETECTED
        elif trouble is not None:
            problem, message = trouble.reason, trouble.message
        elif verdict.refused:
            problem, message = Reason.ROUTE_REJECTED, verdict.message
        return RouteSeen(held.split, verdict.accepted and problem is None, problem, message, latched)

    def change(self, route: Obj, routed: RoutedModel, split: Split, expected: Split) -> list[Obj]:
        """The pair's targets, and the note of who is the canary."""
        pair = _pair(route, routed)
        if not agrees(read_split(pair, routed, mark_of(route, routed.model)), routed, split, expected):
            stands = _standing_words(route, pair, routed)
            raise Conflict(f"{stands}; expected was {described(expected)}")
        return patch_for(route, pair, routed, split)

    def emergency(self, route: Obj, routed: RoutedModel) -> list[Obj]:
        """Serinus' note tells who is who where the record cannot."""
        known = _with_versions(route, routed)
        return patch_for(route, _pair(route, known), known, Split(stable=known.stable))


MODEL_REWRITE = ModelRewrites()


def _pair(rewrite: Obj, routed: RoutedModel) -> Pair:
    pair = find_pair(rewrite, routed)
    if isinstance(pair, Trouble):
        raise TargetError(pair.message)
    return pair


def _standing_words(rewrite: Obj, pair: Pair, routed: RoutedModel) -> str:
    """What stands on the rewrite, and who else wrote its rules last."""
    return f"the rewrite {routed.route.name} has {pair.shown}{_culprit(rewrite)}"


def _culprit(rewrite: Obj) -> str:
    writer = foreign_writer(rewrite, FIELD_MANAGER)
    return f" ({writer.shown})" if writer else ""


def _with_versions(rewrite: Obj, routed: RoutedModel) -> RoutedModel:
    """The model with the versions that the note names, called by their adapters; as it is if it has any.

    Raises `TargetError` when there is no note: an emergency is no reason to guess.
    """
    if routed.stable is not None or routed.canary is not None:
        return routed
    mark = mark_of(rewrite, routed.model)
    if mark is None or not mark.stable:
        what = "canary" if mark is None else "stable version"
        raise TargetError(
            f"nothing on the rewrite {routed.route.name} tells which adapter is the {what}: "
            "set the targets yourself, kubectl edit"
        )
    return replace(routed, stable=_release(mark.stable), canary=_release(mark.canary))


def _release(adapter: str) -> Release:
    return Release(adapter, backend=Backend(BackendKind.LORA_ADAPTER, adapter))
