"""A rollout's record, and what can be done to it.

All values are frozen. Instants are aware UTC datetimes and serve people and the metric source only: how
long something lasted is a sum of monotonic differences (`Clocks`), to which jumps and downtime add nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from controller.domain.approval import Asking
from controller.domain.drain import Drain
from controller.domain.exposure import mirrors, weights
from controller.domain.flaws import Flaw
from controller.domain.fleet.facts import Ties
from controller.domain.judge.base import Assessment, CheckResult
from controller.domain.judge.calibration import Calibration
from controller.domain.observation import Observation, Tick
from controller.domain.policy import FULL_WEIGHT_PERMILLE, Policy
from controller.domain.probed import ProbeMark
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.trials import Trial
from controller.domain.vocabulary import Phase, Reason, Verdict, waits_for_person

ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Clocks:
    """Observed time, in sums that survive restarts. None of them runs while a person is waited for."""

    total: timedelta = ZERO
    """Since the rollout was created."""
    in_phase: timedelta = ZERO
    """Since the phase was entered."""
    since_step: timedelta = ZERO
    """Since the present weight was asked for, without waits for approval: for a step's deadline."""
    at_weight: timedelta = ZERO
    """With the present weight in force and measured: what a step's ``for`` is counted in."""
    unmeasured: timedelta = ZERO
    """Since the metric source last answered; 0 when it did on the last pass."""
    incident: timedelta = ZERO
    """With both versions seen to break a limit, at whatever weight; 0 as soon as they do not."""
    observing: bool = False
    """Whether the last pass saw the weight in force and measured: the start of a credited span."""
    mark: Tick | None = None
    """The last pass, by the clock of its process."""


@dataclass(frozen=True, slots=True)
class Route:
    """The split that was, the split that shall be, and whether the gateway was last seen running it.

    A crash between commit and act leaves the world at ``previous``: the write is repeated. Anything else
    than the two is drift, kept in ``foreign`` until a person decides.
    """

    previous: Split = field(default_factory=Split)
    intended: Split = field(default_factory=Split)
    in_force: bool = False
    foreign: Split | None = None
    weight_sum: int | None = None
    """What the pair's weights added up to on the route before the rollout; None where there is no such."""
    gateways: tuple[str, ...] = ()
    """The gateways that the route belongs to, as they are counted by the fleet's limits."""
    series: tuple[tuple[str, str], ...] = ()
    """The gateway's own name of each version's upstream in its metrics, as pairs of version and name."""
    unmirrored: str = ""
    """Why requests cannot be copied to the canary there, so that shadow steps are left out."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured at the present weight, and the judge's memory.

    ``cursor`` is the instant, on the metric source's clock, up to which counts were taken; None until a
    weight was seen in force. ``judge_state`` belongs to the judge (JSON text), and outlives a weight where
    the judge remembers.
    """

    cursor: datetime | None = None
    since: datetime | None = None
    """The instant, on the same clock, from which counts are surely of this weight: an interval after it was
    seen in force."""
    canary_requests: int = 0
    stable_requests: int = 0
    judge_state: str = ""
    verdict: Verdict = Verdict.UNKNOWN
    checks: tuple[CheckResult, ...] = ()
    ceiling_permille: int = FULL_WEIGHT_PERMILLE
    """The most weight that the judge lets the canary have now."""
    held: Reason | None = None
    """Why that is less than all."""
    answered: bool = False
    """Whether the canary was ever measured to answer a request, at any weight."""
    probed: ProbeMark | None = None
    """The last round of probes that was counted."""
    warnings: tuple[Flaw, ...] = ()
    """What was wrong with the measurements of this rollout, at any weight."""

    @property
    def broken_by_both(self) -> tuple[str, ...]:
        """The checks that decide and whose limit both versions break: an incident, not the canary's doing."""
        broken = (check for check in self.checks if check.reason is Reason.BOTH_ABOVE_LIMIT)
        return tuple(check.name for check in broken if not check.report_only)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The record of one rollout: everything a decision may depend on besides the next observation."""

    id: str
    model: str
    release: Release
    policy: Policy
    created_at: datetime
    created_by: str
    stable: Release | None = None
    phase: Phase = Phase.PENDING
    reason: Reason = Reason.CREATED
    message: str = ""
    cause: Reason | None = None
    """RollingBack and Halted: why the canary must go."""
    resume_to: Phase | None = None
    """Paused and Frozen: the phase that goes on afterwards."""
    ending: Phase | None = None
    """RollingBack: the terminal phase that it leads to."""
    step: int | None = None
    """Index of the policy's step whose weight is asked for; None before the first."""
    supply_permille: int = 0
    """The share of requests that the canary's copies shall be able to carry; 0 asks for none."""
    promote_asked: bool = False
    """A person asked for the promotion, which waits for copies enough for everyone."""
    asking: Asking | None = None
    """What people are asked to approve, and who has."""
    route: Route = field(default_factory=Route)
    clocks: Clocks = field(default_factory=Clocks)
    evidence: Evidence = field(default_factory=Evidence)
    calibration: Calibration | None = None
    """What stable's past said before the canary's first request; None where nobody knows it."""
    pack: str = ""
    """The metrics pack that was recognised, where the policy names none."""
    cautions: tuple[str, ...] = ()
    """What people should know of how the copies run, seen before the canary had traffic."""
    trials: tuple[Trial, ...] = ()
    """The samples that are taken of both versions' answers, for each check that has some."""
    unready_passes: int = 0
    """Passes in a row on which the canary was not ready while it had traffic."""
    told: tuple[Reason, ...] = ()
    """What people were told at this weight, and of an incident at any, so that each is told once."""
    ties: Ties = field(default_factory=Ties)
    retry_of: str | None = None
    seq: int = 0
    """Number of the last entry of the decision log."""
    updated_at: datetime | None = None
    """When it was last decided on; what is noted after the end does not move it."""
    drain: Drain | None = None
    """After the end: how the last requests of the version that lost ended."""

    @property
    def waits_for_person(self) -> bool:
        """Whether nothing but a person's word, of whatever kind, moves the rollout on."""
        return waits_for_person(self.phase, self.reason)

    @property
    def weight_permille(self) -> int:
        """The canary's weight as asked for."""
        return self.route.intended.weight_permille

    @property
    def mirror_permille(self) -> int:
        """The share of users' requests that are copied to the canary, as asked for."""
        return self.route.intended.mirror_permille

    @property
    def routed(self) -> RoutedModel:
        """The rollout's model at its gateway."""
        return RoutedModel(
            model=self.model,
            route=self.policy.route,
            namespace=self.policy.namespace,
            stable=self.stable,
            canary=self.release,
            weight_sum=self.route.weight_sum,
            steps_permille=weights(self.policy),
            mirrors_permille=mirrors(self.policy),
            audience=self.policy.audience,
        )

    @property
    def scaled(self) -> bool:
        """Whether the canary's copies are as many as Serinus asks for, and not as many as there are."""
        return self.release.image is not None or self.policy.workload.scale

    @property
    def share_permille(self) -> int:
        """The release's share of requests as asked for: all of them once it is the stable version."""
        promoted = self.route.intended == Split(stable=self.release)
        return FULL_WEIGHT_PERMILLE if promoted else self.weight_permille


@dataclass(frozen=True, slots=True)
class SetSplit:
    """Make the gateway run ``split``, if what it runs is still ``expected``. Idempotent."""

    split: Split
    expected: Split


class CommandKind(StrEnum):
    """What a person may ask for: a new rollout (deploy, retry), or something of one that there is."""

    DEPLOY = "deploy"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    PROMOTE = "promote"
    RETRY = "retry"
    APPROVE = "approve"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Command:
    """A person's word: ``note`` is why. ``request_id`` makes a repeated delivery harmless.

    ``asking`` is the number of the asking that an approve or deny is meant for; None is what is asked then.
    """

    kind: CommandKind
    request_id: str
    actor: str
    at: datetime
    note: str = ""
    asking: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command cannot be followed now, and what to do instead."""

    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the decision log: what was seen, what was decided, by whom.

    ``seq`` counts from 1 without gaps. ``event`` is a constant snake_case name. With the observation or the
    command of every entry, the whole rollout can be decided again and gives the same.
    """

    seq: int
    at: datetime
    actor: str
    event: str
    phase_before: Phase
    phase: Phase
    reason: Reason
    message: str
    step: int | None
    weight_permille: int
    assessment: Assessment
    observation: Observation | None = None
    command: Command | None = None
    notable: bool = False
    """Whether people are shown it without asking for every check."""
    mirror_permille: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from an observation. Commit ``rollout`` and ``entry`` first, then act.

    ``entry`` is None when nothing changed: nothing is written. ``wake_after`` is None when only an event
    or a person can change anything; ``measures`` says that the next pass reads metrics.
    """

    rollout: Rollout
    actions: tuple[SetSplit, ...] = ()
    entry: Entry | None = None
    wake_after: timedelta | None = None
    measures: bool = False
