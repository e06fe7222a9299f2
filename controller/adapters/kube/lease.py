"""The Lease that says who leads: what it holds, what to write into it, when another's is over. Pure.

The times in a Lease are for people: no decision is made from them, so no wall clock can be wrong.

**Source**: coordination.k8s.io/v1, LeaseSpec.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.adapters.kube.fencing import LARGEST_EPOCH
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, text

_LONGEST_SECONDS = 3600
_UNKNOWN = "unknown"
_LONGEST_LOOK_AWAY = 0.5
"""For how much of a lease nobody may look when there is none: it could have been there in between."""
_SAFE_SHARE = 0.9
"""How much of a lease its holder uses at most: two machines' monotonic clocks need not run alike."""


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """How long a lease is, and how often it is asked for; retry < renew < lease.

    A leader that could not renew for ``renew`` stops; others wait for ``lease``. The difference is time for
    its last write to arrive or be given up. ``request`` is the most that one call may take.
    """

    lease: timedelta = timedelta(seconds=15)
    renew: timedelta = timedelta(seconds=10)
    retry: timedelta = timedelta(seconds=2)
    request: timedelta = timedelta(seconds=5)

    @property
    def valid_seconds(self) -> float:
        """For how long after the start of a renewal its holder may act."""
        return min(self.renew, self.lease * _SAFE_SHARE).total_seconds()

    @property
    def call_seconds(self) -> float:
        """The limit of one call: a call that hangs leaves time for another."""
        return min(self.request.total_seconds(), self.valid_seconds / 2)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease as it was read. ``holder`` is empty when nobody has it; ``version`` is its resourceVersion."""

    holder: str
    seconds: int
    epoch: int
    version: str
    renewed: str = ""
    """When, in its holder's words."""


def record_of(lease: Obj) -> LeaseRecord:
    """Read a Lease; what is missing or wrong in it counts as empty."""
    spec = mapping(lease.get("spec"))
    return LeaseRecord(
        holder=text(spec.get("holderIdentity")),
        seconds=min(number(spec.get("leaseDurationSeconds")), _LONGEST_SECONDS),
        epoch=min(number(spec.get("leaseTransitions")), LARGEST_EPOCH),
        version=text(mapping(lease.get("metadata")).get("resourceVersion")),
        renewed=text(spec.get("renewTime")),
    )


class Patience:
    """Knows when a lease may be taken, by what was seen of it and on our own monotonic clock.

    **Invariant**: a lease held by somebody else is free only when it stood unchanged for its whole duration
    since we first saw it so. Its holder renewed it before that, and acts no longer.
    """

    def __init__(self, identity: str, lease: timedelta) -> None:
        """``lease`` is waited for where nothing says how long another lease was."""
        self.epoch = 0
        """The highest epoch that was seen in the lease."""
        self.holder = ""
        """Who held the lease when it was last read."""
        self._identity = identity
        self._lease_seconds = lease.total_seconds()
        self._version: str | None = None
        self._since = self._last = 0.0

    def is_free(self, record: LeaseRecord | None, at: float, *, stamped: bool) -> bool:
        """Whether the lease may be taken that was read like this; ``at`` is the end of the reading.

        None is no lease. It may have been deleted while somebody held it, if we looked before, or if objects
        are ``stamped`` with the epoch of an earlier leader: then a whole duration is waited for. Nothing
        tells one absence from another, so it must be looked at often.
        """
        known = self._version is not None
        self.holder = record.holder if record else ""
        version = "" if record is None else record.version
        unwatched = record is None and at - self._last > self._lease_seconds * _LONGEST_LOOK_AWAY
        if version != self._version or unwatched:
            self._version, self._since = version, at
        self._last = at
        if record is None:
            wait = self._lease_seconds if known or stamped else 0.0
        else:
            self.epoch = max(self.epoch, record.epoch)
            others = record.holder not in ("", self._identity)
            wait = (record.seconds or self._lease_seconds) if others else 0.0
        return at - self._since >= wait

    def beaten(self) -> None:
        """Somebody else wrote the lease since it was read."""
        self._version = _UNKNOWN


def held(identity: str, timing: LeaseTiming, epoch: int, wall: datetime) -> Obj:
    """The spec of a lease that is taken now."""
    return _spec(identity, math.ceil(timing.lease.total_seconds()), epoch, wall)


def released(epoch: int, wall: datetime) -> Obj:
    """The spec of a lease that anybody may take at once; the next epoch is counted from its own."""
    return _spec("", 1, epoch, wall)


def replacing(record: LeaseRecord, spec: Obj) -> list[Obj]:
    """The patch that takes, or gives up, the lease which is still as it was read."""
    return [_as_read(record), {"op": "add", "path": "/spec", "value": spec}]


def renewing(record: LeaseRecord, wall: datetime) -> list[Obj]:
    """The patch that renews the lease which is still as it was read.

    A write without a difference makes no version, and to others the lease would seem not to be renewed: where
    a wall clock stands still, it is pushed.
    """
    if _micro_time(wall) == record.renewed:
        wall += timedelta(microseconds=1)
    return [_as_read(record), {"op": "add", "path": "/spec/renewTime", "value": _micro_time(wall)}]


def _spec(holder: str, seconds: int, epoch: int, wall: datetime) -> Obj:
    return {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": _micro_time(wall),
        "renewTime": _micro_time(wall),
        "leaseTransitions": epoch,
    }


def _as_read(record: LeaseRecord) -> Obj:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": record.version}


def _micro_time(wall: datetime) -> str:
    return f"{wall:%Y-%m-%dT%H:%M:%S.%f}Z"
