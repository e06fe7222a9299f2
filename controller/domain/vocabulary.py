"""The closed word lists: phases, verdicts, reasons.

The same CamelCase word stands in the record, the log, the metric label, the command line and the
notification, so a word found in one place can be searched for in all others.
"""

from enum import StrEnum


class Phase(StrEnum):
    """Where a rollout stands. The table in `machine` says which phase may follow which."""

    PENDING = "Pending"
    PREPARING = "Preparing"
    VALIDATING = "Validating"
    PROGRESSING = "Progressing"
    PROMOTING = "Promoting"
    BAKING = "Baking"
    PAUSED = "Paused"
    FROZEN = "Frozen"
    HALTED = "Halted"
    ROLLING_BACK = "RollingBack"
    SUCCEEDED = "Succeeded"
    ROLLED_BACK = "RolledBack"
    NOT_DEPLOYED = "NotDeployed"
    SUPERSEDED = "Superseded"
    ABORTED = "Aborted"

    @property
    def terminal(self) -> bool:
        """Whether a rollout in this phase is over for good."""
        return self in TERMINAL

    @property
    def waits_for_person(self) -> bool:
        """Whether nothing but a person's word moves the rollout on."""
        return self in (Phase.PAUSED, Phase.FROZEN, Phase.HALTED)


TERMINAL = frozenset(
    {
        Phase.SUCCEEDED,
        Phase.ROLLED_BACK,
        Phase.NOT_DEPLOYED,
        Phase.SUPERSEDED,
        Phase.ABORTED,
    }
)


class Verdict(StrEnum):
    """What evidence says. UNKNOWN never counts as PASS and never as FAIL: it holds the weight."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    SKIPPED = "SKIPPED"


class Reason(StrEnum):
    """Why a rollout, or one check of it, stands where it stands."""

    CREATED = "Created"
    WAITING_FOR_POLICY = "WaitingForPolicy"
    SPEC_INVALID = "SpecInvalid"
    WAITING_FOR_PREDECESSOR = "WaitingForPredecessor"
    WAITING_FOR_READY = "WaitingForReady"
    VALIDATION_RUNNING = "ValidationRunning"
    WAITING_FOR_GATEWAY = "WaitingForGateway"
    WAITING_FOR_METRICS = "WaitingForMetrics"
    WAITING_FOR_FIRST_REQUEST = "WaitingForFirstRequest"
    STEP_RUNNING = "StepRunning"
    WAITING_FOR_REQUESTS = "WaitingForRequests"
    WAITING_FOR_CHECKS = "WaitingForChecks"
    WAITING_FOR_COPIES = "WaitingForCopies"
    WAITING_FOR_APPROVAL = "WaitingForApproval"
    WAITING_FOR_GATE = "WaitingForGate"
    GATE_FAILED = "GateFailed"
    WAITING_FOR_TURN = "WaitingForTurn"
    WAITING_FOR_GPUS = "WaitingForGpus"
    WAITING_FOR_MODEL = "WaitingForModel"
    MODEL_NOT_PROMOTED = "ModelNotPromoted"
    WAITING_FOR_GROUP = "WaitingForGroup"
    OUTSIDE_WINDOW = "OutsideWindow"
    RELEASE_FREEZE = "ReleaseFreeze"
    EVERYTHING_PAUSED = "EverythingPaused"
    CHECKS_FAILING = "ChecksFailing"
    TOO_LITTLE_EVIDENCE = "TooLittleEvidence"
    PROMOTION_RUNNING = "PromotionRunning"
    BAKE_RUNNING = "BakeRunning"
    PROMOTED = "Promoted"

    PAUSED_BY_PERSON = "PausedByPerson"
    ABORTED_BY_PERSON = "AbortedByPerson"
    APPROVAL_DENIED = "ApprovalDenied"
    APPROVAL_TIMED_OUT = "ApprovalTimedOut"
    GATE_DENIED = "GateDenied"
    GATE_TIMED_OUT = "GateTimedOut"
    NEWER_RELEASE = "NewerRelease"
    GROUP_FAILED = "GroupFailed"

    ALREADY_SERVING = "AlreadyServing"
    NOTHING_TO_CLONE = "NothingToClone"
    WEIGHT_SUM_TOO_SMALL = "WeightSumTooSmall"
    ROUTE_OWNED = "RouteOwned"
    ROUTE_NOT_FOUND = "RouteNotFound"
    ROUTE_AMBIGUOUS = "RouteAmbiguous"
    WAITING_FOR_ROUTE = "WaitingForRoute"
    WORKLOAD_REFUSED = "WorkloadRefused"
    BACKEND_NOT_FOUND = "BackendNotFound"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CRASH_LOOPING = "CrashLooping"
    UNSCHEDULABLE = "Unschedulable"
    INSUFFICIENT_CAPACITY = "InsufficientCapacity"
    READY_DEADLINE_EXCEEDED = "ReadyDeadlineExceeded"
    WARM_UP_FAILED = "WarmUpFailed"
    GOLDEN_REQUEST_FAILED = "GoldenRequestFailed"

    CHECK_FAILED = "CheckFailed"
    CANARY_NOT_READY = "CanaryNotReady"
    ADAPTER_MISSING = "AdapterMissing"
    STABLE_UNHEALTHY = "StableUnhealthy"
    STEP_DEADLINE_EXCEEDED = "StepDeadlineExceeded"
    ROLLOUT_DEADLINE_EXCEEDED = "RolloutDeadlineExceeded"

    METRICS_UNAVAILABLE = "MetricsUnavailable"
    METRICS_STALE = "MetricsStale"
    METRICS_INVALID = "MetricsInvalid"
    METRICS_PARTIAL = "MetricsPartial"
    METRICS_AMBIGUOUS = "MetricsAmbiguous"
    METRICS_UNRECOGNISED = "MetricsUnrecognised"
    CLOCK_STEPPED = "ClockStepped"

    GATEWAY_UNAVAILABLE = "GatewayUnavailable"
    PERMISSION_LOST = "PermissionLost"
    DRIFT_DETECTED = "DriftDetected"
    ROUTE_REJECTED = "RouteRejected"
    ROUTE_NOT_HONOURED = "RouteNotHonoured"
    SHADOW_SKIPPED = "ShadowSkipped"

    WITHIN_LIMIT = "WithinLimit"
    ABOVE_LIMIT = "AboveLimit"
    WORSE_THAN_STABLE = "WorseThanStable"
    TOO_FEW_REQUESTS = "TooFewRequests"
    NO_STABLE_TRAFFIC = "NoStableTraffic"
    LIMIT_OUTSIDE_BUCKETS = "LimitOutsideBuckets"
    NO_VALUE = "NoValue"
    WARMING_UP = "WarmingUp"
    EVIDENCE_AGAINST = "EvidenceAgainst"
    SHOWN_GOOD = "ShownGood"
    NOTHING_AGAINST = "NothingAgainst"
    NOT_YET_SHOWN = "NotYetShown"
    BOTH_ABOVE_LIMIT = "BothAboveLimit"
    BUDGET_SPENT = "BudgetSpent"
    TOKEN_MIX_DIFFERS = "TokenMixDiffers"  # noqa: S105 - tokens of a language
    BELOW_LIMIT = "BelowLimit"
    NO_SCORE = "NoScore"
    BUCKETS_DIFFER = "BucketsDiffer"

    DRAINED = "Drained"
    DRAIN_TIMED_OUT = "DrainTimedOut"


CONSENT_LACKS = frozenset({Reason.WAITING_FOR_APPROVAL, Reason.WAITING_FOR_GATE, Reason.GATE_FAILED})
"""Nothing is lacking but somebody's word."""

CLOSED = frozenset({Reason.OUTSIDE_WINDOW, Reason.RELEASE_FREEZE, Reason.EVERYTHING_PAUSED})
"""Nothing is lacking but the hour, or the end of a pause of everything."""
IN_LINE = frozenset({Reason.WAITING_FOR_TURN, Reason.WAITING_FOR_GPUS})
"""Nothing is lacking but a place among those that roll at the same time."""
FLEET_LACKS = frozenset(
    {
        *CLOSED,
        *IN_LINE,
        Reason.WAITING_FOR_MODEL,
        Reason.MODEL_NOT_PROMOTED,
        Reason.WAITING_FOR_GROUP,
    }
)
"""Nothing is lacking but what the rules of the fleet ask for."""


def waits_for_person(phase: Phase, reason: Reason) -> bool:
    """Whether nothing but a person's word, of whatever kind, moves the rollout on."""
    return phase.waits_for_person or reason in (Reason.WAITING_FOR_APPROVAL, Reason.MODEL_NOT_PROMOTED)
