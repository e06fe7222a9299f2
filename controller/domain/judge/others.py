"""What the judge holds of the checks that are no counts of requests: scores and drifts."""

from controller.domain.judge.drift import DriftMemory, DriftOpinion
from controller.domain.judge.memory import Memory
from controller.domain.judge.opinion import Opinion
from controller.domain.judge.questions import rivals_of
from controller.domain.judge.score import ScoreMemory
from controller.domain.judge.score_opinion import ScoreOpinion
from controller.domain.policy import CheckKind, Policy


def opinions_of(policy: Policy, memory: Memory) -> list[Opinion]:
    """One for each, in the policy's order."""
    found: list[Opinion] = []
    for check in policy.checks:
        if check.kind not in (CheckKind.SCORE, CheckKind.PSI):
            continue
        share = 1 / rivals_of(policy, check)
        if check.kind is CheckKind.SCORE:
            found.append(ScoreOpinion(check, memory.scores.get(check.name, ScoreMemory()), share))
        else:
            drift = memory.drifts.get(check.name, DriftMemory())
            alone = memory.compare is False
            found.append(DriftOpinion(check, drift, share, policy.judge_rules.confidence, alone))
    return found
