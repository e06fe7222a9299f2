"""The conditions of a ModelRollout: seven statements for `kubectl wait`, scripts and GitOps tools.

    Progressing       True: it goes on by itself. Unknown: a person has to decide (Paused, Frozen, Halted, or
                      WaitingForApproval).
                      False: it is over, however it ended
    Healthy           True: the checks pass, or it succeeded. False: the version was found to be bad.
                      Unknown: not enough is known yet
    Promoted          True: it serves everyone and the bake is over. False: it ended without that.
                      Unknown: it is not over
    RolledBack        True: its traffic was taken away because of harm. False: it ended otherwise.
                      Unknown: it is not over
    PolicyValid       True: a valid policy rules it. False: it cannot begin, because there is none
    MetricsAvailable  True: the metric source gives answers that can be trusted. False: it does not.
                      Unknown: it was not asked yet
    DriftFree         True: the route is as Serinus asked. False: somebody else changed it.
                      Unknown: it was not seen yet

A script that waits for any end waits for Progressing=False. Reasons are words of `Reason`, and where all is
well of `Assurance`. Pure and total.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from controller.adapters.kube.statusshape import (
    LONGEST_MESSAGE,
    LONGEST_WORD,
    ConditionShape,
    ConditionStatus,
)
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase, Reason, Verdict, waits_for_person
from controller.domain.wording import duration


class Condition(StrEnum):
    """The types."""

    PROGRESSING = "Progressing"
    HEALTHY = "Healthy"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    POLICY_VALID = "PolicyValid"
    METRICS_AVAILABLE = "MetricsAvailable"
    DRIFT_FREE = "DriftFree"


class Assurance(StrEnum):
    """Reasons of conditions that hold, for which a rollout needs no `Reason`."""

    POLICY_IN_FORCE = "PolicyInForce"
    METRICS_ANSWER = "MetricsAnswer"
    ROUTE_AS_ASKED = "RouteAsAsked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one condition says now."""

    status: ConditionStatus
    reason: Reason | Assurance
    message: str = ""


Findings = Mapping[Condition, Finding | None]
"""None: nothing new is known, so what was said before still stands."""

_BAD_VERSION = frozenset(
    {
        Reason.CHECK_FAILED,
        Reason.CANARY_NOT_READY,
        Reason.ADAPTER_MISSING,
        Reason.GOLDEN_REQUEST_FAILED,
        Reason.WARM_UP_FAILED,
        Reason.CRASH_LOOPING,
        Reason.IMAGE_PULL_FAILED,
        Reason.READY_DEADLINE_EXCEEDED,
    }
)
_NO_METRICS = frozenset(
    {
        Reason.METRICS_UNAVAILABLE,
        Reason.METRICS_STALE,
        Reason.METRICS_INVALID,
        Reason.METRICS_PARTIAL,
        Reason.METRICS_AMBIGUOUS,
        Reason.METRICS_UNRECOGNISED,
        Reason.CLOCK_STEPPED,
    }
)
_UNSAID: Mapping[Condition, Finding] = MappingProxyType(
    {
        Condition.METRICS_AVAILABLE: Finding("Unknown", Reason.WAITING_FOR_METRICS, "not asked yet"),
        Condition.DRIFT_FREE: Finding("Unknown", Reason.WAITING_FOR_GATEWAY, "the route was not seen yet"),
    }
)


def findings_of(rollout: Rollout) -> Findings:
    """What a rollout's record says."""
    digest = rollout.policy.digest[:12]
    return {
        **_outcome(rollout.phase, rollout.reason, rollout.message),
        Condition.HEALTHY: _healthy(rollout),
        Condition.POLICY_VALID: Finding("True", Assurance.POLICY_IN_FORCE, f"policy {digest}".strip()),
        Condition.METRICS_AVAILABLE: _metrics(rollout),
        Condition.DRIFT_FREE: _drift(rollout),
    }


def findings_without_record(
    phase: Phase, reason: Reason, message: str, *, policy_valid: bool | None
) -> Findings:
    """What is to be said of an object that no rollout was begun for; None: nothing is known of its policy."""
    unseen = Finding("Unknown", reason)
    policy: ConditionStatus = "Unknown" if policy_valid is None else "True" if policy_valid else "False"
    return {
        **_outcome(phase, reason, message),
        Condition.HEALTHY: unseen,
        Condition.POLICY_VALID: (
            Finding("True", Assurance.POLICY_IN_FORCE) if policy_valid else Finding(policy, reason, message)
        ),
        Condition.METRICS_AVAILABLE: unseen,
        Condition.DRIFT_FREE: unseen,
    }


def conditions(
    findings: Findings, before: object, *, at: datetime, generation: int, anew: bool = False
) -> list[ConditionShape]:
    """One of each type, in the order of `Condition`.

    ``before`` is the status's list as it was read; a condition whose status does not change keeps the time
    of its last transition. ``anew`` forgets what earlier attempts said where nothing new is known.
    """
    known = _known(before)
    return [
        _condition(kind, findings[kind], None if anew else known.get(kind), known.get(kind), at, generation)
        for kind in Condition
    ]


def _condition(
    kind: Condition,
    finding: Finding | None,
    kept: ConditionShape | None,
    before: ConditionShape | None,
    at: datetime,
    generation: int,
) -> ConditionShape:
    if finding is None and kept is not None:
        return kept.model_copy(update={"observed_generation": generation})
    said = finding or _UNSAID[kind]
    same = before is not None and before.status == said.status
    return ConditionShape(
        type=kind.value,
        status=said.status,
        reason=said.reason.value,
        message=said.message[:LONGEST_MESSAGE],
        last_transition_time=before.last_transition_time if same and before else at.replace(microsecond=0),
        observed_generation=generation,
    )


def _known(before: object) -> dict[str, ConditionShape]:
    """What can be read of conditions that were written before, perhaps by somebody else."""
    known = {}
    for each in sequence(before):
        said = mapping(each)
        changed = _instant(text(said.get("lastTransitionTime")))
        status = text(said.get("status"))
        if changed is None or status not in ("True", "False", "Unknown"):
            continue
        kind = text(said.get("type"))
        known[kind] = ConditionShape.model_construct(
            type=kind[:LONGEST_WORD],
            status=status,
            reason=text(said.get("reason"))[:LONGEST_WORD],
            message=text(said.get("message"))[:LONGEST_MESSAGE],
            last_transition_time=changed,
            observed_generation=0,
        )
    return known


def _instant(written: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(written)
    except ValueError:
        return None
    return instant if instant.tzinfo else None


def _outcome(phase: Phase, reason: Reason, message: str) -> dict[Condition, Finding]:
    def ended_as(end: Phase) -> Finding:
        if not phase.terminal:
            return Finding("Unknown", reason, f"it is {phase}")
        return Finding("True" if phase is end else "False", reason, message)

    waits = waits_for_person(phase, reason)
    goes_on: ConditionStatus = "False" if phase.terminal else "Unknown" if waits else "True"
    return {
        Condition.PROGRESSING: Finding(goes_on, reason, message),
        Condition.PROMOTED: ended_as(Phase.SUCCEEDED),
        Condition.ROLLED_BACK: ended_as(Phase.ROLLED_BACK),
    }


def _healthy(rollout: Rollout) -> Finding:
    culprit = rollout.cause or rollout.reason
    if culprit in _BAD_VERSION or rollout.evidence.verdict is Verdict.FAIL:
        return Finding("False", culprit, rollout.message)
    if rollout.phase is Phase.SUCCEEDED or rollout.evidence.verdict is Verdict.PASS:
        return Finding("True", rollout.reason, "every check passes")
    return Finding("Unknown", rollout.reason, "not enough is known yet")


def _metrics(rollout: Rollout) -> Finding | None:
    for reason in (rollout.reason, rollout.cause):
        if reason in _NO_METRICS:
            return Finding("False", reason, rollout.message)
    if rollout.clocks.unmeasured and not rollout.phase.terminal:
        silence = f"no trustworthy answer for {duration(rollout.clocks.unmeasured)}"
        return Finding("False", Reason.METRICS_UNAVAILABLE, silence)
    if rollout.evidence.cursor is not None:
        return Finding("True", Assurance.METRICS_ANSWER)
    return None


def _drift(rollout: Rollout) -> Finding | None:
    if rollout.route.foreign is not None or rollout.reason is Reason.DRIFT_DETECTED:
        return Finding("False", Reason.DRIFT_DETECTED, rollout.message)
    if rollout.route.in_force:
        return Finding("True", Assurance.ROUTE_AS_ASKED)
    return None
