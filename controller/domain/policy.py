"""One model's policy, parsed: what a rollout of it does, step by step.

Built by `controller.policy` from a policy file, kept with each rollout as it was when the rollout started.
Weights are whole tenths of a percent (permille), so that 0.1 % is exact; shares of requests are ratios
from 0 to 1; latency limits are seconds.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from controller.domain.audience import AudienceRules
from controller.domain.fleet.rules import FleetRules
from controller.domain.measures import MetricsPage
from controller.domain.probes import PROBES, ProbeRules
from controller.domain.trials import Sampling

FULL_WEIGHT_PERMILLE = 1000


class CheckKind(StrEnum):
    """How a check is measured, and so how its limit is read."""

    RATIO = "ratio"
    """A share of bad requests: counts of requests and of bad requests."""
    QUANTILE = "quantile"
    """A quantile of a histogram, in seconds: counts of requests per bucket."""
    GAUGE = "gauge"
    """A number as it is now, from a query of the policy's own."""
    SCORE = "score"
    """A share of passes, from samples that Serinus takes itself: see `Sampling`."""
    PSI = "psi"
    """How far a histogram lies from stable's: the population stability index, of counts per bucket."""

    @property
    def weighed(self) -> bool:
        """Whether requests are counted as good or bad."""
        return self in (CheckKind.RATIO, CheckKind.QUANTILE)

    @property
    def in_blocks(self) -> bool:
        """Whether the metric source's blocks have its counts."""
        return self.weighed or self is CheckKind.PSI

    @property
    def in_buckets(self) -> bool:
        """Whether it counts by the buckets of a histogram."""
        return self in (CheckKind.QUANTILE, CheckKind.PSI)


class Fallback(StrEnum):
    """What to do when a deadline passes without an answer."""

    ROLLBACK = "rollback"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class RouteRef:
    """Who splits the traffic, and where it finds the model.

    ``kind`` names a traffic adapter; ``name`` is that adapter's address of the route: for ``envoy`` the path
    prefix, for the kinds of a cluster the object's name. ``rewrite`` is what the prefix becomes on the way to
    the model, None to leave it. ``rule`` names the rule of an object that has several, for
    ``inferenceModelRewrite`` the model that requests ask for; ``stable`` names the backend that is the
    model's, where a rule has others too; None finds either by what is there.
    """

    kind: str
    name: str
    rewrite: str | None = None
    rule: str | None = None
    stable: str | None = None


class Milestone(StrEnum):
    """Where a rollout may have to wait for somebody's word: people's, or a gate's."""

    START = "start"
    STEP = "step"
    PROMOTION = "promotion"


class OnDrift(StrEnum):
    """What to do when somebody else changed the route's weights."""

    FREEZE = "freeze"
    RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class WorkloadRules:
    """What is done to the workloads in a cluster.

    ``discover`` begins a release by itself when a new labelled version appears. ``scale`` lets existing
    workloads be scaled as those are that Serinus creates. ``drain`` is the wait for requests in flight
    between weight 0 and fewer copies; what was promoted away, and what was rolled back, is kept at no copies
    for ``keep_for``; of what Serinus created at most ``history`` are kept at all.
    """

    discover: bool = False
    scale: bool = False
    drain: timedelta = timedelta(seconds=60)
    keep_for: timedelta = timedelta(hours=24)
    history: int = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One weight and what must hold before the next: both the time and the requests.

    A shadow step has the weight 0 and copies ``mirror_permille`` thousandths of the requests to the canary.
    """

    weight_permille: int
    hold: timedelta
    min_requests: int
    deadline: timedelta
    approval: bool = False
    """Whether people must approve before the weight is given."""
    gate: str = ""
    """The gate that must let it pass before the weight is given; empty for none."""
    testers: bool = False
    """Whether only the audience's testers get the canary: its weight is 0."""
    mirror_permille: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One limit on one measurement.

    ``max`` is absolute (ratio, seconds, or the gauge's own unit). ``worse_by_ratio`` 0.2 allows the canary
    120 % of stable's value; ``worse_by_points`` 0.005 allows half a percentage point more than stable's.
    ``failures`` is the number of failing measurements in a row that make the check FAIL. ``measure`` is what
    of the metrics pack is counted, empty for its answers and their latency. What the policy counts itself has
    ``query`` instead: the series of a histogram's buckets, or of bad requests, of which there are ``of`` in
    all; for a gauge it gives the number. A score has ``min``, the smallest share of passes, and ``sampling``.
    """

    name: str
    kind: CheckKind
    max: float | None = None
    worse_by_ratio: float | None = None
    worse_by_points: float | None = None
    quantile: float | None = None
    failures: int = 3
    critical: bool = False
    report_only: bool = False
    query: str | None = None
    measure: str = ""
    of: str | None = None
    min: float | None = None
    sampling: Sampling | None = None

    @property
    def counts(self) -> str:
        """What its counts are filed under, the same for all checks that count the same."""
        return self.measure or "\n".join(text for text in (self.query, self.of) if text)

    @property
    def replayed(self) -> bool:
        """Whether it counts requests that the metric source remembers."""
        return self.kind.weighed and not self.of_probes

    @property
    def of_probes(self) -> bool:
        """Whether Serinus counts it itself, by requests of its own, and no metric source does."""
        return self.measure == PROBES and self.query is None

    @property
    def budget(self) -> int:
        """Failing measurements in a row at which the check is FAIL; a critical check has no second chance."""
        return 1 if self.critical else self.failures

    @property
    def relative(self) -> bool:
        """Whether the check compares the canary with stable."""
        return self.worse_by_ratio is not None or self.worse_by_points is not None


@dataclass(frozen=True, slots=True)
class Validation:
    """Golden requests before any traffic: ``golden`` is a file beside the policy."""

    golden: str
    deadline: timedelta


@dataclass(frozen=True, slots=True)
class NoData:
    """What silence of the metric source leads to: told after one time, acted on after another."""

    alert_after: timedelta = timedelta(minutes=5)
    act_after: timedelta = timedelta(minutes=15)
    action: Fallback = Fallback.ROLLBACK


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """Whose word is waited for, and what follows when it does not come, or is no.

    ``before`` holds START and PROMOTION at most; steps say it themselves. ``people`` is how many different
    ones must approve: of several, none may be who deployed the rollout. ``within`` is the time that they
    have, None for no limit of its own.
    """

    before: tuple[Milestone, ...] = ()
    people: int = 1
    within: timedelta | None = None
    on_timeout: Fallback = Fallback.HOLD
    on_deny: Fallback = Fallback.ROLLBACK


@dataclass(frozen=True, slots=True)
class GateRules:
    """When a gate, a program of the operator's, is asked, and what follows from its word, or without one.

    ``before``, ``within``, ``on_timeout`` and ``on_deny`` are as in `ApprovalRules`. ``on_error`` is what
    follows when it cannot be asked, or answers what is no word: HOLD tells people and asks again.
    """

    name: str
    before: tuple[Milestone, ...] = ()
    within: timedelta | None = None
    on_timeout: Fallback = Fallback.HOLD
    on_deny: Fallback = Fallback.ROLLBACK
    on_error: Fallback = Fallback.HOLD


@dataclass(frozen=True, slots=True)
class JudgeRules:
    """How sure the sequential judge must be, and what finding out may cost.

    ``confidence`` 0.99: at most one good version in a hundred is ever rolled back, however often the evidence
    is looked at. ``budget`` is how many bad requests more than stable's the canary may plausibly answer
    before the judge can react. A version whose share of bad requests is shown to be below ``promote_ratio``
    times stable's is promoted.
    """

    confidence: float = 0.99
    budget: int = 20
    promote_ratio: float = 1.5


@dataclass(frozen=True, slots=True)
class Policy:
    """All that rules a rollout of one model. ``interval`` is the time from check to check.

    With ``auto_steps`` the steps are a ladder of weights, and the judge's exposure budget chooses the rung.
    """

    model: str
    namespace: str
    route: RouteRef
    metrics: str
    steps: tuple[Step, ...]
    checks: tuple[Check, ...]
    interval: timedelta = timedelta(seconds=15)
    ready_deadline: timedelta = timedelta(minutes=30)
    warm_up_requests: int = 0
    validation: Validation | None = None
    bake: timedelta = timedelta(minutes=10)
    deadline: timedelta = timedelta(hours=24)
    on_deadline: Fallback = Fallback.HOLD
    no_data: NoData = field(default_factory=NoData)
    on_drift: OnDrift = OnDrift.FREEZE
    workload: WorkloadRules = field(default_factory=WorkloadRules)
    notify: tuple[str, ...] = ()
    judge: str = "sequential"
    judge_rules: JudgeRules = field(default_factory=JudgeRules)
    auto_steps: bool = False
    approval: ApprovalRules = field(default_factory=ApprovalRules)
    gates: tuple[GateRules, ...] = ()
    prometheus: str = ""
    """Which of the operator's Prometheus servers measures the model; empty for the usual one."""
    fleet: FleetRules = field(default_factory=FleetRules)
    audience: AudienceRules = field(default_factory=AudienceRules)
    metrics_page: MetricsPage = field(default_factory=MetricsPage)
    probe: ProbeRules | None = None
    """The requests of Serinus' own that the check `PROBES` counts; None where there is none."""
    digest: str = ""
    """SHA-256 of the policy file, in hex: which text a rollout was judged by."""

    def gate(self, name: str) -> GateRules:
        """The rules of a gate; the usual ones where the policy only names it."""
        return next((rules for rules in self.gates if rules.name == name), GateRules(name))
