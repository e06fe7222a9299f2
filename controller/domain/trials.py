"""Trials: samples of a model's answers that Serinus takes itself, and what they brought. Facts alone.

`controller.domain.sampling` says when one is due and what of it counts.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Sampling:
    """Where the samples of a score come from, one trial after the other.

    ``golden`` is a file beside the policy, of whose requests ``requests`` are drawn for each trial;
    ``evaluation`` names a program of the operator's instead. A trial follows the one before after ``every``,
    and there are ``trials`` at most.
    """

    golden: str = ""
    evaluation: str = ""
    every: timedelta = timedelta(minutes=1)
    requests: int = 50
    trials: int = 200


@dataclass(frozen=True, slots=True)
class Score:
    """How one version did on ``n`` cases. ``failed`` is a sum of shares from 0 to 1, so not always whole.

    ``id`` is an evaluation's name for itself: what has the same counts once.
    """

    n: int
    failed: float
    id: str = ""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Both versions on the same ``n`` requests: how many only one of them failed."""

    n: int
    only_canary: int
    only_stable: int


@dataclass(frozen=True, slots=True)
class TrialSeen:
    """What a trial brought. ``problem`` says why it brought nothing of the canary, or of stable.

    ``pairs`` is there where both versions answered the same requests. ``example`` is the first of the
    canary's requests that failed, and how.
    """

    check: str
    number: int
    canary: Score | None = None
    stable: Score | None = None
    pairs: Pairs | None = None
    problem: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """Where a check stands with its trials: the last one's ``number``, from 1, and whether it is ``open``.

    ``asked_at`` is the rollout's total observed time at which it was opened. ``counted`` are the ids of the
    evaluations that were counted, each with the version that it is of.
    """

    check: str
    number: int
    asked_at: timedelta
    open: bool = True
    counted: tuple[str, ...] = ()
