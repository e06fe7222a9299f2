"""The rollout machine.

Theory of operation
-------------------
A rollout is one record (`model.Rollout`). The shell moves it by passes, and a pass is

    read -> plan -> observe -> decide -> commit -> act -> wake

`planning.plan` says what must be looked at, `decide` turns what was seen into the next record, the writes
that the gateway needs and the time of the next pass. Both are pure and total: no clock, no I/O, no exception
for any observation. A person's word goes through `commands.obey`, which is as pure.

*Levels, not edges.* A decision depends only on the record and on what is seen now, never on what happened in
between. So a pass may be lost, repeated or delayed without harm.

*Commit, then act.* The record says what the gateway shall run (``route.intended``) and what it ran before
(``route.previous``) before anything is written. After a crash the world is at one of the two: at the
previous, the write is repeated; at the intended, the rollout goes on. Anything else is drift, which freezes.

*Time is what was watched.* A step's clock is the sum of the spans between two passes of one process which
both saw the weight in force and measured (`timing`). Downtime, clock jumps and blind spells add nothing.

*Evidence, not absence.* Counts begin at the instant, on the metric source's clock, at which the weight was
seen in force. No answer is UNKNOWN: it holds the weight, and a deadline of its own ends it.

*Samples are asked for like gates.* A trial (`sampling`) stands in the record before it is taken beside the
passes, and what it brought is weighed with everything else.

*The fleet only holds.* Order, limits, hours and groups (`rules.fleet`) keep a rollout from starting and from
stepping up; nothing of them stands between a bad canary and its rollback.

*People and gates are asked last.* Where the policy asks for somebody's word (`approval`), a rollout to which
nothing else is lacking holds until it has it, and is judged meanwhile as at any other time.

*Urgency is order.* The rules of a phase (`rules.PHASE_RULES`) are asked in turn and the first that applies
decides: what takes traffic away from a bad canary always stands before what gives it more.

*Phases.* `table.TABLE` holds every transition that there is. Paused, Frozen and Halted wait for a person;
Paused and Halted still roll back by themselves, Frozen does not: somebody else changed the route, and
overwriting them needs a person's consent.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from controller.domain.judge import judge_of
from controller.domain.judge.base import Assessment
from controller.domain.model import Command, Decision, Entry, Rollout, SetSplit
from controller.domain.observation import Observation
from controller.domain.observing import exposed, fold
from controller.domain.planning import looks
from controller.domain.rules import PHASE_RULES
from controller.domain.rules.draining import drained
from controller.domain.rules.turns import Turn
from controller.domain.sampling import open_trials
from controller.domain.table import Trigger
from controller.domain.timing import clocks_stand
from controller.domain.vocabulary import CONSENT_LACKS, FLEET_LACKS, Phase, Reason, Verdict
from controller.errors import InvariantError

SERINUS = "serinus"
"""The actor of what nobody asked for."""

NOTABLE_EVENTS = frozenset(
    {
        *(trigger.value for trigger in Trigger),
        "metrics_unavailable",
        "incident_found",
        "step_deadline_exceeded",
        "created",
        "drift_restored",
        "promotion_asked",
        "approval_asked",
        "approval_given",
        "approval_denied",
        "approval_overdue",
        "gate_asked",
        "gate_passed",
        "gate_denied",
        "gate_failed",
        "gate_overdue",
        "shadow_skipped",
    }
)
"""Events that people are told; every other one is a check that changed nothing of consequence."""

_NOTABLE_HOLDS = frozenset(
    {
        Reason.CHECKS_FAILING,
        Reason.GATEWAY_UNAVAILABLE,
        Reason.MODEL_NOT_PROMOTED,
        Reason.ROUTE_NOT_HONOURED,
    }
)
_NOTHING_JUDGED = Assessment(Verdict.UNKNOWN)
_NOW = timedelta(0)
_SOON = timedelta(seconds=1)
_CLOSER_LOOKS = 3
"""Passes in an interval while each block may decide: blocks close when scrapes come, at no known instant."""
_PREPARING_POLL = timedelta(seconds=5)


def decide(rollout: Rollout, seen: Observation) -> Decision:
    """The next record, the writes it asks for, and when to look again."""
    if rollout.phase.terminal:
        noted = drained(rollout, seen)
        if noted is None:
            return Decision(rollout)
        return record(rollout, noted, _NOTHING_JUDGED, at=seen.at, actor=SERINUS, observation=seen)
    folded = fold(rollout, seen)
    turns = (rule(folded, seen) for rule in PHASE_RULES[rollout.phase])
    turn = next((turn for turn in turns if turn is not None), None)
    if turn is None:
        error = f"no rule of {rollout.phase} applies"
        raise InvariantError(error)
    wake = wake_after(turn.rollout, turn.actions, moved=_moved(rollout, turn.rollout))
    if not turn.actions and _unchanged(rollout, turn.rollout):
        return Decision(rollout, wake_after=wake, measures=looks(rollout).measure is not None)
    evidence = folded.rollout.evidence
    assessment = Assessment(evidence.verdict, evidence.checks)
    return record(rollout, turn, assessment, at=seen.at, actor=SERINUS, observation=seen)


def record(
    before: Rollout,
    turn: Turn,
    assessment: Assessment,
    *,
    at: datetime,
    actor: str,
    observation: Observation | None = None,
    command: Command | None = None,
) -> Decision:
    """A turn as a decision: numbered, dated, with the log entry that explains it.

    ``assessment`` is what the decision rests on: the evidence at the weight that it found, not at the next.
    """
    over = before.phase.terminal  # what is noted now leaves the time of the end as it is
    after = replace(turn.rollout, seq=before.seq + 1, updated_at=before.updated_at if over else at)
    reason, message = turn.note or (after.reason, after.message)
    notable = turn.event in NOTABLE_EVENTS or (turn.event == "held" and after.reason in _NOTABLE_HOLDS)
    entry = Entry(
        seq=after.seq,
        at=at,
        actor=actor,
        event=turn.event,
        phase_before=before.phase,
        phase=after.phase,
        reason=reason,
        message=message,
        step=after.step,
        weight_permille=after.share_permille,
        assessment=assessment,
        observation=observation,
        command=command,
        notable=notable,
        mirror_permille=after.mirror_permille,
    )
    wake = wake_after(after, turn.actions, moved=_moved(before, after))
    return Decision(after, turn.actions, entry, wake, measures=looks(after).measure is not None)


def wake_after(rollout: Rollout, actions: tuple[SetSplit, ...], *, moved: bool) -> timedelta | None:
    """When the rollout needs its next pass; None when only an event can change anything."""
    if rollout.phase.terminal or rollout.phase is Phase.FROZEN:
        return None
    if actions or moved:
        return _NOW
    interval = rollout.policy.interval
    match rollout.phase:
        case Phase.PENDING:
            # a predecessor's end and the fleet wake by themselves, a route that is not there yet does not
            waits = rollout.reason in (Reason.CREATED, Reason.WAITING_FOR_PREDECESSOR)
            return None if waits or rollout.reason in FLEET_LACKS else interval
        case Phase.VALIDATING if rollout.reason in FLEET_LACKS:
            return None
        case Phase.PAUSED if not exposed(rollout):
            return None
        case Phase.PREPARING | Phase.ROLLING_BACK | Phase.PROMOTING | Phase.VALIDATING:
            poll = _PREPARING_POLL if rollout.phase is Phase.PREPARING else _SOON
            return interval if rollout.reason in CONSENT_LACKS else min(interval, poll)
        case _:
            waiting = not rollout.route.in_force or rollout.evidence.cursor is None
            if waiting:
                return min(interval, _SOON)
            return max(interval / _CLOSER_LOOKS, min(interval, _SOON)) if _watchful(rollout) else interval


def _watchful(rollout: Rollout) -> bool:
    """Whether the next block may decide much: the first of the canary, and each while it is suspected."""
    evidence = rollout.evidence
    if rollout.phase is not Phase.PROGRESSING or not judge_of(rollout.policy).remembers:
        return False
    return not evidence.answered or any(r.reason is Reason.EVIDENCE_AGAINST for r in evidence.checks)


def _moved(before: Rollout, after: Rollout) -> bool:
    """Whether the next pass has something new to do."""
    asks = after.asking is not None and after.asking != before.asking and bool(after.asking.shut)
    sampled = len(open_trials(after)) > len(open_trials(before))
    more = after.supply_permille > before.supply_permille
    return after.phase is not before.phase or more or asks or sampled


def _unchanged(before: Rollout, after: Rollout) -> bool:
    """Whether there is nothing to write.

    The mark of the pass alone is worth writing only where a clock runs: without it no time would ever count
    again after a restart.
    """
    if clocks_stand(before):
        clocks = replace(after.clocks, mark=before.clocks.mark, observing=before.clocks.observing)
        after = replace(after, clocks=clocks)
    return after == before
