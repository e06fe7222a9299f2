"""Which fault befalls which request: at random by shares, or as a script says."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """What a `FaultyProxy` does to a request."""

    CONFLICT = "conflict"
    """409, and the write is not sent on."""
    THROTTLED = "throttled"
    """429 with Retry-After."""
    BROKEN = "broken"
    """500 with a page of HTML."""
    RESET = "reset"
    """The connection is reset, and the request is not sent on."""
    SILENT_AFTER = "silent_after"
    """The write is sent on and its answer kept back: the client waits, or gives up."""
    RESET_AFTER = "reset_after"
    """The write is sent on, then the connection is reset."""
    BROKEN_AFTER = "broken_after"
    """The write is sent on, and the client is told 500 with a page of HTML."""
    LATE = "late"
    """The write is held, then sent on whether or not the client still waits."""
    DRIPPING = "dripping"
    """The answer's body comes byte by byte, slowly."""
    GONE = "gone"
    """410 to a watch."""
    GONE_EVENT = "gone_event"
    """A watch begins, and ends with an ERROR event of code 410."""
    DROPPED = "dropped"
    """A watch begins, and its connection is reset, perhaps in the middle of an event."""
    SILENT = "silent"
    """A watch begins, then nothing comes, and the connection stays open."""
    CUT = "cut"
    """Never chosen: the request came while the proxy was cut."""


ON_WRITES = frozenset({Fault.CONFLICT, Fault.SILENT_AFTER, Fault.RESET_AFTER, Fault.BROKEN_AFTER, Fault.LATE})
ON_WATCHES = frozenset({Fault.GONE, Fault.GONE_EVENT, Fault.DROPPED, Fault.SILENT})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the choice of a fault is based on. A write changes an object: reviews of rights are none."""

    identity: str
    method: str
    path: str
    watch: bool
    write: bool

    def suits(self, fault: Fault) -> bool:
        """Whether the fault can befall it at all."""
        if fault in ON_WRITES:
            return self.write
        return self.watch if fault in ON_WATCHES else fault is not Fault.CUT


Decide = Callable[[Asked], Fault | None]


def no_faults(asked: Asked) -> Fault | None:
    """Everything passes."""
    return None


def at_random(
    seed: int, shares: Mapping[Fault, float], *, identity: str | None = None, path: str = ""
) -> Decide:
    """Each fault befalls its share of the requests that it suits; at most one befalls one request.

    Only requests of the identity, and with the text in their path, if these are given.
    """
    generator = random.Random(seed)

    def decide(asked: Asked) -> Fault | None:
        if identity not in (None, asked.identity) or path not in asked.path:
            return None
        drawn = generator.random()
        for fault, share in shares.items():
            if asked.suits(fault):
                if drawn < share:
                    return fault
                drawn -= share
        return None

    return decide


@dataclass(slots=True)
class Planned:
    """A fault for the next requests that fit: ``times`` of them, after the first ``after``."""

    fault: Fault
    method: str = ""
    path: str = ""
    identity: str = ""
    times: int = 1
    after: int = 0

    def fits(self, asked: Asked) -> bool:
        return (
            asked.suits(self.fault)
            and self.method in ("", asked.method)
            and self.path in asked.path
            and self.identity in ("", asked.identity)
        )


@dataclass(slots=True)
class Script:
    """The first planned fault that fits and is not used up befalls the request."""

    planned: list[Planned] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Fault | None:
        for plan in self.planned:
            if plan.times and plan.fits(asked):
                if plan.after:
                    plan.after -= 1
                    return None
                plan.times -= 1
                return plan.fault
        return None


def script(*planned: Planned) -> Script:
    """In this order."""
    return Script(list(planned))
