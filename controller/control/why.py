"""Why a rollout stands where it stands, what comes next, and until when. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from controller.control.approval_views import ApprovalView, approval_view
from controller.control.check_views import View, unmeasured
from controller.control.explanations import EXPLANATIONS
from controller.control.views import Document, next_at
from controller.domain.approval import needed_after_step
from controller.domain.judge import judge_of
from controller.domain.mirroring import left_out, skips
from controller.domain.model import Rollout
from controller.domain.policy import ApprovalRules, Fallback, GateRules
from controller.domain.reporting import details
from controller.domain.rules.approving import gates_called, what
from controller.domain.rules.before import first_step
from controller.domain.rules.wanting import next_step
from controller.domain.vocabulary import CONSENT_LACKS, FLEET_LACKS, Phase, Reason, Verdict
from controller.domain.wording import called, percent, sentence


class CheckWhy(View):
    """One check in a sentence: value against limit. ``details`` are what its evidence says, if any."""

    name: str
    verdict: Verdict
    reason: Reason
    sentence: str
    details: tuple[str, ...] = ()


class WhyView(Document):
    """``message`` is what happened, ``meaning`` what its reason means anywhere, ``remedy`` what to do.

    ``warnings`` are what people should know of how the copies run, which shadow steps are left out, and what
    was wrong with the measurements since the rollout began, a line each. ``drained`` is how the last requests
    of the version that lost ended, after the end and in a cluster.
    """

    model: str
    rollout: str
    canary: str
    phase: Phase
    verdict: Verdict
    reason: Reason
    message: str
    meaning: str
    remedy: str
    checks: tuple[CheckWhy, ...]
    warnings: tuple[str, ...] = ()
    next_action: str
    next_at: datetime | None
    deadline: datetime | None
    deadline_action: str | None
    approval: ApprovalView | None = None
    drained: str | None = None


@dataclass(frozen=True, slots=True)
class _Deadline:
    """How much watched time is left, and what happens then."""

    left: timedelta
    action: str


def why_view(rollout: Rollout, now: datetime) -> WhyView:
    """The whole answer. Instants assume that the daemon goes on watching from now on."""
    explanation = EXPLANATIONS[rollout.reason]
    measured = {result.name: result for result in rollout.evidence.checks}
    results = [(check, measured.get(check.name) or unmeasured(check)) for check in rollout.policy.checks]
    deadline = _deadline(rollout)
    since = rollout.updated_at or rollout.created_at
    return WhyView(
        model=rollout.model,
        rollout=rollout.id,
        canary=rollout.release.version,
        phase=rollout.phase,
        verdict=rollout.evidence.verdict,
        reason=rollout.reason,
        message=rollout.message,
        meaning=explanation.meaning,
        remedy=explanation.remedy_for(rollout.model),
        checks=tuple(
            CheckWhy(
                name=r.name,
                verdict=r.verdict,
                reason=r.reason,
                sentence=sentence(check, r),
                details=details(check, r),
            )
            for check, r in results
        ),
        warnings=(
            *rollout.cautions,
            *_skipped(rollout),
            *(flaw.line for flaw in rollout.evidence.warnings),
        ),
        next_action=_next_action(rollout),
        next_at=next_at(rollout, now),
        deadline=max(now, since + deadline.left) if deadline else None,
        deadline_action=deadline.action if deadline else None,
        approval=approval_view(rollout, now),
        drained=rollout.drain.message if rollout.drain else None,
    )


def _skipped(rollout: Rollout) -> tuple[str, ...]:
    why = rollout.route.unmirrored
    return (left_out(rollout.policy, why),) if why else ()


def _after_validation(rollout: Rollout) -> str:
    version = rollout.release.version
    if rollout.stable is None:
        return f"sends everyone to {version}: there is no stable version to compare with"
    step = rollout.policy.steps[first_step(rollout)]
    if step.testers:
        return f"gives {version} to the testers"
    if step.mirror_permille:
        return f"gives {version} copies of {percent(step.mirror_permille)} of the requests"
    return f"gives {version} its first {percent(step.weight_permille)}"


def _after_step(rollout: Rollout) -> str:
    present, following = rollout.step, next_step(rollout)
    needed = None if present is None else needed_after_step(rollout.policy, present, following)
    if needed is None or (rollout.asking is not None and rollout.asking.granted):
        return _next_weight(rollout)
    gates = [_lets_pass(needed.gates)] if needed.gates else []
    return ", and ".join([_next_weight(rollout), *(["people approve"] if needed.people else []), *gates])


def _next_weight(rollout: Rollout) -> str:
    steps, following, version = rollout.policy.steps, next_step(rollout), rollout.release.version
    if following == len(steps):
        if judge_of(rollout.policy).remembers:
            return f"promotes {version} to everyone when every check has shown it to be as good as stable"
        return f"promotes {version} to everyone if every check passes"
    if rollout.policy.auto_steps:
        most = percent(steps[-1].weight_permille)
        return f"gives {version} more, up to {most}, as its answers and the budget of bad requests allow"
    at = called(steps[following])
    condition = "as its shadow is left out" if skips(rollout) else "if every check passes"
    return f"step {following + 1} of {len(steps)}: {at}, {condition}"


_NEXT_ACTIONS: Mapping[Phase, Callable[[Rollout], str]] = MappingProxyType(
    {
        Phase.PENDING: lambda _: "starts as soon as no older rollout of the model is open",
        Phase.PREPARING: lambda rollout: f"validates {rollout.release.version} as soon as it is ready",
        Phase.VALIDATING: _after_validation,
        Phase.PROGRESSING: _after_step,
        Phase.PROMOTING: lambda _: "the bake begins when the gateway confirms that everyone is served",
        Phase.BAKING: lambda rollout: (
            f"{rollout.release.version} becomes the stable version if the checks go on passing"
        ),
        Phase.PAUSED: lambda rollout: f"waits for a person; goes on as {rollout.resume_to}",
        Phase.FROZEN: lambda _: "waits for a person; the gateway is left as it is",
        Phase.HALTED: lambda _: "rolls back as soon as the old stable is healthy, or does what a person says",
        Phase.ROLLING_BACK: lambda rollout: (
            f"ends as {rollout.ending} when the gateway confirms that the canary gets nothing"
        ),
    }
)


_OF_THE_FLEET: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.WAITING_FOR_TURN: "starts when there is a place for it",
        Reason.WAITING_FOR_GPUS: "starts when there are GPUs enough for it",
        Reason.WAITING_FOR_MODEL: "starts when what comes before it is promoted",
        Reason.MODEL_NOT_PROMOTED: "waits for a rollout of the other model that is promoted, or for a person",
        Reason.WAITING_FOR_GROUP: "goes on when every other model of its group is as far",
        Reason.OUTSIDE_WINDOW: "goes on when the release window opens",
        Reason.RELEASE_FREEZE: "goes on when the freeze is over",
        Reason.EVERYTHING_PAUSED: "goes on when somebody says resume --all",
    }
)


def _next_action(rollout: Rollout) -> str:
    """What the rollout does next by itself, or waits for."""
    if rollout.phase.terminal:
        return "none: the rollout is over"
    if rollout.reason in CONSENT_LACKS and rollout.asking is not None:
        asking, needed = rollout.asking, []
        if asking.missing:
            people = "person approves" if asking.missing == 1 else "people approve"
            needed.append(f"{asking.missing} more {people}")
        if asking.shut:
            needed.append(_lets_pass(asking.shut))
        return f"goes on to {what(rollout.policy, asking.goal)} as soon as {' and '.join(needed)}"
    if rollout.reason in FLEET_LACKS:
        return _OF_THE_FLEET[rollout.reason]
    return _NEXT_ACTIONS[rollout.phase](rollout)


def _lets_pass(gates: Sequence[str]) -> str:
    return f"{gates_called(gates)} {'let' if len(gates) > 1 else 'lets'} it pass"


def _of_answers(rollout: Rollout) -> list[_Deadline]:
    """The times that people and gates have to answer; empty where none runs."""
    asking, policy = rollout.asking, rollout.policy
    if asking is None or rollout.phase.waits_for_person:
        return []
    back = "not deployed" if rollout.route.intended.canary is None else "rolled back"
    rules: list[ApprovalRules | GateRules] = [policy.gate(name) for name in asking.shut]
    rules += [policy.approval] if asking.missing else []
    return [
        _Deadline(
            each.within - asking.waited,
            back if each.on_timeout is Fallback.ROLLBACK else "people are told; the weight holds",
        )
        for each in rules
        if each.within is not None and asking.waited < each.within
    ]


def _deadline(rollout: Rollout) -> _Deadline | None:
    """The next deadline to run out; None while none runs."""
    policy, clocks = rollout.policy, rollout.clocks
    running = sorted(_of_answers(rollout), key=lambda each: each.left)
    back = policy.on_deadline is Fallback.ROLLBACK
    if rollout.phase is Phase.PREPARING:
        return _Deadline(policy.ready_deadline - clocks.in_phase, "not deployed")
    if rollout.phase is Phase.VALIDATING and rollout.reason in FLEET_LACKS:
        return None
    if rollout.phase is Phase.VALIDATING and policy.validation is not None and not running:
        return _Deadline(policy.validation.deadline - clocks.in_phase, "not deployed")
    if rollout.phase not in (Phase.PROGRESSING, Phase.PROMOTING, Phase.BAKING):
        return next(iter(running), None)
    kept = rollout.reason in FLEET_LACKS
    if not kept:
        running.append(_Deadline(policy.deadline - clocks.total, "rolled back" if back else "paused"))
    asked = kept or rollout.reason in CONSENT_LACKS
    if rollout.phase is Phase.PROGRESSING and rollout.step is not None and not asked:
        left = policy.steps[rollout.step].deadline - clocks.since_step
        if back or Reason.TOO_LITTLE_EVIDENCE not in rollout.told:
            running.append(_Deadline(left, "rolled back" if back else "people are told; the weight holds"))
    if clocks.unmeasured and policy.no_data.action is Fallback.ROLLBACK:
        running.append(_Deadline(policy.no_data.act_after - clocks.unmeasured, "rolled back: no metrics"))
    return min(running, key=lambda each: each.left, default=None)
