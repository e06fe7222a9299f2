"""What a pass must look at, and all that it can see of the world.

Facts are values here: unavailable, not ready and drifted are answers. Instants are aware UTC datetimes.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.domain.fleet.facts import FleetSeen
from controller.domain.judge.calibration import Calibration
from controller.domain.judge.counts import Block, GaugeSample
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.probed import ProbeRound
from controller.domain.release import Release, Split
from controller.domain.trials import Trial, TrialSeen
from controller.domain.vocabulary import Reason


@dataclass(frozen=True, slots=True)
class Tick:
    """A reading of a monotonic clock; only readings with the same ``clock_id`` can be compared.

    ``clock_id`` is new in each process, so a restart can never pass for elapsed time.
    """

    clock_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """What the gateway was found to run for a model.

    ``accepted`` says that the gateway itself confirmed the split, not only its configuration file or
    object. ``problem`` is set when the gateway cannot be asked or refused the configuration; ``latched`` when
    the split was set by an emergency rollback that no record knows of. ``series`` is as in `Route`.
    """

    split: Split
    accepted: bool
    problem: Reason | None = None
    message: str = ""
    latched: Reason | None = None
    series: tuple[tuple[str, str], ...] = ()
    unmirrored: str = ""
    """Why the gateway does not copy requests as it is asked to; empty where nobody says so."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What stands at the gateway before a rollout has any traffic.

    ``serving`` is the version that the route sends requests to, None where the gateway leaves that to the
    record. ``problem`` says why no traffic can be given yet; ``hopeless`` that waiting will not mend it.
    """

    serving: Release | None = None
    weight_sum: int | None = None
    problem: Reason | None = None
    message: str = ""
    hopeless: bool = False
    gateways: tuple[str, ...] = ()
    """The gateways that the route belongs to, by names that are the same for all their routes."""
    unmirrored: str = "a route of this kind cannot copy requests"
    """Why requests cannot be copied to the canary there; empty where they can."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a version can take requests, and if not why, in words for people.

    ``endpoints`` is ``host:port`` of the copies that can. ``carries_permille`` is the share of all requests
    that they are enough for. ``problem`` names what keeps it from becoming ready where that is known;
    ``hopeless`` says that waiting will not mend it. ``cautions`` are what people should know of how the
    copies run, a sentence each.
    """

    ready: bool
    message: str = ""
    endpoints: tuple[str, ...] = ()
    carries_permille: int = FULL_WEIGHT_PERMILLE
    problem: Reason | None = None
    hopeless: bool = False
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WarmUpReport:
    """The uncounted first requests to the canary."""

    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """The outcome of the golden requests. ``message`` names the first that failed, and the answer it gave."""

    ok: bool
    passed: int
    failed: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A complete answer of the metric source; ``server_time`` is its own clock's now."""

    server_time: datetime
    blocks: tuple[Block, ...] = ()
    gauges: tuple[GaugeSample, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NoReading:
    """Why there is no answer that can be trusted."""

    reason: Reason
    message: str


class GateWord(StrEnum):
    """What a gate says to what it is asked. One that has not made up its mind says nothing yet."""

    ALLOW = "allow"
    DENY = "deny"
    ERROR = "error"
    """It could not be asked, several times in a row, or answered something that is no word."""


@dataclass(frozen=True, slots=True)
class GateSeen:
    """A gate's word; ``message`` says what went wrong, free of addresses and of the gate's own text."""

    name: str
    word: GateWord
    message: str = ""


@dataclass(frozen=True, slots=True)
class PackSeen:
    """The metrics pack that was recognised; without one ``message`` says why, and what to do."""

    pack: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class InFlight:
    """The requests that a version has taken and not answered yet, as its copies or its gateway count them.

    ``requests`` is None where nobody can say; ``message`` is why not, else who counted.
    """

    requests: int | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """All that one pass saw. What the plan did not ask for is None."""

    at: datetime
    tick: Tick
    survey: Survey | None = None
    route: RouteSeen | None = None
    canary: Readiness | None = None
    stable: Readiness | None = None
    warm_up: WarmUpReport | None = None
    validation: ValidationReport | None = None
    reading: Reading | NoReading | None = None
    calibration: Calibration | NoReading | None = None
    pack: PackSeen | None = None
    probes: tuple[ProbeRound, ...] = ()
    """Rounds of probes that are over and were not counted yet."""
    gates: tuple[GateSeen, ...] = ()
    """Of the gates that were to be asked, those that have answered."""
    trials: tuple[TrialSeen, ...] = ()
    """Of the trials that are open, those that have brought something."""
    fleet: FleetSeen | None = None
    """What the fleet has to say to the rollout; None where it has nothing to say."""
    serving: Release | None = None
    """The model's promoted version, asked for while Pending."""
    predecessor: str | None = None
    """An older rollout of the model that is not over yet."""
    successor: str | None = None
    """A newer rollout of the model that waits for this one."""
    in_flight: InFlight | None = None
    """Of the version that lost, asked for once the rollout is over."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Which counts to fetch: those after ``since``, or only the source's clock when it is None."""

    since: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pass must look at before it can decide.

    ``supply_permille`` is the share that the canary's copies must be able to carry: what is missing is made
    before they are looked at. It stands in the record already, so making it anew is harmless. ``calibrate``
    asks for what stable's past says, ``recognise`` for the metrics pack. ``gates`` are those whose word on
    the rollout's asking is awaited, ``trials`` those that are open. ``fleet`` asks for what other models'
    rollouts and the hour say, ``probe`` for requests of Serinus' own through the gateway.
    """

    survey: bool = False
    supply_permille: int | None = None
    route: bool = False
    canary: bool = False
    stable: bool = False
    warm_up: bool = False
    validate: bool = False
    measure: Measure | None = None
    calibrate: bool = False
    gates: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()
    fleet: bool = False
    recognise: bool = False
    probe: bool = False
