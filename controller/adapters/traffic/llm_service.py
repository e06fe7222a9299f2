"""The dialect of KServe's LLMInferenceService: members of a routing group, each with a weight of its own.

The object that is read is the canary's member; stable's is its companion, and written first or last where a
split needs both. KServe makes an HTTPRoute for each member with the weights of all, and the oldest one wins:
so a weight is in force when both members' status have it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.adapters.kube.client import FIELD_MANAGER
from controller.adapters.kube.fencing import latch_of, path_of
from controller.adapters.kube.permissions import Permission
from controller.adapters.kube.resources import LLM_INFERENCE_SERVICES, Obj, Resource
from controller.adapters.kube.untrusted import mapping, sequence
from controller.adapters.traffic.dialect import Companion, Standing, Surveyed
from controller.adapters.traffic.gateway_seen import described
from controller.adapters.traffic.gateway_status import Verdict
from controller.adapters.traffic.kserve_split import Held
from controller.adapters.traffic.kserve_status import last_writer
from controller.adapters.traffic.llm_group import (
    MARK,
    WEIGHT,
    Member,
    as_release,
    full,
    held,
    member_of,
    weight_for,
)
from controller.adapters.traffic.llm_survey import in_force, troubles
from controller.adapters.workload.kube_labels import VERSION, labels_of
from controller.domain.observation import RouteSeen, Survey
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, TargetError
from controller.features import Feature

PERMISSIONS = (
    Permission(
        LLM_INFERENCE_SERVICES, frozenset({"get", "list", "watch", "patch"}), Feature.LLM_INFERENCE_SERVICES
    ),
)
_OURS = ("f:router",)


@dataclass(frozen=True, slots=True)
class LlmInferenceServices:
    """`Dialect`, and `Several`."""

    resource: Resource = LLM_INFERENCE_SERVICES
    feature: Feature = Feature.LLM_INFERENCE_SERVICES

    def object_name(self, routed: RoutedModel) -> str:
        """The canary's member; without one stable's, as it is known or as the policy names it."""
        stable = member_of(routed.stable) or routed.route.stable
        return member_of(routed.canary) or stable or routed.route.name

    def written(self, routed: RoutedModel, split: Split | None) -> tuple[str, ...]:
        """Whoever gets requests first, so that there is never nobody."""
        stable, canary = member_of(routed.stable), member_of(routed.canary)
        if not canary and not stable:
            raise TargetError(
                f"nothing is known of the canary of the group {routed.route.name}: "
                "set its weight to 0 yourself, kubectl edit llminferenceservice"
            )
        names = (canary, stable) if split is not None and _all_to_canary(split, routed) else (stable, canary)
        return tuple(name for name in names if name)

    def expect(self, routes: Sequence[Obj], routed: RoutedModel, split: Split, expected: Split) -> None:
        """By the weights of both members together."""
        pair = _pair(map(Member, routes), routed)
        found = held(*pair, routed)
        if found.split not in (split, expected):
            raise Conflict(f"{_stands(pair, found)}; expected was {described(expected)}")

    def companions(self, route: Obj, routed: RoutedModel) -> tuple[Companion, ...]:  # noqa: ARG002 - of any
        """All that could be members of its group."""
        return (Companion(LLM_INFERENCE_SERVICES, ""),)

    def survey(self, standing: Standing, routed: RoutedModel, recorded: Release | None) -> Surveyed:
        """Who serves in the group, and what stands in the way."""
        canary = Member(standing.route)
        known = [release for release in (routed.stable, recorded) if release is not None]
        names = (*map(member_of, known), routed.route.stable or "")
        others = _others(canary, standing, routed)
        stable = next((each for name in names for each in others if each.name == name), None)
        if stable is None and len(others) == 1:
            stable = others[0]
        serving = None
        if stable is not None:
            serving = as_release(stable.name, known, labels_of(stable.obj).get(VERSION, ""))
        trouble = next(troubles(canary, stable, others, routed), None)
        if trouble is None:
            return Surveyed(Survey(serving))
        return Surveyed(
            Survey(serving, problem=trouble.reason, message=trouble.message, hopeless=trouble.hopeless)
        )

    def accepted(self, standing: Standing) -> Verdict:
        """Whether every member that was looked at has the others' weights as they are."""
        ours = Member(standing.route)
        weighing = (each for each in _members(standing)[1:] if each.weight and not each.stopped)
        return in_force([ours, *(each for each in weighing if each.group == ours.group)])

    def seen(self, standing: Standing, routed: RoutedModel, mark: str) -> RouteSeen:
        """The weights of both members, and whether both have heard of them."""
        pair = _pair(_members(standing), routed)
        found = held(*pair, routed)
        verdict = in_force([member for member in pair if member is not None])
        problem, message = None, _stands(pair, found)
        if found.strange or (routed.stable is not None and pair[0] is None):
            problem = Reason.DRIFT_DETECTED
        elif verdict.refused:
            problem, message = Reason.ROUTE_NOT_HONOURED, verdict.message
        elif not verdict.accepted:
            message = verdict.message
        pairs = ((routed.stable, member_of(routed.stable)), (routed.canary, member_of(routed.canary)))
        return RouteSeen(
            split=found.split,
            accepted=verdict.accepted and problem is None,
            problem=problem,
            message=message,
            latched=latch_of(standing.route, mark),
            series=tuple((release.version, name) for release, name in pairs if release and name),
        )

    def change(self, route: Obj, routed: RoutedModel, split: Split, expected: Split) -> list[Obj]:  # noqa: ARG002 - `expect` looks at both
        """One member's weight; the mark of a canary comes with its first requests and goes with its last."""
        member, whole = Member(route), full(routed.steps_permille)
        ours = member.name == member_of(routed.canary)
        if ours and _all_to_canary(split, routed):
            writes = [] if member.weight else _to(member, whole)
        elif ours:
            given = split.weight_permille if split.canary is not None else 0
            writes = _to(member, weight_for(given, whole) if given else 0)
        elif _all_to_canary(split, routed):
            writes = _to(member, 0)
        else:
            writes = [] if split.canary is None and member.weight else _to(member, whole)
        return [*writes, *_marking(member, marked=ours and split.canary is not None)]

    def emergency(self, route: Obj, routed: RoutedModel) -> list[Obj]:
        """Stable gets its weight back if it has none, and then the canary none."""
        member = Member(route)
        if member.name == member_of(routed.canary):
            return _to(member, 0) if routed.stable is not None else []
        return [] if member.weight else _to(member, full(routed.steps_permille))


LLM_INFERENCE_SERVICE = LlmInferenceServices()


def _all_to_canary(split: Split, routed: RoutedModel) -> bool:
    if split.canary is None:
        return split.stable == routed.canary
    return split.weight_permille == FULL_WEIGHT_PERMILLE


def _to(member: Member, weight: int) -> list[Obj]:
    if member.weight == weight:
        return []
    return [
        {"op": "test", "path": "/spec/router/route/group", "value": member.group},
        {"op": "add", "path": WEIGHT, "value": weight},
    ]


def _marking(member: Member, *, marked: bool) -> list[Obj]:
    if marked == member.marked:
        return []
    if not marked:
        return [{"op": "remove", "path": path_of(MARK)}]
    return [{"op": "add", "path": path_of(MARK), "value": "true"}]


def _others(canary: Member, standing: Standing, routed: RoutedModel) -> list[Member]:
    """The other members of the group that have requests, or whom somebody says to serve."""
    named = (member_of(routed.stable), routed.route.stable)
    return [
        each
        for each in _members(standing)
        if each.name != canary.name and not each.stopped
        if each.name in named or (each.group == routed.route.name and each.weight)
    ]


def _members(standing: Standing) -> list[Member]:
    """The route's own first, then all that could be of its group."""
    ours = Member(standing.route)
    listed = mapping(next(iter(standing.companions), None)).get("items")
    found = [Member(each) for each in map(mapping, sequence(listed))]
    return [ours, *(each for each in found if each.name != ours.name)]


def _pair(members: Iterable[Member], routed: RoutedModel) -> tuple[Member | None, Member | None]:
    """Stable's member and the canary's."""
    by_name = {each.name: each for each in members}
    return by_name.get(member_of(routed.stable)), by_name.get(member_of(routed.canary))


def _stands(pair: tuple[Member | None, Member | None], found: Held) -> str:
    weights = " and ".join(f"{member.name} {member.weight}" for member in pair if member is not None)
    writers = "".join(last_writer(member.obj, FIELD_MANAGER, _OURS) for member in pair if member is not None)
    return f"the group has the weights {weights}, {described(found.split)}{writers}"
