"""What a step still lacks before the next weight: time, requests, checks, copies."""

from controller.domain.judge.base import CheckResult
from controller.domain.model import Rollout
from controller.domain.observation import Observation
from controller.domain.observing import Folded
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.rules.turns import failing
from controller.domain.vocabulary import Reason, Verdict
from controller.domain.wording import duration, percent, sentence


def wanting(folded: Folded, seen: Observation) -> tuple[Reason | None, str]:
    """What the step still lacks, the first that it lacks; None when it lacks nothing."""
    lacking = _lacking_evidence(folded)
    if lacking is not None:
        return lacking
    weight = next_weight(folded.rollout)
    if not enough(seen, weight):
        return Reason.WAITING_FOR_COPIES, few(seen, weight)
    return None, f"all checks pass at {percent(folded.rollout.weight_permille)}"


def _lacking_evidence(folded: Folded) -> tuple[Reason, str] | None:
    rollout, evidence, clocks = folded.rollout, folded.rollout.evidence, folded.rollout.clocks
    assert rollout.step is not None
    step = rollout.policy.steps[rollout.step]
    at = percent(step.weight_permille)
    if not rollout.route.in_force:
        return Reason.WAITING_FOR_GATEWAY, f"waits until the gateway runs {at}"
    if evidence.cursor is None:
        return Reason.WAITING_FOR_METRICS, f"waits for the first measurement at {at}"
    if evidence.canary_requests == 0:
        return Reason.WAITING_FOR_FIRST_REQUEST, f"waits for the canary's first request at {at}"
    worst = failing(rollout)
    if worst is not None:
        return Reason.CHECKS_FAILING, row(rollout, worst)
    if evidence.canary_requests < step.min_requests:
        got = f"{evidence.canary_requests:,} of {step.min_requests:,} requests"
        return Reason.WAITING_FOR_REQUESTS, f"{got} at {at}"
    if clocks.at_weight < step.hold:
        return Reason.STEP_RUNNING, f"{duration(step.hold - clocks.at_weight)} more at {at}"
    if evidence.verdict is not Verdict.PASS:
        by_name = {check.name: check for check in rollout.policy.checks}
        open_ = [r for r in evidence.checks if r.verdict is Verdict.UNKNOWN and not r.report_only]
        return Reason.WAITING_FOR_CHECKS, "; ".join(sentence(by_name[r.name], r) for r in open_)
    return None


def next_weight(rollout: Rollout) -> int:
    """The weight after the present step's, in thousandths."""
    following, steps = (rollout.step or 0) + 1, rollout.policy.steps
    return steps[following].weight_permille if following < len(steps) else FULL_WEIGHT_PERMILLE


def enough(seen: Observation, weight_permille: int) -> bool:
    """Whether the canary's copies can carry a weight; they can where nobody counts them."""
    return seen.canary is None or seen.canary.carries_permille >= weight_permille


def few(seen: Observation, weight_permille: int) -> str:
    """That the copies are too few for a weight, in words for people."""
    why = f": {seen.canary.message}" if seen.canary and seen.canary.message else ""
    return f"waits for copies enough for {percent(weight_permille)}{why}"


def row(rollout: Rollout, result: CheckResult) -> str:
    """A failing check, and how many failures it has left."""
    check = next(check for check in rollout.policy.checks if check.name == result.name)
    return f"{sentence(check, result)} ({result.failures} of {result.budget} in a row)"
