"""What a routing group's members say of themselves, and what stands in the way of a rollout in it. Pure."""

from collections.abc import Iterator, Sequence

from controller.adapters.traffic.gateway_rule import Trouble
from controller.adapters.traffic.gateway_status import Verdict
from controller.adapters.traffic.llm_group import Member, member_of
from controller.adapters.traffic.ownership import owner_of
from controller.domain.release import RoutedModel
from controller.domain.vocabulary import Reason


def in_force(members: Sequence[Member]) -> Verdict:
    """Whether each of them routes to all of them by the weights that they have now."""
    for member in members:
        degraded, why = member.condition("GroupDegraded")
        if degraded == "True":
            message = f"the group of {member.name} is degraded, {why}"
            fix = "give its members the same model.name and the same adapters"
            return Verdict(accepted=False, refused=True, message=f"{message}: {fix}")
        ready, why = member.condition("GroupReady")
        if ready != "True":
            said = f": {why}" if why else ""
            return Verdict(accepted=False, message=f"the group of {member.name} is not ready{said}")
        verdict = _routes(member, members)
        if not verdict.accepted:
            return verdict
    return Verdict(accepted=True)


def _routes(member: Member, members: Sequence[Member]) -> Verdict:
    for other in members:
        listed = member.listed.get(other.name)
        if listed is not None and listed.weight != other.weight:
            message = f"{member.name} routes to {other.name} by {listed.weight} still, not {other.weight}"
            return Verdict(accepted=False, message=message)
        if other.weight and (listed is None or listed.stopped):
            message = f"{member.name} does not route to {other.name} yet: it is not ready, or stopped"
            return Verdict(accepted=False, message=message)
    return Verdict(accepted=True)


def troubles(
    canary: Member, stable: Member | None, others: Sequence[Member], routed: RoutedModel
) -> Iterator[Trouble]:
    """What stands in the way, what no waiting mends first. ``others`` have requests beside the canary."""
    if routed.canary is not None and not member_of(routed.canary):
        message = f"{routed.canary.version} names no LLMInferenceService: --backend LLMInferenceService/NAME"
        yield Trouble(Reason.BACKEND_NOT_FOUND, message, hopeless=True)
    for member in filter(None, (canary, stable)):
        yield from _of_member(member, routed)
    group, known = routed.route.name, stable.name if stable else ""
    weighing = [each.name for each in others if each.weight and each.name != known]
    if weighing:
        message = f"the group {group} has more members with a weight, {' and '.join(weighing)}: set it to 0"
        hint = f"route: {{llmInferenceService: {{name: {group}, stable: {weighing[0]}}}}}"
        message += "" if stable else f", or say which serves: {hint}"
        yield Trouble(Reason.ROUTE_AMBIGUOUS, message, hopeless=True)
    yield from _of_weights(canary, stable, routed)
    verdict = in_force([canary, *([stable] if stable else [])])
    if not verdict.accepted:
        yield Trouble(Reason.WAITING_FOR_ROUTE, verdict.message)


def _of_member(member: Member, routed: RoutedModel) -> Iterator[Trouble]:
    if owner := owner_of(member.obj, "router"):
        message = (
            f"the LLMInferenceService {member.name} belongs to {owner.shown}, which would undo every change: "
            f"{owner.advice}"
        )
        yield Trouble(Reason.ROUTE_OWNED, message, hopeless=True)
    if member.group != routed.route.name:
        now = f", not {member.group}" if member.group else ""
        message = f"{member.name} is not in the group {routed.route.name}"
        fix = f"set its spec.router.route.group to {routed.route.name}{now}"
        yield Trouble(Reason.ROUTE_NOT_FOUND, f"{message}: {fix}")


def _of_weights(canary: Member, stable: Member | None, routed: RoutedModel) -> Iterator[Trouble]:
    if canary.weight and canary.name == member_of(routed.canary):
        message = f"{canary.name} has the weight {canary.weight} already: set it to 0 first"
        yield Trouble(Reason.DRIFT_DETECTED, message)
    if canary.stopped:
        fix = f"kubectl annotate llminferenceservice {canary.name} serving.kserve.io/stop-"
        yield Trouble(Reason.WAITING_FOR_ROUTE, f"{canary.name} is stopped: {fix}")
    if stable is not None and not stable.weight:
        message = f"{stable.name} is said to serve, and its weight is 0: give it one"
        yield Trouble(Reason.DRIFT_DETECTED, message)
    if stable is None and routed.stable is not None:
        message = f"{routed.stable.version} is on record as serving, and its member is gone or stopped"
        yield Trouble(Reason.DRIFT_DETECTED, f"{message}: bring it back")
