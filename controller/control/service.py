"""What a person can ask of the daemon, whatever the request came through.

Reading is answered from the history (`reading.Reader`). What steers is decided by the pure core, committed by
compare-and-swap, and left to the reconciler to act on: a person's word takes the same way as the daemon's own
decisions, and stands in the same log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from controller.control.emergency import abort_unrecorded
from controller.control.errors import Refused
from controller.control.outcomes import entry_of, outcome, refused
from controller.control.policies import PolicyFiles, policy_for, policy_meant
from controller.control.reading import Reader, numbered
from controller.control.releases import parse_release
from controller.control.views import OutcomeView
from controller.domain.commands import again, announce, obey, refuse_release
from controller.domain.model import Command, CommandKind, Entry, Refusal, Rollout
from controller.domain.policy import Policy
from controller.domain.release import Release
from controller.errors import Conflict, StoreUnavailable
from controller.ports import Clock, Fleet, RolloutHistory, RolloutStore, Stored, TrafficRouter

log = structlog.get_logger(__name__)

Wake = Callable[[str, bool], None]
"""Puts a model on the queue; True interrupts what is being observed for it."""
Recorded = Callable[[Rollout, Entry], None]
"""Told of every committed entry, as the reconciler tells of its own: for metrics and notifications."""
Find = Callable[[], Awaitable[tuple[Stored | None, Rollout]]]
"""The rollout that a word is for: as stored if it is not over, and as it is last known."""
Begin = Callable[[str], Rollout | Refusal]
"""A new rollout under the id that it is given."""
NextId = Callable[[str, Rollout | None, Rollout | None], str]
"""The id of a model's next rollout: the model, its newest one, and the ended one that is tried again."""

_ATTEMPTS = 5
_PATIENCE = timedelta(seconds=3)
"""People see the effect of an abort within 5 s, whatever the store does."""


class ControlService(Reader):
    """The use cases. Each raises a `ControlError`, or `StoreUnavailable` when the store fails.

    ``routers`` are the gateways by a route's kind: an abort that cannot be recorded within ``patience`` goes
    straight to them.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one for each thing outside
        self,
        store: RolloutStore,
        history: RolloutHistory,
        policies: PolicyFiles,
        routers: Mapping[str, TrafficRouter],
        wake: Wake,
        clock: Clock,
        recorded: Recorded,
        fleet: Fleet,
        *,
        next_id: NextId = numbered,
        patience: timedelta = _PATIENCE,
    ) -> None:
        super().__init__(history, policies, clock)
        self._store = store
        self._routers = routers
        self._wake = wake
        self._recorded = recorded
        self._fleet = fleet
        self._next_id = next_id
        self._patience_seconds = patience.total_seconds()
        self._files = policies

    async def deploy(
        self, model: str, version: str, endpoints: Sequence[str], *, actor: str, request_id: str
    ) -> OutcomeView:
        """Begin a rollout of a version that answers at ``endpoints`` (``host:port`` each).

        A repeated request is answered as the first was.
        """
        release = parse_release(version, endpoints)
        policy = policy_for(self._files, model)
        command = Command(CommandKind.DEPLOY, request_id, actor, self._clock.now())

        def begin(new_id: str) -> Rollout:
            return Rollout(new_id, model, release, policy, created_at=command.at, created_by=actor)

        return await self._begin(model, release, begin, command)

    async def command(
        self,
        target: str,
        kind: CommandKind,
        *,
        actor: str,
        request_id: str,
        note: str = "",
        asking: int | None = None,
    ) -> OutcomeView:
        """Follow a person's word to the model's newest open rollout, or to the one that was named.

        A repeated request is answered as the first was. An abort that cannot be recorded sends the traffic
        to stable all the same.
        """
        command = Command(kind, request_id, actor, self._clock.now(), note, asking)
        if kind is not CommandKind.ABORT:
            return await self._steer(self._finder(target), command)
        read: Stored | None = None
        try:
            async with asyncio.timeout(self._patience_seconds):
                read = await self._open(target)
                return await self._steer(self._finder(read.rollout.id if read else target), command)
        except (StoreUnavailable, TimeoutError) as fault:
            policy = read.rollout.policy if read else policy_meant(self._files, target, fault)
        return await self._abort_unrecorded(policy, read.rollout if read else None, command)

    async def follow(
        self,
        rollout: Rollout,
        kind: CommandKind,
        *,
        actor: str,
        request_id: str,
        note: str = "",
        asking: int | None = None,
    ) -> OutcomeView:
        """As `command`, to exactly this rollout, whatever models are called."""

        async def find() -> tuple[Stored | None, Rollout]:
            opened = await self._store.open_rollouts(rollout.model)
            read = next((each for each in opened if each.rollout.id == rollout.id), None)
            known = read.rollout if read else await self._history.named(rollout.id)
            # one name can be that of two rollouts, in two namespaces
            return read, known if known is not None and known.model == rollout.model else rollout

        command = Command(kind, request_id, actor, self._clock.now(), note, asking)
        if kind is not CommandKind.ABORT:
            return await self._steer(find, command)
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await self._steer(find, command)
        except (StoreUnavailable, TimeoutError):
            return await self._abort_unrecorded(rollout.policy, rollout, command)

    async def _abort_unrecorded(self, policy: Policy, known: Rollout | None, command: Command) -> OutcomeView:
        found = await abort_unrecorded(self._routers, policy, known, command)
        self._wake(policy.model, True)  # noqa: FBT003 - urgent
        return found

    def _finder(self, target: str) -> Find:
        """Finds what a person meant; once it was found it stays the one, whatever begins meanwhile."""
        meant = [target]

        async def find() -> tuple[Stored | None, Rollout]:
            read = await self._open(meant[-1])
            rollout = read.rollout if read else await self.newest(meant[-1])
            if read is not None or rollout.phase.terminal:
                meant.append(rollout.id)
            return read, rollout

        return find

    async def _steer(self, find: Find, command: Command) -> OutcomeView:
        rollout: Rollout | None = None
        for _ in range(_ATTEMPTS):
            if (before := await self._history.request(command.request_id)) is not None:
                return outcome(before[0], command.kind, before[1])
            read, rollout = await find()
            if read is None and command.kind is CommandKind.RETRY:
                return await self._retry(rollout, command)
            if read is None and not rollout.phase.terminal:
                continue  # it began between the two readings
            fleet = self._fleet.seen(rollout, None)
            decision = obey(rollout, command, fleet.closed if fleet else None)
            if isinstance(decision, Refusal):
                raise refused(rollout, decision)
            assert read is not None, "what is over obeys nothing"
            entry = entry_of(decision)
            try:
                await self._store.commit(read, decision.rollout, entry)
            except Conflict:
                continue
            self._done(decision.rollout, entry)
            return outcome(rollout.id, command.kind, entry)
        name = rollout.id if rollout else "it"
        raise Refused(
            f"{name} changes faster than the word could be recorded; say it again", f"serinus status {name}"
        )

    async def _open(self, target: str) -> Stored | None:
        """The model's newest rollout that is not over, or the named one if it is not over."""
        if opened := await self._store.open_rollouts(target):
            return opened[-1]
        named = await self._history.named(target)
        opened = await self._store.open_rollouts(named.model) if named else []
        return next((each for each in opened if each.rollout.id == target), None)

    async def _retry(self, ended: Rollout, command: Command) -> OutcomeView:
        policy = policy_for(self._files, ended.model)

        def begin(new_id: str) -> Rollout | Refusal:
            return again(ended, policy, new_id, command)

        return await self._begin(ended.model, ended.release, begin, command, ended)

    async def _begin(
        self,
        model: str,
        release: Release,
        begin: Begin,
        command: Command,
        ended: Rollout | None = None,
    ) -> OutcomeView:
        """Record a new rollout, under the id that follows."""
        for _ in range(_ATTEMPTS):
            # the id first: whatever begins after it was read takes it, and that shows as a conflict
            newest = await self._history.rollouts(model, 1)
            if before := await self._history.request(command.request_id):
                return outcome(before[0], command.kind, before[1])
            opened = await self._store.open_rollouts(model)
            same = next(
                (each.rollout for each in opened if each.rollout.release.version == release.version), None
            )
            refusal = refuse_release(release, await self._store.serving(model), same)
            rollout = begin(self._next_id(model, newest[0] if newest else None, ended))
            if refusal or isinstance(rollout, Refusal):
                raise Refused((refusal or rollout).message, f"serinus status {model}")
            decision = announce(rollout, command)
            entry = entry_of(decision)
            try:
                await self._store.create(decision.rollout, entry)
            except Conflict:
                continue
            self._done(decision.rollout, entry)
            return outcome(rollout.id, command.kind, entry)
        raise Refused(f"other rollouts of {model} begin at the same time; try again", f"serinus get {model}")

    def _done(self, rollout: Rollout, entry: Entry) -> None:
        log.info(entry.event, model=rollout.model, rollout=rollout.id, phase=entry.phase, actor=entry.actor)
        self._recorded(rollout, entry)
        self._wake(rollout.model, True)  # noqa: FBT003 - urgent
