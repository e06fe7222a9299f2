"""The verbs that rules and commands share: hold, freeze, rise, withdraw, settle, succeed."""

from dataclasses import dataclass, replace

from controller.domain.exposure import audience_at
from controller.domain.judge.base import CheckResult
from controller.domain.mirroring import in_shadow
from controller.domain.model import Rollout, SetSplit
from controller.domain.observation import Observation, Readiness
from controller.domain.observing import Folded, exposed, with_split
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Step
from controller.domain.release import Split
from controller.domain.table import Trigger, move
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.domain.wording import percent


@dataclass(frozen=True, slots=True)
class Turn:
    """What was decided: the next record, the event's name, and the writes that it asks for.

    ``note`` is what the entry says, where that is not what the record goes on to say.
    """

    rollout: Rollout
    event: str
    actions: tuple[SetSplit, ...] = ()
    note: tuple[Reason, str] | None = None


def hold(folded: Folded, reason: Reason, message: str) -> Turn:
    """Stay, do the write that is still owed, and say why.

    Frozen and Halted owe none: there a person decides what the gateway shall run.
    """
    changed = reason is not folded.rollout.reason
    rollout = replace(folded.rollout, reason=reason, message=message)
    owes = folded.write is not None and rollout.phase not in (Phase.FROZEN, Phase.HALTED)
    actions = (folded.write,) if owes and folded.write else ()
    return Turn(rollout, "held" if changed else "observed", actions)


def tell(rollout: Rollout, event: str, told: Reason, reason: Reason, message: str) -> Turn:
    """Say it to people, once: ``told`` is what need not be said again at this weight."""
    return Turn(replace(rollout, reason=reason, message=message, told=(*rollout.told, told)), event)


def refuse(rollout: Rollout, reason: Reason, message: str) -> Turn:
    """The end of a release that never had any traffic."""
    return Turn(move(rollout, Trigger.REFUSE, Phase.NOT_DEPLOYED, reason, message), Trigger.REFUSE)


def freeze(rollout: Rollout, reason: Reason, message: str) -> Turn:
    """Leave the weight where it is until a person decides."""
    back = rollout.resume_to if rollout.phase is Phase.PAUSED else rollout.phase
    rollout = replace(rollout, resume_to=back)
    return Turn(move(rollout, Trigger.FREEZE, Phase.FROZEN, reason, message), Trigger.FREEZE)


def rise(rollout: Rollout, seen: Observation, trigger: Trigger, step: int) -> Turn:
    """Ask for the weight of a step, or for its share of copies."""
    return _give(replace(rollout, step=step), seen, trigger, rollout.policy.steps[step])


def rise_to_all(rollout: Rollout, trigger: Trigger, seen: Observation | None = None) -> Turn:
    """The promotion: everything to the canary, in one write."""
    return _give(rollout, seen, trigger, None)


def _give(rollout: Rollout, seen: Observation | None, trigger: Trigger, step: Step | None) -> Turn:
    weight_permille = step.weight_permille if step else FULL_WEIGHT_PERMILLE
    promotes = weight_permille == FULL_WEIGHT_PERMILLE
    phase = Phase.PROMOTING if promotes else Phase.PROGRESSING
    reason = Reason.PROMOTION_RUNNING if promotes else Reason.WAITING_FOR_GATEWAY
    expected = _running(rollout, seen)
    audience = audience_at(rollout.policy, step, weight_permille)
    mirror = step.mirror_permille if step else 0
    split = Split(rollout.stable, rollout.release, weight_permille, audience, mirror)
    what = "the testers' requests" if split.testers_only else f"{percent(weight_permille)} of the requests"
    if mirror:
        what = f"copies of {percent(mirror)} of the requests; nobody sees its answers"
    message = f"gives {rollout.release.version} {what}"
    moved = move(with_split(rollout, split), trigger, phase, reason, message)
    return Turn(moved, trigger, (SetSplit(split, expected),))


def _running(rollout: Rollout, seen: Observation | None) -> Split:
    """What a write must find at the gateway: what was seen there, else what the record holds."""
    if seen is not None and seen.route is not None:
        return seen.route.split
    return rollout.route.foreign or rollout.route.intended


def withdraw(
    rollout: Rollout,
    seen: Observation | None,
    trigger: Trigger,
    cause: Reason,
    message: str,
    *,
    force: bool = False,
) -> Turn:
    """Take the canary away: in one write if it has traffic, at once if it never had any.

    While the canary serves everyone, a stable that cannot take over halts instead; ``force`` is for a person
    who insists, and for a gateway that was rolled back already.
    """
    ending = {Trigger.SUPERSEDE: Phase.SUPERSEDED, Trigger.ABORT: Phase.ABORTED}.get(
        trigger, Phase.NOT_DEPLOYED if _unserved(rollout) else Phase.ROLLED_BACK
    )
    if not exposed(rollout):
        return Turn(move(rollout, trigger, ending, cause, message), trigger)
    if serves_alone(rollout) and not force and not healthy(seen.stable if seen else None):
        why = seen.stable.message if seen and seen.stable else "not seen"
        halted = replace(rollout, cause=cause)
        text = f"{message}; the old stable cannot take over: {why}"
        return Turn(move(halted, Trigger.HALT, Phase.HALTED, Reason.STABLE_UNHEALTHY, text), Trigger.HALT)
    expected = _running(rollout, seen)
    gone = _with_last_checks(with_split(rollout, Split(stable=rollout.stable)), rollout)
    gone = replace(gone, ending=ending, cause=cause)
    moved = move(gone, trigger, Phase.ROLLING_BACK, cause, message)
    return Turn(moved, trigger, (SetSplit(moved.route.intended, expected),))


def settle(rollout: Rollout, seen: Observation | None) -> Turn:
    """Ask the gateway to call the canary stable. For users nothing changes: it serves everyone already."""
    expected = _running(rollout, seen)
    settled = _with_last_checks(with_split(rollout, Split(stable=rollout.release)), rollout)
    settled = replace(settled, message=f"{rollout.release.version} becomes the stable version")
    return Turn(settled, "bake_finished", (SetSplit(settled.route.intended, expected),))


def succeed(rollout: Rollout) -> Turn:
    """The end that everyone hoped for."""
    message = f"{rollout.release.version} serves everyone"
    return Turn(move(rollout, Trigger.BAKED, Phase.SUCCEEDED, Reason.PROMOTED, message), Trigger.BAKED)


def failing(rollout: Rollout) -> CheckResult | None:
    """The first check that failed its last measurement, of those that may stop a rollout."""
    found = (r for r in rollout.evidence.checks if r.verdict is Verdict.FAIL and not r.report_only)
    return next(found, None)


def healthy(readiness: Readiness | None) -> bool:
    """Whether it was seen, and seen to be ready."""
    return readiness is not None and readiness.ready


def serves_alone(rollout: Rollout) -> bool:
    """Whether all traffic is asked to go to the canary while there is an old stable to go back to."""
    everything = rollout.weight_permille == FULL_WEIGHT_PERMILLE or _settling(rollout)
    return everything and rollout.stable is not None


def _settling(rollout: Rollout) -> bool:
    return rollout.route.intended == Split(stable=rollout.release)


def _unserved(rollout: Rollout) -> bool:
    """Whether no user was ever served by the canary: all that it got were copies."""
    foreign = rollout.route.foreign
    return in_shadow(rollout) and (foreign is None or not foreign.exposes)


def _with_last_checks(rollout: Rollout, last: Rollout) -> Rollout:
    """No more is measured from here on: people go on seeing what was measured last."""
    seen_last = replace(rollout.evidence, verdict=last.evidence.verdict, checks=last.evidence.checks)
    return replace(rollout, evidence=seen_last)
