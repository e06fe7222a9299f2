"""The report as data: what `--json` prints, and all that the other forms show.

**Units**: as in `controller.control.views`. Field names are a published interface.
"""

from datetime import datetime

from controller.control.check_views import Unit, View
from controller.control.record_view import PolicyView
from controller.control.views import Document
from controller.domain.vocabulary import Phase, Reason, Verdict


class WeightPoint(View):
    """The canary's weight from an instant on; at the weight 0, ``mirror`` percent are copied to it."""

    at: datetime
    weight: float
    mirror: float = 0.0


class CheckPoint(View):
    """A check as it was measured once; what had no value is null.

    ``low`` and ``high`` are between what the canary's share surely is, given stable's: only of a share that
    was weighed against stable's.
    """

    at: datetime
    canary: float | None
    stable: float | None
    limit: float | None
    verdict: Verdict
    requests: int
    low: float | None = None
    high: float | None = None


class CheckSeries(View):
    """A check over time, oldest first; of a long rollout not every point, but every extreme."""

    name: str
    unit: Unit
    report_only: bool
    points: tuple[CheckPoint, ...]


class PhaseSpan(View):
    """A phase, from its first entry to the first of the next one."""

    phase: Phase
    begin: datetime
    end: datetime


class Moment(View):
    """An entry of the log that people are told of."""

    seq: int
    at: datetime
    actor: str
    event: str
    phase: Phase
    reason: Reason
    weight: float
    message: str
    mirror: float = 0.0


class CheckEvidence(View):
    """What a check rested on: numbers, a sentence, and what its counts say."""

    name: str
    verdict: Verdict
    reason: Reason
    unit: Unit
    canary: float | None
    stable: float | None
    limit: float | None
    requests: int
    report_only: bool
    sentence: str
    details: tuple[str, ...]


class DecisionView(View):
    """The moment that the rollout's end follows from, and the evidence that there was then."""

    moment: Moment
    checks: tuple[CheckEvidence, ...]


class Actor(View):
    """Who wrote in the log, how often, and the events of consequence among it."""

    name: str
    entries: int
    events: tuple[str, ...]


class ReportView(Document):
    """One rollout, from its beginning to its end or to ``made_at``.

    ``sentences`` and ``details`` are what `serinus why` says of the last evidence. ``missing`` entries of
    the log are kept no longer; ``untold`` moments and ``unshown`` checks are left out, because there are too
    many.
    """

    model: str
    rollout: str
    namespace: str | None
    retry_of: str | None
    stable: str | None
    canary: str
    phase: Phase
    reason: Reason
    message: str
    meaning: str
    remedy: str
    terminal: bool
    begun_at: datetime
    last_at: datetime
    made_at: datetime
    made_by: str
    created_by: str
    decision: DecisionView | None
    last_checks: tuple[CheckEvidence, ...]
    warnings: tuple[str, ...]
    weights: tuple[WeightPoint, ...]
    checks: tuple[CheckSeries, ...]
    unshown: int
    phases: tuple[PhaseSpan, ...]
    timeline: tuple[Moment, ...]
    untold: int
    actors: tuple[Actor, ...]
    policy: PolicyView | None
    entries: int
    missing: int
