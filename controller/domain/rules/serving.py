"""Rules while the canary has traffic: what harms users comes before what helps the release."""

from dataclasses import replace

from controller.domain.judge.share import CONTRADICTION, share_contradiction
from controller.domain.model import ZERO, Rollout, SetSplit
from controller.domain.observation import NoReading, Observation, RouteSeen
from controller.domain.observing import Folded, with_split
from controller.domain.policy import Fallback, OnDrift
from controller.domain.release import Split
from controller.domain.rules.turns import Turn, failing, freeze, hold, rise, tell, withdraw
from controller.domain.rules.wanting import (
    highest_step,
    restraint,
    row,
    told,
    wanting,
)
from controller.domain.table import Trigger, move
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.domain.wording import duration, given, percent

BRAKE = 2
"""How many times what the judge allows a weight may be before it is lowered; below that it only holds."""
UNREADY_PASSES = 3
"""Passes in a row that find the canary not ready before its traffic is taken away."""


def latched(folded: Folded, seen: Observation) -> Turn | None:
    """The gateway was rolled back while the record could not be written: the record follows."""
    if seen.route is None or seen.route.latched is None:
        return None
    message = "rolled back at the gateway while the store could not be written"
    cause = seen.route.latched
    trigger = Trigger.ABORT if cause is Reason.ABORTED_BY_PERSON else Trigger.FAIL
    return withdraw(folded.rollout, seen, trigger, cause, message, force=True)


def drifted(folded: Folded, seen: Observation) -> Turn | None:
    """The route is not as we left it: its weight stays, a person decides."""
    del seen
    drift = folded.drift
    if drift is None:
        return None
    if folded.rollout.policy.on_drift is OnDrift.RESTORE and drift.problem is None:
        return _restore(folded.rollout, drift)
    reason = drift.problem or Reason.DRIFT_DETECTED
    message = drift.message or (
        f"the gateway gives the canary {_given(drift.split)}, "
        f"not the {_given(folded.rollout.route.intended)} of this rollout"
    )
    return freeze(folded.rollout, reason, message)


def _restore(rollout: Rollout, drift: RouteSeen) -> Turn:
    """The policy says that our weights stand: what was counted under the other ones says nothing."""
    found = drift.message or f"the canary had {_given(drift.split)} of the requests"
    anew = with_split(rollout, rollout.route.intended)
    route = replace(rollout.route, foreign=None)
    asked = replace(anew, route=route, told=rollout.told, asking=rollout.asking)
    write = SetSplit(rollout.route.intended, expected=drift.split)
    message = f"{_given(rollout.route.intended)} is restored: {found}"
    if Reason.DRIFT_DETECTED in rollout.told:
        return Turn(
            replace(asked, reason=Reason.DRIFT_DETECTED, message=message), "drift_found_again", (write,)
        )
    turn = tell(asked, "drift_restored", Reason.DRIFT_DETECTED, Reason.DRIFT_DETECTED, message)
    return replace(turn, actions=(write,))


def unready(folded: Folded, seen: Observation) -> Turn | None:
    """The canary stopped answering its readiness probe: no metric needs to be asked."""
    rollout = folded.rollout
    if rollout.unready_passes < UNREADY_PASSES:
        return None
    why = seen.canary.message if seen.canary else ""
    missing = seen.canary is not None and seen.canary.problem is Reason.ADAPTER_MISSING
    reason = Reason.ADAPTER_MISSING if missing else Reason.CANARY_NOT_READY
    return withdraw(rollout, seen, Trigger.FAIL, reason, f"the canary is not ready: {why}")


def failed(folded: Folded, seen: Observation) -> Turn | None:
    """A check used up its budget."""
    evidence = folded.rollout.evidence
    if evidence.verdict is not Verdict.FAIL:
        return None
    return withdraw(folded.rollout, seen, Trigger.FAIL, Reason.CHECK_FAILED, _blame(folded.rollout))


def silent(folded: Folded, seen: Observation) -> Turn | None:
    """The metric source does not answer: hold, tell, and at last do what the policy says."""
    rollout, no_data = folded.rollout, folded.rollout.policy.no_data
    if not isinstance(seen.reading, NoReading):
        return None
    for_how_long, why = rollout.clocks.unmeasured, seen.reading.message
    if for_how_long >= no_data.act_after and no_data.action is Fallback.ROLLBACK:
        message = f"no trustworthy metrics for {duration(for_how_long)}: {why}"
        return withdraw(rollout, seen, Trigger.FAIL, Reason.METRICS_UNAVAILABLE, message)
    if for_how_long >= no_data.alert_after and Reason.METRICS_UNAVAILABLE not in rollout.told:
        message = f"no trustworthy metrics for {duration(for_how_long)}; the weight holds: {why}"
        return tell(rollout, "metrics_unavailable", Reason.METRICS_UNAVAILABLE, seen.reading.reason, message)
    return None


def misrouted(folded: Folded, seen: Observation) -> Turn | None:
    """The canary's measured share contradicts its weight."""
    del seen
    rollout, evidence = folded.rollout, folded.rollout.evidence
    got, others = evidence.canary_requests, evidence.stable_requests
    rules, asked = rollout.policy.audience, rollout.route.intended
    kept = rules.sticky and not asked.mirror_permille
    together = rules.requests_per_user if kept else 1
    mixed = rules.mixed and not asked.mirror_permille
    against = share_contradiction(got, others, asked.canary_share, together=together, may_be_more=mixed)
    if against < CONTRADICTION:
        return None
    message = (
        f"the canary got {got:,} of {got + others:,} requests, "
        f"which contradicts its {'' if asked.mirror_permille else 'weight '}{_given(asked)}"
    )
    return freeze(rollout, Reason.ROUTE_NOT_HONOURED, message)


def eased(folded: Folded, seen: Observation) -> Turn | None:
    """The judge allows much less than the weight, or suspects the canary: an earlier step's."""
    rollout, evidence = folded.rollout, folded.rollout.evidence
    if rollout.step is None or not rollout.step or not rollout.route.in_force or not folded.fresh:
        return None
    braked = evidence.ceiling_permille < rollout.weight_permille / BRAKE
    suspected = evidence.held is Reason.EVIDENCE_AGAINST
    step = highest_step(rollout.policy, evidence.ceiling_permille)
    if step >= rollout.step or not (braked or suspected):
        return None
    turn = rise(rollout, seen, Trigger.EASE, step)
    reason = evidence.held or Reason.BUDGET_SPENT
    message = f"lowered to {percent(turn.rollout.weight_permille)}: {restraint(rollout)}"
    return replace(turn, rollout=replace(turn.rollout, reason=reason, message=message))


def incident(folded: Folded, seen: Observation) -> Turn | None:
    """Both versions break a limit: the weight holds by itself, people are told.

    After the time that the policy lets silence last before it is told: it has no other time for telling.
    """
    del seen
    rollout, for_how_long = folded.rollout, folded.rollout.clocks.incident
    broken, cause = rollout.evidence.broken_by_both, Reason.BOTH_ABOVE_LIMIT
    if not broken or for_how_long < rollout.policy.no_data.alert_after or cause in rollout.told:
        return None
    limits = f"the {'limit' if len(broken) == 1 else 'limits'} of {' and '.join(broken)}"
    message = (
        f"both versions have broken {limits} for {duration(for_how_long)}: "
        "an incident, not the canary; the weight holds"
    )
    return tell(rollout, "incident_found", cause, cause, message)


def expired(folded: Folded, seen: Observation) -> Turn | None:
    """The rollout as a whole, or its step, took too long."""
    rollout, policy = folded.rollout, folded.rollout.policy
    rollback = policy.on_deadline is Fallback.ROLLBACK
    if rollout.clocks.total >= policy.deadline:
        message = f"not finished within {duration(policy.deadline)}"
        if rollback:
            return withdraw(rollout, seen, Trigger.FAIL, Reason.ROLLOUT_DEADLINE_EXCEEDED, message)
        paused = replace(rollout, resume_to=rollout.phase)
        return Turn(
            move(paused, Trigger.EXPIRE, Phase.PAUSED, Reason.ROLLOUT_DEADLINE_EXCEEDED, message),
            Trigger.EXPIRE,
        )
    if rollout.phase is not Phase.PROGRESSING or rollout.step is None:
        return None
    deadline = policy.steps[rollout.step].deadline
    lacking, what = wanting(folded, seen)
    late = rollout.clocks.since_step >= deadline and Reason.TOO_LITTLE_EVIDENCE not in rollout.told
    if not late or lacking is None:
        return None
    message = f"no verdict within the step's {duration(deadline)}: {what}"
    if rollback:
        return withdraw(rollout, seen, Trigger.FAIL, Reason.STEP_DEADLINE_EXCEEDED, message)
    told = Reason.TOO_LITTLE_EVIDENCE
    return tell(rollout, "step_deadline_exceeded", told, told, message)


def holding(folded: Folded, seen: Observation) -> Turn | None:
    """Nothing to do but wait, and say for what."""
    # the gateway first: metrics that are missing because it is down are its consequence
    if seen.route is not None and seen.route.problem is not None:
        return hold(folded, seen.route.problem, seen.route.message)
    if isinstance(seen.reading, NoReading):
        return hold(folded, seen.reading.reason, f"the weight holds: {seen.reading.message}")
    if folded.rollout.phase is Phase.BAKING:
        worst = failing(folded.rollout)
        if worst is not None:
            return hold(folded, Reason.CHECKS_FAILING, row(folded.rollout, worst))
        left = max(folded.rollout.policy.bake - folded.rollout.clocks.at_weight, ZERO)
        return hold(folded, Reason.BAKE_RUNNING, f"serves everyone; watched for {duration(left)} more")
    reason, message = wanting(folded, seen)
    return hold(folded, reason or Reason.STEP_RUNNING, message)


def _given(split: Split) -> str:
    return given(split.weight_permille, split.mirror_permille)


def _blame(rollout: Rollout) -> str:
    exhausted = (r for r in rollout.evidence.checks if not r.report_only and r.failures >= r.budget)
    return told(rollout, exhausted)
