"""Rules before any traffic: Pending, Preparing, Validating."""

from dataclasses import replace
from datetime import timedelta

from controller.domain.approval import needed_for_step, needed_to_promote, needed_to_start
from controller.domain.exposure import needed_share
from controller.domain.judge.weights import budget_of
from controller.domain.mirroring import first_listed, surveyed_unmirrored
from controller.domain.model import Rollout
from controller.domain.observation import Observation, PackSeen
from controller.domain.observing import Folded, with_split
from controller.domain.policy import FULL_WEIGHT_PERMILLE, CheckKind
from controller.domain.recognition import unrecognised
from controller.domain.release import Release, Split
from controller.domain.rules import fleet
from controller.domain.rules.approving import awaited
from controller.domain.rules.turns import (
    Turn,
    healthy,
    hold,
    refuse,
    rise,
    rise_to_all,
    serves_alone,
    withdraw,
)
from controller.domain.rules.wanting import highest_step
from controller.domain.table import Trigger, move
from controller.domain.vocabulary import Phase, Reason
from controller.domain.wording import duration

_SHORTEST_USUAL = timedelta(minutes=5)
"""A shorter past does not say how much traffic is usual: perhaps stable has just been promoted."""


def overtaken(folded: Folded, seen: Observation) -> Turn | None:
    """A newer release waits: this one steps aside, its weight first.

    But not while the canary serves everyone and nothing could serve in its place, because there is no old
    stable or that is not ready: then the newer one waits for its end.
    """
    rollout = folded.rollout
    first = rollout.stable is None and rollout.route.intended != Split()
    irreplaceable = first or (serves_alone(rollout) and not healthy(seen.stable))
    if seen.successor is None or irreplaceable:
        return None
    message = f"replaced by the newer rollout {seen.successor}"
    return withdraw(rollout, seen, Trigger.SUPERSEDE, Reason.NEWER_RELEASE, message)


def waiting_for_predecessor(folded: Folded, seen: Observation) -> Turn | None:
    """The older rollout has to put its weight to 0 first."""
    if seen.predecessor is None:
        return None
    message = f"waits until {seen.predecessor} is over"
    return hold(folded, Reason.WAITING_FOR_PREDECESSOR, message)


def hopeless(folded: Folded, seen: Observation) -> Turn | None:
    """The route, or the canary's workload, is such that no waiting helps."""
    survey, canary = seen.survey, seen.canary
    if survey is not None and survey.hopeless:
        return refuse(folded.rollout, survey.problem or Reason.ROUTE_REJECTED, survey.message)
    if canary is not None and canary.hopeless and not canary.ready:
        return refuse(folded.rollout, canary.problem or Reason.WORKLOAD_REFUSED, canary.message)
    return None


def unanswerable(folded: Folded, seen: Observation) -> Turn | None:
    """A check could never pass: its limit lies above every bound of the histogram that stable's past has."""
    del seen
    rollout = folded.rollout
    past = {each.check: each.shares for each in rollout.calibration.checks} if rollout.calibration else {}
    deciding = [check for check in rollout.policy.checks if not check.report_only]
    for check in deciding:
        shares = past.get(check.name)
        if check.kind is not CheckKind.QUANTILE or check.max is None or not shares:
            continue
        last, _ = shares[-1]
        if check.max > last:
            message = (
                f"{check.name}'s limit {check.max:g}s lies above the histogram's last bound {last:g}s: "
                "no measurement could ever show that it is kept; lower the limit or add buckets"
            )
            return refuse(rollout, Reason.LIMIT_OUTSIDE_BUCKETS, message)
    return None


def waiting_for_route(folded: Folded, seen: Observation) -> Turn | None:
    """The route is not as it must be, and may become so."""
    if seen.survey is None or seen.survey.problem is None:
        return None
    return hold(folded, seen.survey.problem, seen.survey.message)


def start(folded: Folded, seen: Observation) -> Turn | None:
    """Nothing stands in the way: remember what serves now, and get the canary ready.

    While it waited, an older rollout may have promoted the very same version: then there is nothing to do.
    """
    serving = (seen.survey.serving if seen.survey else None) or seen.serving
    rollout = replace(folded.rollout, stable=serving, release=_completed(folded.rollout.release, serving))
    if serving is not None and _same(serving, rollout.release):
        message = f"{rollout.release.version} already serves everyone; deploy a version with another name"
        return refuse(rollout, Reason.ALREADY_SERVING, message)
    if serving is None and rollout.release.image is not None:
        message = "no version serves yet whose workload could be cloned; deploy the first one by its backend"
        return refuse(rollout, Reason.NOTHING_TO_CLONE, message)
    unapproved = awaited(folded, seen, needed_to_start(rollout.policy))
    if unapproved is not None:
        return unapproved
    unstarted = fleet.unstarted(folded, seen)
    if unstarted is not None:
        return unstarted
    split = Split(stable=serving)
    weight_sum, gateways = (seen.survey.weight_sum, seen.survey.gateways) if seen.survey else (None, ())
    route = replace(
        rollout.route,
        previous=split,
        intended=split,
        weight_sum=weight_sum,
        gateways=gateways,
        unmirrored=surveyed_unmirrored(rollout, seen),
    )
    first = needed_share(rollout.policy.steps[first_listed(rollout.policy, route.unmirrored)])
    supply = first if serving else FULL_WEIGHT_PERMILLE
    rollout = replace(with_split(rollout, split), route=route, supply_permille=supply)
    message = f"waits until {rollout.release.version} is ready"
    return Turn(
        move(rollout, Trigger.START, Phase.PREPARING, Reason.WAITING_FOR_READY, message), Trigger.START
    )


def ready(folded: Folded, seen: Observation) -> Turn | None:
    """The canary answers, is warm where the policy asks for it, and it is known how to measure it.

    A pack that was recognised just now first has to say what stable's past was.
    """
    rollout = _calibrated(folded.rollout)
    if unrecognised(rollout) or seen.pack is not None:
        return None
    cold = rollout.policy.warm_up_requests > 0 and not (seen.warm_up and seen.warm_up.ok)
    unroutable = seen.survey is not None and seen.survey.problem is not None
    few = seen.canary is not None and seen.canary.carries_permille < rollout.supply_permille
    if seen.canary is None or not seen.canary.ready or few or cold or unroutable:
        return None
    if seen.survey is not None and seen.survey.weight_sum is not None:
        rollout = replace(rollout, route=replace(rollout.route, weight_sum=seen.survey.weight_sum))
    message = "sends the golden requests" if rollout.policy.validation else "no golden requests to send"
    moved = move(rollout, Trigger.READY, Phase.VALIDATING, Reason.VALIDATION_RUNNING, message)
    return Turn(moved, Trigger.READY)


def _calibrated(rollout: Rollout) -> Rollout:
    """With copies asked for as the first weight needs them, which stable's past may have raised."""
    if rollout.stable is None:
        return rollout
    first = needed_share(rollout.policy.steps[first_step(rollout)])
    return replace(rollout, supply_permille=max(rollout.supply_permille, first))


def first_step(rollout: Rollout) -> int:
    """Where to begin: on a ladder, as high as the exposure budget allows with stable's usual traffic.

    Where requests cannot be copied, behind the shadow steps.
    """
    policy, past = rollout.policy, rollout.calibration
    if not policy.auto_steps or past is None or past.span < _SHORTEST_USUAL or not past.requests_per_second:
        return first_listed(policy, rollout.route.unmirrored)
    budget = budget_of(policy, past.scrape.total_seconds())
    return highest_step(policy, budget.first_permille(past.requests_per_second))


def not_ready(folded: Folded, seen: Observation) -> Turn | None:
    """Not ready yet, or not ready in time."""
    folded = replace(folded, rollout=_calibrated(folded.rollout))
    rollout = folded.rollout
    reason, why = Reason.WAITING_FOR_READY, seen.canary.message if seen.canary else ""
    if seen.canary is not None and seen.canary.problem is not None:
        reason = seen.canary.problem
    if seen.warm_up is not None and not seen.warm_up.ok:
        reason, why = Reason.WARM_UP_FAILED, seen.warm_up.message
    elif seen.pack is not None:
        reason, why = _recognised(seen.pack)
    if seen.survey is not None and seen.survey.problem is not None:
        reason, why = seen.survey.problem, seen.survey.message
    deadline = rollout.policy.ready_deadline
    if rollout.clocks.in_phase < deadline:
        return hold(folded, reason, why)
    end = Reason.READY_DEADLINE_EXCEEDED if reason is Reason.WAITING_FOR_READY else reason
    return refuse(rollout, end, f"not ready within {duration(deadline)}: {why}")


def _recognised(seen: PackSeen) -> tuple[Reason, str]:
    if seen.pack:
        return Reason.WAITING_FOR_READY, f"its metrics are those of the pack {seen.pack}"
    return Reason.METRICS_UNRECOGNISED, seen.message


def invalid(folded: Folded, seen: Observation) -> Turn | None:
    """A golden request was answered wrongly: the canary never gets a user's request."""
    report = seen.validation
    if folded.rollout.policy.validation is None or (report is not None and report.ok):
        return None
    if report is None:
        return hold(folded, Reason.VALIDATION_RUNNING, "the golden requests could not be sent yet")
    return refuse(folded.rollout, Reason.GOLDEN_REQUEST_FAILED, report.message)


def valid(folded: Folded, seen: Observation) -> Turn | None:
    """Every golden request was answered as it should: traffic may begin, if people agree to it.

    They may have taken days to say so, and a freeze as long to end: the canary is seen ready once more.
    """
    rollout, policy = folded.rollout, folded.rollout.policy
    alone, step = rollout.stable is None, first_step(rollout)
    needed = needed_to_promote(policy, None) if alone else needed_for_step(policy, step, 0)
    unapproved = awaited(folded, seen, needed)
    if unapproved is not None:
        return unapproved
    shut = fleet.shut(folded, seen)
    if shut is not None:
        return shut
    if not healthy(seen.canary):
        return _ready_no_more(folded, seen)
    return rise_to_all(rollout, Trigger.VALID, seen) if alone else rise(rollout, seen, Trigger.VALID, step)


def _ready_no_more(folded: Folded, seen: Observation) -> Turn:
    deadline, why = folded.rollout.policy.ready_deadline, seen.canary.message if seen.canary else ""
    if folded.rollout.clocks.in_phase < deadline:
        return hold(folded, Reason.WAITING_FOR_READY, why)
    message = f"ready once, and not ready any more within {duration(deadline)}: {why}"
    return refuse(folded.rollout, Reason.READY_DEADLINE_EXCEEDED, message)


def _completed(release: Release, serving: Release | None) -> Release:
    """The release with stable's port, where its own backend was named without one."""
    backend, known = release.backend, serving.backend if serving else None
    if backend is None or backend.port is not None or known is None or backend.kind is not known.kind:
        return release
    return replace(release, backend=replace(backend, port=known.port))


def _same(serving: Release, release: Release) -> bool:
    """Whether they are one version, or two names for one backend."""
    shared = serving.backend is not None and serving.backend == release.backend
    return shared or serving.version == release.version
