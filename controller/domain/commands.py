"""A person's word to a rollout: pause, resume, abort, promote, retry. Pure, like `machine`.

Approve and deny are in `answers`.
"""

from dataclasses import replace

from controller.domain.answers import answer, unapproved_promotion
from controller.domain.fleet.facts import Hold
from controller.domain.judge.base import Assessment
from controller.domain.machine import record
from controller.domain.model import ZERO, Command, CommandKind, Decision, Refusal, Rollout
from controller.domain.observing import with_split
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Policy
from controller.domain.release import Release, Split
from controller.domain.rules.turns import Turn, rise_to_all, settle, withdraw
from controller.domain.table import TABLE, Trigger, move
from controller.domain.vocabulary import Phase, Reason
from controller.domain.weighing import judged_anew
from controller.domain.wording import listed


def obey(rollout: Rollout, command: Command, closed: Hold | None = None) -> Decision | Refusal:
    """What follows from a person's word now, or why nothing can.

    ``closed`` is why nothing steps up at this hour: a person's word is no way around it.
    """
    if rollout.phase.terminal:
        return Refusal(_over(rollout, command.kind))
    match command.kind:
        case CommandKind.DEPLOY:
            return Refusal("a release is deployed as a rollout of its own")
        case CommandKind.PAUSE:
            turn = _pause(rollout, command)
        case CommandKind.RESUME:
            turn = _resume(rollout, command)
        case CommandKind.ABORT:
            turn = _abort(rollout, command)
        case CommandKind.PROMOTE:
            turn = _promote(rollout, closed)
        case CommandKind.RETRY:
            turn = _retry(rollout, command)
        case CommandKind.APPROVE | CommandKind.DENY:
            turn = answer(rollout, command)
    if isinstance(turn, Refusal):
        return turn
    assessment = Assessment(rollout.evidence.verdict, rollout.evidence.checks)
    return record(rollout, turn, assessment, at=command.at, actor=command.actor, command=command)


def announce(rollout: Rollout, command: Command | None = None) -> Decision:
    """The first log entry of a new rollout, which must be in Pending and unnumbered.

    ``command`` is the person's word that began it; None when a release was found and nobody asked.
    """
    actor = command.actor if command else rollout.created_by
    message = f"{rollout.release.version} of {rollout.model} is to be rolled out"
    turn = Turn(replace(rollout, message=message), "created")
    nothing = Assessment(rollout.evidence.verdict)
    return record(rollout, turn, nothing, at=rollout.created_at, actor=actor, command=command)


def again(ended: Rollout, policy: Policy, rollout_id: str, command: Command) -> Rollout | Refusal:
    """A new rollout of a release whose last one ended without success, under the policy of today."""
    if not ended.phase.terminal:
        return Refusal(f"{ended.id} is still {ended.phase}; abort it first")
    if ended.phase is Phase.SUCCEEDED:
        return Refusal(f"{ended.release.version} was promoted; there is nothing to retry")
    return Rollout(
        id=rollout_id,
        model=ended.model,
        release=ended.release,
        policy=policy,
        created_at=command.at,
        created_by=command.actor,
        retry_of=ended.id,
    )


def refuse_release(release: Release, serving: Release | None, running: Rollout | None) -> Refusal | None:
    """Why a release cannot be rolled out now, if it cannot: versions name backends, so they must differ."""
    if serving is not None and serving.version == release.version:
        return Refusal(f"{release.version} already serves everyone; deploy a version with another name")
    if running is not None and running.release.version == release.version:
        return Refusal(f"{release.version} is being rolled out already by {running.id} ({running.phase})")
    return None


def _pause(rollout: Rollout, command: Command) -> Turn | Refusal:
    if rollout.phase is Phase.PAUSED:
        return Refusal("it is paused already")
    if rollout.phase not in TABLE[Trigger.PAUSE]:
        return Refusal(f"it cannot be paused while {rollout.phase}; abort puts the canary's weight to 0")
    paused = replace(rollout, resume_to=rollout.phase)
    message = f"paused by {command.actor}; the weight holds, checks go on"
    return Turn(move(paused, Trigger.PAUSE, Phase.PAUSED, Reason.PAUSED_BY_PERSON, message), Trigger.PAUSE)


def _resume(rollout: Rollout, command: Command) -> Turn | Refusal:
    if rollout.phase is Phase.PENDING and rollout.ties.held_by:
        return _overrule(rollout, command)
    if rollout.phase not in TABLE[Trigger.RESUME] or rollout.resume_to is None:
        return Refusal(f"it is {rollout.phase}, not paused or frozen: there is nothing to resume")
    message = f"resumed by {command.actor}"
    moved = move(rollout, Trigger.RESUME, rollout.resume_to, Reason.STEP_RUNNING, message)
    if rollout.phase is Phase.FROZEN:
        # a person's word consents to overwrite what somebody else wrote, and what was counted under the
        # other weight says nothing about this one
        asked = with_split(moved, moved.route.intended)
        moved = replace(asked, evidence=moved.evidence) if moved.phase is Phase.HALTED else asked
    # it grants new deadlines as well
    clocks = replace(moved.clocks, total=ZERO, since_step=ZERO, unmeasured=ZERO, incident=ZERO)
    clocks = replace(clocks, mark=None, observing=False)
    asking = replace(moved.asking, waited=ZERO) if moved.asking else None
    return Turn(replace(moved, clocks=clocks, told=(), asking=asking), Trigger.RESUME)


def _overrule(rollout: Rollout, command: Command) -> Turn:
    """It need not wait for, nor mind, the rollouts that keep it from starting now."""
    held_by = rollout.ties.held_by
    ties = replace(rollout.ties, held_by=(), overruled=tuple(sorted({*rollout.ties.overruled, *held_by})))
    message = f"{command.actor} lets it start without minding {listed(held_by)}"
    return Turn(replace(rollout, ties=ties, reason=Reason.CREATED, message=message), "order_overruled")


def _abort(rollout: Rollout, command: Command) -> Turn | Refusal:
    message = f"aborted by {command.actor}"
    if rollout.phase is Phase.ROLLING_BACK:
        said = rollout.message if message in rollout.message else f"{rollout.message}; {message}"
        return Turn(replace(rollout, message=said), Trigger.ABORT)
    return withdraw(rollout, None, Trigger.ABORT, Reason.ABORTED_BY_PERSON, message, force=True)


def _promote(rollout: Rollout, closed: Hold | None) -> Turn | Refusal:
    phase = rollout.resume_to if rollout.phase is Phase.PAUSED else rollout.phase
    match phase:
        case Phase.PENDING | Phase.PREPARING | Phase.VALIDATING:
            return Refusal("it is not validated yet; nothing is promoted unseen")
        case Phase.PROGRESSING:
            return _skip_steps(rollout, closed)
        case Phase.BAKING if rollout.phase is phase and rollout.route.intended != Split(
            stable=rollout.release
        ):
            return _skip_bake(rollout)
        case _:
            return Refusal(f"it is {rollout.phase}: there is no step left to skip")


def _skip_steps(rollout: Rollout, closed: Hold | None) -> Turn | Refusal:
    if closed is not None:
        return Refusal(f"{closed.message}: nothing steps up until then")
    if unapproved := unapproved_promotion(rollout):
        return unapproved
    if rollout.scaled or _group(rollout):
        return _promote_when_it_can(rollout)
    if not rollout.route.in_force:
        return Refusal("the gateway has not confirmed the present weight yet; try again in a moment")
    return rise_to_all(rollout, Trigger.PROMOTE)


def _skip_bake(rollout: Rollout) -> Turn | Refusal:
    if not rollout.route.in_force:
        return Refusal("the gateway has not confirmed the promotion yet; try again in a moment")
    if group := _group(rollout):
        return Refusal(f"its group {group} becomes stable together, when the last of it is baked")
    return settle(rollout, None)


def _promote_when_it_can(rollout: Rollout) -> Turn:
    """There may be too few copies for everyone yet, or others of its group that are not as far."""
    reason, group = Reason.WAITING_FOR_COPIES, _group(rollout)
    version = rollout.release.version
    message = f"{version} is promoted as soon as it has copies enough for everyone"
    if not rollout.scaled:
        reason, message = Reason.STEP_RUNNING, f"{version} is promoted as soon as its group {group} is ready"
    if rollout.phase is Phase.PAUSED:
        rollout = move(rollout, Trigger.RESUME, Phase.PROGRESSING, reason, message)
    supply = FULL_WEIGHT_PERMILLE if rollout.scaled else rollout.supply_permille
    asked = replace(rollout, promote_asked=True, supply_permille=supply, reason=reason, message=message)
    return Turn(asked, "promotion_asked")


def _group(rollout: Rollout) -> str:
    return rollout.policy.fleet.group


def _retry(rollout: Rollout, command: Command) -> Turn | Refusal:
    if rollout.phase is not Phase.HALTED:
        return Refusal(f"it is still {rollout.phase}; retry is for a rollout that ended or was halted")
    anew = replace(with_split(judged_anew(rollout), rollout.route.intended), cause=None)
    message = f"judged anew on the word of {command.actor}"
    moved = move(anew, Trigger.RETRY, Phase.PROMOTING, Reason.PROMOTION_RUNNING, message)
    return Turn(replace(moved, clocks=replace(moved.clocks, mark=None)), Trigger.RETRY)


def _over(rollout: Rollout, kind: CommandKind) -> str:
    hint = "; retry starts it again" if rollout.phase is not Phase.SUCCEEDED else ""
    return f"{rollout.id} is over ({rollout.phase}): nothing to {kind}{hint}"
