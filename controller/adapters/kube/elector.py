"""Leader election on a Lease: at most one process at a time believes that it leads.

**Invariant**: `Elector.check` passes only for a time that began before the last successful renewal was asked
for and is over before anybody else may take the lease. It reads a clock, so it is right even in a process
that was frozen since. Epochs rise with each change of leaders, also when a leader comes back, and also when
somebody deletes the Lease.

    renewal asked for              check fails            others may take it
    |<------ valid_seconds ------->|                      |
          |<- - - - - - - lease, since they saw it - - - >|

What others wait for they measure themselves, on their own monotonic clock; no wall clock decides anything.
Whatever goes wrong in a renewal, the lease counts as not renewed. When it is lost the process ends, for work
that hangs cannot be stopped otherwise. Nothing here helps when somebody empties the Lease by hand, deletes it
again just after it was made anew, or when the clocks of a whole machine stand still: then
`controller.adapters.kube.fencing` does.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import Deposed, LeaseLost
from controller.adapters.kube.lease import (
    LeaseRecord,
    LeaseTiming,
    Patience,
    held,
    released,
    renewing,
    replacing,
)
from controller.adapters.kube.lease_object import LeaseObject, LeaseRef
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.resources import LEASES, Obj
from controller.errors import Conflict

__all__ = ["PERMISSIONS", "Clocks", "Elector", "LeaseRef", "LeaseTiming"]

log = structlog.get_logger(__name__)

LEASE_NAME = "serinus"
PERMISSIONS = (
    Permission(LEASES, frozenset({"create", "list"}), Feature.CORE),  # which RBAC cannot limit to names
    Permission(LEASES, frozenset({"get", "patch"}), Feature.CORE, names=(LEASE_NAME,)),
)

_OVERDUE_SECONDS = 1.0
_TOO_SHORT_SECONDS = 0.005
"""No renewal is answered in so little time."""


def boot_seconds() -> float:
    """A monotonic clock that goes on while the process is stopped, and while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Clocks:
    """``monotonic`` decides; ``wall`` is written into the Lease for people."""

    monotonic: Callable[[], float] = boot_seconds
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Tenure:
    """The lease as we hold it, and until when by our monotonic clock; None when it was given back."""

    ours: LeaseRecord
    until: float | None


async def nobody() -> bool:
    """For who has no rivals."""
    return False


class Elector:
    """Takes part in one election, and leads at most once. It is the `Leadership` of `fencing`."""

    def __init__(
        self,
        client: KubeClient,
        ref: LeaseRef,
        floor: Callable[[], Awaitable[int]],
        timing: LeaseTiming | None = None,
        clocks: Clocks | None = None,
        rivals: Callable[[], Awaitable[bool]] = nobody,
    ) -> None:
        """``client`` must be one whose writes ask for nobody's leave.

        ``floor`` finds the highest epoch that any object bears. It is asked before the lease is taken; when
        it raises, the lease is not. Nor is it while there are ``rivals`` (`Rivals.lead`).
        """
        self._timing = timing or LeaseTiming()
        self._clocks = clocks or Clocks()
        self._lease = LeaseObject(client, ref, self._timing.call_seconds)
        self._floor = floor
        self._rivals = rivals
        # Unique: a process that comes back under its old name waits for its old lease, as all others do.
        self._holder = f"{ref.identity}_{secrets.token_hex(4)}"
        self._patience = Patience(self._holder, self._timing.lease)
        self._tenure: _Tenure | None = None
        self._is_lost = False

    @property
    def epoch(self) -> int:
        """The number of our reign; 0 before it."""
        return self._tenure.ours.epoch if self._tenure else 0

    @property
    def leader(self) -> str:
        """Who held the lease when it was last read, empty for nobody: for people."""
        return self._holder if self._tenure else self._patience.holder

    def check(self) -> None:
        """Raise `Deposed` when somebody else could be leading by now."""
        until = self._tenure.until if self._tenure else None
        if until is None or self._clocks.monotonic() >= until:
            raise Deposed("this process does not hold the lease, or could not renew it in time")

    @property
    def overdue(self) -> bool:
        """Whether the lease is over and `run` should have ended some time ago: for `Watchdog`."""
        until = self._tenure.until if self._tenure else None
        return until is not None and self._clocks.monotonic() > until + _OVERDUE_SECONDS

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lease, lead, and give the lease back when ``lead`` returns, raises or is cancelled.

        Raises `LeaseLost` when the lease could not be kept; `check` fails from before. As long as ``lead``
        does not heed its cancellation this does not return: `Watchdog` ends the process.
        """
        self._tenure = await self._taken()
        log.info("lease_taken", epoch=self.epoch, holder=self._holder)
        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(self._keep())
                group.create_task(_led(lead, keeper))
        except BaseExceptionGroup as errors:
            raise _first(errors) from errors
        finally:
            await self._end()

    async def _taken(self) -> _Tenure:
        said, knows_rivals = "", False
        while True:
            try:
                if not knows_rivals:  # so that one left behind holds nobody up when it comes to it
                    knows_rivals = await self._rivals() or True
                if (tenure := await self._try_to_take()) is not None:
                    return tenure
                said = ""
            except Conflict:
                self._patience.beaten()
            except Exception as error:  # noqa: BLE001 - whatever it was, the lease was not taken
                if (why := str(error) or type(error).__name__) != said:
                    said = why
                    log.warning("lease_not_taken", error=why)
            # So long a released lease waits for the next leader, which then has all its objects to stamp.
            # Candidates shall not meet.
            wait = self._timing.retry * random.uniform(0.55, 0.75)  # noqa: S311 - guards nothing
            await asyncio.sleep(wait.total_seconds())

    async def _try_to_take(self) -> _Tenure | None:
        record = await self._lease.read()
        at = self._clocks.monotonic()
        if record is not None and not self._patience.is_free(record, at, stamped=True):
            return None
        floor = await self._floor()
        if record is None and not self._patience.is_free(None, at, stamped=floor > 0):
            return None
        if await self._rivals():
            return None
        epoch = max(self._patience.epoch, floor) + 1
        begun = self._clocks.monotonic()
        ours = await self._lease.write(record, held(self._holder, self._timing, epoch, self._clocks.wall()))
        until = begun + self._timing.valid_seconds
        if await self._rivals():
            await self._lease.patch_while(ours, lambda record: replacing(record, self._given_up(epoch)))
            return None
        # Where we were frozen meanwhile, somebody else may have taken it since.
        return _Tenure(ours, until) if self._clocks.monotonic() < until else None

    def _given_up(self, epoch: int) -> Obj:
        return released(epoch, self._clocks.wall())

    async def _keep(self) -> None:
        """Renew the lease for ever. Raises `LeaseLost`."""
        retry = self._timing.retry.total_seconds()
        while (tenure := self._tenure) is not None and tenure.until is not None:
            await asyncio.sleep(max(0.0, min(retry, tenure.until - self._clocks.monotonic())))
            begun = self._clocks.monotonic()
            if tenure.until - begun < _TOO_SHORT_SECONDS:
                raise self._lost(tenure, "it could not be renewed in time")
            try:
                async with asyncio.timeout(tenure.until - begun):
                    ours = await self._lease.patch_while(
                        tenure.ours, lambda record: renewing(record, self._clocks.wall())
                    )
            except Exception as error:  # noqa: BLE001 - whatever it was, the lease was not renewed
                log.warning("lease_not_renewed", error=str(error) or type(error).__name__)
                continue
            if ours is None:
                raise self._lost(tenure, "somebody else took it, or deleted it")
            self._tenure = _Tenure(ours, begun + self._timing.valid_seconds)

    def _lost(self, tenure: _Tenure, why: str) -> LeaseLost:
        now = self._clocks.monotonic()
        self._tenure = replace(tenure, until=now if tenure.until is None else min(tenure.until, now))
        self._is_lost = True
        return LeaseLost(f"{self._lease} is lost: {why}")

    async def _end(self) -> None:
        """After the leader's last work: let others lead at once, if the lease is still ours to give."""
        tenure = self._tenure
        if tenure is None or self._is_lost:
            return
        self._tenure = replace(tenure, until=None)
        spec = self._given_up(tenure.ours.epoch)
        try:
            done = await self._lease.patch_while(tenure.ours, lambda record: replacing(record, spec))
        except Exception as error:  # noqa: BLE001 - others wait until it is over
            log.warning("lease_not_released", error=str(error) or type(error).__name__)
        else:
            log.info("lease_released", epoch=tenure.ours.epoch, still_ours=done is not None)


async def _led(lead: Callable[[], Awaitable[None]], keeper: asyncio.Task[None]) -> None:
    await lead()
    keeper.cancel()


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """What `run` raises: the loss of the lease before anything that followed from it."""
    lost, others = errors.split(LeaseLost)
    return (lost or others or errors).exceptions[0]
