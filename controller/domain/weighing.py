"""Folds counts, and what trials brought, into a rollout's evidence. No decision is taken here."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from controller.domain.flaws import with_warnings
from controller.domain.judge import judge_of
from controller.domain.judge.base import Judge, Terms
from controller.domain.judge.counts import Block
from controller.domain.judge.series import EPOCH
from controller.domain.model import Evidence, Rollout
from controller.domain.observation import NoReading, Reading
from controller.domain.probed import ProbeRound, uncounted, with_probes
from controller.domain.probes import PROBES
from controller.domain.release import Split
from controller.domain.trials import TrialSeen
from controller.domain.vocabulary import Reason, Verdict


def terms_of(rollout: Rollout) -> Terms:
    """What the present step demands; after the last step, what that one demanded."""
    last = len(rollout.policy.steps) - 1
    step = rollout.policy.steps[min(rollout.step or 0, last)]
    split = rollout.route.intended
    shared = split.stable is not None and 0 < split.canary_share < 1
    return Terms(
        min_requests=step.min_requests,
        compare=shared,
        final=rollout.step == last,
        share=split.canary_share,
        copies=split.mirror_permille > 0,
        calibration=rollout.calibration,
        testers=split.testers_only,
    )


def at_new_weight(rollout: Rollout, split: Split) -> Evidence:
    """Counts start anew; a judge that remembers goes on from where it is.

    Those who chose the canary themselves cannot be compared with those who got it by chance.
    """
    evidence, judge = rollout.evidence, judge_of(rollout.policy)
    if not evidence.judge_state:
        return Evidence(judge_state=judge.begin(), probed=evidence.probed)
    if rollout.route.intended.testers_only and not split.testers_only:
        state = judge.after_testers(evidence.judge_state)
    else:
        state = judge.at_new_weight(evidence.judge_state)
    if not judge.remembers:
        return Evidence(judge_state=state, probed=evidence.probed, warnings=evidence.warnings)
    return replace(
        evidence,
        since=None,
        canary_requests=0,
        stable_requests=0,
        judge_state=state,
        verdict=Verdict.UNKNOWN,
    )


def judged_anew(rollout: Rollout) -> Rollout:
    """The record without any evidence."""
    anew = Evidence(judge_state=judge_of(rollout.policy).begin(), probed=rollout.evidence.probed)
    trials = tuple(replace(trial, counted=()) for trial in rollout.trials)
    return replace(rollout, evidence=anew, trials=trials)


def measured(rollout: Rollout, reading: Reading | NoReading | None, probes: Sequence[ProbeRound]) -> Evidence:
    """The evidence with what the metric source answered; as it is without an answer."""
    evidence = rollout.evidence
    if isinstance(reading, NoReading) and reading.reason is Reason.CLOCK_STEPPED:
        return replace(evidence, cursor=None, since=None)
    if not isinstance(reading, Reading):
        return evidence
    judge = judge_of(rollout.policy)
    cursor, since = evidence.cursor, evidence.since
    if since is None and rollout.route.in_force:
        # a block that begins sooner lies between two scrapes, of which one may be older than the weight
        since = reading.server_time + rollout.policy.interval
        evidence = replace(evidence, since=since, cursor=cursor or _first(rollout, reading.server_time))
    terms = terms_of(rollout)
    settled = [block for block in reading.blocks if since is not None and block.start >= since]
    blocks = [block for block in reading.blocks if cursor and block.start >= cursor]
    if not judge.remembers:
        blocks = settled
    if not blocks:
        return evidence
    rounds = uncounted(probes, evidence.probed)
    if rounds:
        blocks[-1] = with_probes(blocks[-1], rounds, PROBES)
        evidence = replace(evidence, probed=rounds[-1].mark)
    faults = tuple(fault for one in rounds for fault in one.faults)
    state = judge.fold(evidence.judge_state or judge.begin(), blocks, reading.gauges, terms)
    return replace(
        _assessed(evidence, judge, state, terms),
        cursor=blocks[-1].end,
        canary_requests=evidence.canary_requests + _sum(settled, canary=True),
        stable_requests=evidence.stable_requests + _sum(settled, canary=False),
        answered=evidence.answered or _sum(blocks, canary=True) > 0,
        # only of readings that brought blocks: the others are repeated by the next one
        warnings=with_warnings(evidence.warnings, (*reading.warnings, *faults)),
    )


def tried(rollout: Rollout, outcomes: Sequence[TrialSeen]) -> Evidence:
    """The evidence with what trials brought: it needs no metric source."""
    evidence = rollout.evidence
    if not outcomes:
        return evidence
    judge = judge_of(rollout.policy)
    state = judge.tried(evidence.judge_state or judge.begin(), outcomes)
    return _assessed(evidence, judge, state, terms_of(rollout))


def _assessed(evidence: Evidence, judge: Judge, state: str, terms: Terms) -> Evidence:
    assessment = judge.assess(state, terms)
    return replace(
        evidence,
        judge_state=state,
        verdict=assessment.verdict,
        checks=assessment.checks,
        ceiling_permille=assessment.ceiling_permille,
        held=assessment.held,
    )


def _first(rollout: Rollout, now: datetime) -> datetime:
    """Where counts begin: for a judge that remembers with the block that has begun, which is seen in part."""
    if not judge_of(rollout.policy).remembers:
        return now
    return EPOCH + (now - EPOCH) // rollout.policy.interval * rollout.policy.interval


def _sum(blocks: Sequence[Block], *, canary: bool) -> int:
    return sum(block.canary_requests if canary else block.stable_requests for block in blocks)
