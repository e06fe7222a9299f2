"""What the core needs from outside, as small protocols. Adapters implement them, tests fake them.

Every method may raise `TransientError` (again later), `TargetError` (never) and nothing else. Methods that
observe return facts as values: unavailable, not ready and drifted are answers, not exceptions.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from controller.domain.fleet.facts import FleetSeen, Pause
from controller.domain.judge.calibration import PodHistory
from controller.domain.model import Entry, Rollout
from controller.domain.observation import (
    GateSeen,
    InFlight,
    Measure,
    NoReading,
    PackSeen,
    Readiness,
    Reading,
    RouteSeen,
    Survey,
    Tick,
    ValidationReport,
    WarmUpReport,
)
from controller.domain.policy import Policy
from controller.domain.probed import ProbeRound
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.trials import Trial, TrialSeen
from controller.domain.vocabulary import Reason


class Clock(Protocol):
    """Time for the shell: one clock for people, one for durations."""

    def now(self) -> datetime:
        """The wall clock, aware UTC. For display and logs only."""
        ...

    def tick(self) -> Tick:
        """The monotonic clock of this process."""
        ...


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as read, with the version that a commit must name."""

    rollout: Rollout
    version: int | str


class RolloutStore(Protocol):
    """The durable records. Reading and writing raise `StoreUnavailable` when the medium fails."""

    async def open_rollouts(self, model: str) -> Sequence[Stored]:
        """The model's rollouts that are not over, oldest first."""
        ...

    async def serving(self, model: str) -> Release | None:
        """The release that the model's last succeeded rollout promoted."""
        ...

    async def stored(self, rollout_id: str) -> Stored | None:
        """The rollout of that id, over or not, as a commit must name it."""
        ...

    async def create(self, rollout: Rollout, entry: Entry) -> Stored:
        """A new record and its first log entry. Raises `Conflict` if the id exists."""
        ...

    async def commit(self, read: Stored, rollout: Rollout, entry: Entry) -> Stored:
        """Replace the record and append the entry, in one transaction.

        Raises `Conflict` when the record is no longer at ``read.version``, and `InvariantError` when the
        entry's number does not follow the last.
        """
        ...


@dataclass(frozen=True, slots=True)
class Posting:
    """A committed entry that a destination was not told of yet.

    ``rollout`` is the record as it is by now, which may be later than the entry. ``page`` and ``report`` are
    where people find it, where they can; who delivers it knows.
    """

    rollout: Rollout
    entry: Entry
    destination: str
    page: str = ""
    report: str = ""

    @property
    def id(self) -> str:
        """The same however often it is sent, so that a receiver can drop repeats."""
        return f"{self.rollout.id}-{self.entry.seq}"


class Outbox(Protocol):
    """What is still to be told. Every method may raise `StoreUnavailable`.

    Every notable entry is in it for each destination of its policy, from the commit on: neither can be
    without the other.
    """

    async def destinations(self) -> Sequence[str]:
        """The names of those who are still to be told of something."""
        ...

    async def postings(self, destination: str, limit: int) -> Sequence[Posting]:
        """The oldest that are not settled, of one rollout in the order of its commits."""
        ...

    async def memo(self, rollout_id: str, destination: str) -> str:
        """What the destination left for itself at an earlier entry of the rollout; empty at first."""
        ...

    async def settle(self, posting: Posting, memo: str) -> None:
        """The destination was told, or never will be. Doing it again is harmless."""
        ...


class RolloutHistory(Protocol):
    """The read side for people: never used to decide."""

    async def models(self) -> Sequence[str]:
        """The models with any record, sorted."""
        ...

    async def rollouts(self, model: str | None, limit: int) -> Sequence[Rollout]:
        """The newest rollouts, newest first; of all models when ``model`` is None."""
        ...

    async def current(self, models: Collection[str]) -> Sequence[Rollout]:
        """Each model's newest rollout and its older ones that are not over: by model, newest first.

        In one reading, however many models there are.
        """
        ...

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> Sequence[Entry]:
        """Entries with a number above ``after_seq``, in order."""
        ...

    async def named(self, rollout_id: str) -> Rollout | None:
        """The rollout of that id."""
        ...

    async def request(self, request_id: str) -> tuple[str, Entry] | None:
        """The rollout id and entry that a person's request led to, if it was handled before."""
        ...


class TrafficRouter(Protocol):
    """One kind of gateway. Writes are absolute, idempotent and conditional."""

    async def survey(self, routed: RoutedModel, recorded: Release | None) -> Survey:
        """What stands at the gateway before the canary has traffic.

        ``recorded`` is the release that the record holds to be serving; it lends its name to the backend.
        """
        ...

    async def observe(self, routed: RoutedModel) -> RouteSeen:
        """What the gateway runs for the model now. An empty `Split` when it has no route."""
        ...

    async def apply(self, routed: RoutedModel, split: Split, expected: Split) -> None:
        """Make the gateway run ``split``, and return when it was handed over.

        Raises `Conflict` when the gateway's configuration holds neither ``expected`` nor ``split``,
        `TargetError` when the gateway rejects the configuration.
        """
        ...

    async def roll_back_unrecorded(self, routed: RoutedModel, reason: Reason) -> None:
        """Send all of the model's traffic to stable without a record, because the store cannot be written.

        The split is latched: it survives restarts, and `observe` reports ``reason`` until `apply` is called.
        """
        ...


class MetricSource(Protocol):
    """Reads counts and gauges. Many rollouts that ask at once are answered by the same few queries."""

    async def read(self, rollout: Rollout, measure: Measure) -> Reading | NoReading:
        """The blocks that closed since ``measure.since``, and the gauges as they are now."""
        ...

    async def history(self, rollout: Rollout) -> PodHistory | NoReading:
        """Stable's own last hour, by copy and minute; empty where nobody recorded it.

        For the judge's calibration, before the canary's first request.
        """
        ...


class RunningRequests(Protocol):
    """Counts the requests of a version that are not answered yet."""

    async def in_flight(self, rollout: Rollout, release: Release, since: timedelta) -> InFlight:
        """How many one of the rollout's versions has in hand, whose traffic went ``since`` ago.

        Within a few seconds, whatever the source does; raises nothing.
        """
        ...


class Workload(Protocol):
    """Where versions run."""

    async def supply(self, rollout: Rollout, share_permille: int) -> None:
        """Make copies of the canary that can carry the share of requests. Idempotent; never takes any away.

        Raises `TargetError` when that cannot be done there.
        """
        ...

    async def readiness(self, rollout: Rollout, release: Release) -> Readiness:
        """Whether the copies of the release can take requests now."""
        ...


class Validator(Protocol):
    """Requests sent straight to the canary, past the gateway."""

    async def warm_up(self, rollout: Rollout, endpoints: Sequence[str]) -> WarmUpReport:
        """Send the policy's uncounted warm-up requests to every copy: ``host:port`` each."""
        ...

    async def validate(self, rollout: Rollout, endpoints: Sequence[str]) -> ValidationReport:
        """Send the policy's golden requests to every copy and compare the answers."""
        ...


class Engines(Protocol):
    """What the canary's copies show of themselves."""

    async def recognise(self, rollout: Rollout, endpoints: Sequence[str]) -> PackSeen:
        """Which metrics pack reads them: from the metrics page of one, within a bounded time."""
        ...


class Probes(Protocol):
    """Requests of Serinus' own through the gateway, as users send them."""

    def rounds(self, rollout: Rollout) -> Sequence[ProbeRound]:
        """The rounds that are over and that the record does not hold yet, oldest first.

        At once: a round that is due begins by itself, and delays no pass.
        """
        ...


class Notifier(Protocol):
    """Tells people. Must return at once: delivery goes on by itself and never delays a rollout."""

    def tell(self, rollout: Rollout, entry: Entry) -> None:
        """Hand over a committed entry for the destinations that the rollout's policy names."""
        ...


class Gates(Protocol):
    """The operator's programs that a rollout may have to ask."""

    def word(self, rollout: Rollout, name: str) -> GateSeen | None:
        """What the gate says to what the rollout asks now; None while nothing is known.

        At once: asking goes on by itself and never delays a pass. The model is woken by an answer.
        """
        ...


class Trials(Protocol):
    """Takes samples of both versions' answers: golden requests, and evaluations by programs."""

    def outcome(self, rollout: Rollout, trial: Trial, workload: Workload) -> TrialSeen | None:
        """What an open trial has brought; None while nothing is known.

        At once: sampling goes on by itself and never delays a pass. The model is woken by an outcome.
        ``workload`` says where the versions' copies are.
        """
        ...


class Fleet(Protocol):
    """What is known of all rollouts together. At once: nothing is asked of anybody."""

    @property
    def turn(self) -> AbstractAsyncContextManager[object]:
        """Held from the look at who may start until the start is committed: one at a time."""
        ...

    def seen(self, rollout: Rollout, gateways: Sequence[str] | None) -> FleetSeen | None:
        """What it has to say to the rollout; None for nothing.

        ``gateways`` are those that its route belongs to, where they were just seen. Raises
        `StoreUnavailable` when what is known of another model that it looks to cannot be read.
        """
        ...


class FleetPauses(Protocol):
    """Somebody's word that nothing of any model shall start or step up, kept until it is taken back."""

    async def paused(self) -> Pause | None:
        """The pause in force. Raises `StoreUnavailable`."""
        ...

    async def pause(self, pause: Pause | None) -> None:
        """Put a pause in force, or end it for None. Raises `StoreUnavailable`."""
        ...


class Policies(Protocol):
    """The valid policies, newest good version of each."""

    def current(self) -> Mapping[str, Policy]:
        """The policies in force, by model."""
        ...


class Tracing(Protocol):
    """Says where the time of a pass goes. Never raises, never blocks."""

    def span(self, name: str, **facts: str) -> AbstractContextManager[None]:
        """A piece of work, inside the piece that is open."""
        ...


class Telemetry(Protocol):
    """Counts what happens, for the operator's own metrics. Never raises, never blocks."""

    def committed(self, rollout: Rollout, entry: Entry) -> None:
        """A decision was written."""
        ...

    def pass_took(self, seconds: float) -> None:
        """One pass over one model, from reading the record to the last write."""
        ...

    def found(self, model: str, rollouts: Sequence[Rollout]) -> None:
        """What a pass found of the model that is not over, oldest first."""
        ...
