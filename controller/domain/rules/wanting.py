"""What a step still lacks before the next weight: time, requests, checks, copies."""

from collections.abc import Iterable

from controller.domain.exposure import first_weighted, needed_share, past_shadows
from controller.domain.judge.base import CheckResult
from controller.domain.mirroring import skips
from controller.domain.model import Rollout
from controller.domain.observation import Observation
from controller.domain.observing import Folded
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Policy
from controller.domain.rules.turns import failing
from controller.domain.sampling import used_up
from controller.domain.timing import measured_at_weight
from controller.domain.vocabulary import Reason, Verdict
from controller.domain.wording import called, duration, listed, percent, sentence


def wanting(folded: Folded, seen: Observation) -> tuple[Reason | None, str]:
    """What the step still lacks, the first that it lacks; None when it lacks nothing."""
    lacking = _lacking_removal(folded.rollout) if skips(folded.rollout) else _lacking_evidence(folded)
    if lacking is not None:
        return lacking
    load = next_load(folded.rollout)
    if not enough(seen, load):
        return Reason.WAITING_FOR_COPIES, few(seen, load)
    step = folded.rollout.policy.steps[folded.rollout.step or 0]
    return None, f"all checks pass at {called(step)}"


def _lacking_removal(rollout: Rollout) -> tuple[Reason, str] | None:
    """A shadow that is left out needs nothing but that nothing is copied any more."""
    if rollout.route.in_force:
        return None
    return Reason.WAITING_FOR_GATEWAY, "the shadow is left out: waits until the gateway copies nothing"


def _lacking_evidence(folded: Folded) -> tuple[Reason, str] | None:
    rollout, evidence, clocks = folded.rollout, folded.rollout.evidence, folded.rollout.clocks
    assert rollout.step is not None
    step = rollout.policy.steps[rollout.step]
    at = called(step)
    unseen = _unseen(rollout, at)
    if unseen is not None:
        return unseen
    worst = failing(rollout)
    if worst is not None:
        return Reason.CHECKS_FAILING, row(rollout, worst)
    accused = [r for r in evidence.checks if r.reason is Reason.EVIDENCE_AGAINST and not r.report_only]
    if accused:
        return Reason.EVIDENCE_AGAINST, told(rollout, accused)
    if evidence.canary_requests < step.min_requests:
        got = f"{evidence.canary_requests:,} of {step.min_requests:,} requests"
        return Reason.WAITING_FOR_REQUESTS, f"{got} at {at}"
    if clocks.at_weight < step.hold:
        return Reason.STEP_RUNNING, f"{duration(step.hold - clocks.at_weight)} more at {at}"
    if evidence.verdict is not Verdict.PASS:
        open_ = [r for r in evidence.checks if r.verdict is Verdict.UNKNOWN and not r.report_only]
        return Reason.WAITING_FOR_CHECKS, f"{told(rollout, open_)}{_exhausted(rollout, open_)}"
    if evidence.ceiling_permille < next_weight(rollout) < FULL_WEIGHT_PERMILLE:
        return evidence.held or Reason.BUDGET_SPENT, f"stays at {at}: {restraint(rollout)}"
    return None


def _exhausted(rollout: Rollout, checks: Iterable[CheckResult]) -> str:
    """What only a person can decide, because no more trials may be taken; empty where there is nothing."""
    spent = [each.name for each in checks if used_up(rollout, each.name)]
    return f"; all trials of {listed(spent)} were taken: promote it, or abort" if spent else ""


def _unseen(rollout: Rollout, at: str) -> tuple[Reason, str] | None:
    """What must be seen before any evidence at the weight counts."""
    if not rollout.route.in_force:
        return Reason.WAITING_FOR_GATEWAY, f"waits until the gateway runs {at}"
    if rollout.evidence.cursor is None:
        return Reason.WAITING_FOR_METRICS, f"waits for the first measurement at {at}"
    if not measured_at_weight(rollout):
        return Reason.WAITING_FOR_FIRST_REQUEST, f"waits for the canary's first request at {at}"
    return None


def highest_step(policy: Policy, permille: int) -> int:
    """The last step whose weight is allowed; the first with a weight in any case."""
    first = first_weighted(policy)
    allowed = [index for index, step in enumerate(policy.steps) if step.weight_permille <= permille]
    return max([first, *allowed])


def restraint(rollout: Rollout) -> str:
    """Why the judge does not allow more, in words for people."""
    evidence = rollout.evidence
    if evidence.held is Reason.EVIDENCE_AGAINST:
        return "there is evidence against the canary, which shows best at a small weight"
    budget, most = rollout.policy.judge_rules.budget, percent(evidence.ceiling_permille)
    return f"more than {most} could cost more than {budget} bad requests before they are seen"


def next_step(rollout: Rollout) -> int:
    """The step after the present one; after a shadow that cannot be given the first that is none."""
    return past_shadows(rollout.policy) if skips(rollout) else (rollout.step or 0) + 1


def next_weight(rollout: Rollout) -> int:
    """The weight after the present step's, in thousandths: 0 for a shadow's."""
    following, steps = next_step(rollout), rollout.policy.steps
    return steps[following].weight_permille if following < len(steps) else FULL_WEIGHT_PERMILLE


def next_load(rollout: Rollout) -> int:
    """What the canary's copies must be able to carry then, in thousandths of all requests."""
    following, steps = next_step(rollout), rollout.policy.steps
    return needed_share(steps[following]) if following < len(steps) else FULL_WEIGHT_PERMILLE


def enough(seen: Observation, weight_permille: int) -> bool:
    """Whether the canary's copies can carry a weight; they can where nobody counts them."""
    return seen.canary is None or seen.canary.carries_permille >= weight_permille


def few(seen: Observation, weight_permille: int) -> str:
    """That the copies are too few for a weight, in words for people."""
    why = f": {seen.canary.message}" if seen.canary and seen.canary.message else ""
    return f"waits for copies enough for {percent(weight_permille)}{why}"


def told(rollout: Rollout, results: Iterable[CheckResult]) -> str:
    """What checks found, a sentence each."""
    by_name = {check.name: check for check in rollout.policy.checks}
    return "; ".join(sentence(by_name[result.name], result) for result in results)


def row(rollout: Rollout, result: CheckResult) -> str:
    """A failing check, and how many failures it has left."""
    return f"{told(rollout, [result])} ({result.failures} of {result.budget} in a row)"
