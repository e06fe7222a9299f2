"""When trials are due, and what of them counts. Pure.

A trial stands in the record before anybody is asked, under a number of its own, so that after a crash it is
asked for again and counts once. What it brought is a fact of the observation; the judge weighs it.

**Invariant**: of a check one trial is open at a time, and an evaluation that was counted never counts again.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from controller.domain.model import Rollout
from controller.domain.policy import Check, CheckKind
from controller.domain.trials import Score, Trial, TrialSeen
from controller.domain.vocabulary import Phase

SAMPLED_IN = frozenset({Phase.PROGRESSING, Phase.BAKING})
"""The phases in which the canary has traffic and evidence moves the rollout."""


def sampled(checks: Sequence[Check]) -> tuple[Check, ...]:
    """The checks that have trials."""
    return tuple(check for check in checks if check.kind is CheckKind.SCORE and check.sampling is not None)


def open_trials(rollout: Rollout) -> tuple[Trial, ...]:
    """Those whose outcome is waited for."""
    if rollout.phase not in SAMPLED_IN or rollout.route.intended.canary is None:
        return ()
    return tuple(trial for trial in rollout.trials if trial.open)


def counting(rollout: Rollout, outcomes: Sequence[TrialSeen]) -> tuple[TrialSeen, ...]:
    """What of the outcomes is news: of trials that are open, without evaluations that were counted before."""
    known = {trial.check: trial for trial in open_trials(rollout)}
    return tuple(
        replace(
            outcome,
            canary=_new(outcome.canary, "canary", known[outcome.check]),
            stable=_new(outcome.stable, "stable", known[outcome.check]),
        )
        for outcome in outcomes
        if outcome.check in known and outcome.number == known[outcome.check].number
    )


def trials_after(rollout: Rollout, outcomes: Sequence[TrialSeen], total: timedelta) -> tuple[Trial, ...]:
    """The trials with those closed that brought something, and those opened that are due.

    ``outcomes`` are `counting`; ``total`` is the rollout's observed time by now.
    """
    brought = {outcome.check: outcome for outcome in outcomes}
    trials = {trial.check: _closed(trial, brought.get(trial.check)) for trial in rollout.trials}
    if rollout.phase in SAMPLED_IN and rollout.route.in_force and rollout.route.intended.canary is not None:
        for check in sampled(rollout.policy.checks):
            last = trials.get(check.name)
            if _due(check, last, total):
                number, counted = (last.number + 1, last.counted) if last else (1, ())
                trials[check.name] = Trial(check.name, number, total, counted=counted)
    return tuple(trials.values())


def used_up(rollout: Rollout, check: str) -> bool:
    """Whether all trials that the check may have were taken, so that nothing more will be known of it."""
    samplings = {each.name: each.sampling for each in sampled(rollout.policy.checks)}
    sampling, last = samplings.get(check), {trial.check: trial for trial in rollout.trials}.get(check)
    return sampling is not None and last is not None and not last.open and last.number >= sampling.trials


def _due(check: Check, last: Trial | None, total: timedelta) -> bool:
    sampling = check.sampling
    if sampling is None:
        return False
    if last is None:
        return True
    anew = total < last.asked_at  # a person's word let the rollout's time begin anew
    ready = anew or total - last.asked_at >= sampling.every
    return ready and not last.open and last.number < sampling.trials


def _closed(trial: Trial, outcome: TrialSeen | None) -> Trial:
    if outcome is None:
        return trial
    named = (_named(outcome.canary, "canary"), _named(outcome.stable, "stable"))
    return replace(trial, open=False, counted=(*trial.counted, *(each for each in named if each)))


def _named(score: Score | None, version: str) -> str:
    return f"{version}:{score.id}" if score is not None and score.id else ""


def _new(score: Score | None, version: str, trial: Trial) -> Score | None:
    return None if _named(score, version) in trial.counted else score
