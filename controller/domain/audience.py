"""Who gets the canary when it is not everybody by chance: testers first, and users who keep what they got.

What a policy asks for is `AudienceRules`; what a gateway runs is an `Audience`, a part of the `Split`, so
that a write and drift are about it as they are about the weight. Pure values, standard library only.
"""

from dataclasses import dataclass
from enum import StrEnum


class Carrier(StrEnum):
    """The part of a request that says who sends it."""

    HEADER = "header"
    COOKIE = "cookie"


@dataclass(frozen=True, slots=True)
class Key:
    """A header or a cookie, by name."""

    carrier: Carrier
    name: str


@dataclass(frozen=True, slots=True)
class Match:
    """Requests whose header or cookie has exactly the value."""

    key: Key
    value: str


class Digits(StrEnum):
    """What the last three characters of every user's value are, each as often as any other."""

    DECIMAL = "decimal"
    HEX = "hex"


@dataclass(frozen=True, slots=True)
class Sticky:
    """Users who keep their version while the weight grows. ``digits`` is for gateways that cannot hash."""

    key: Key
    digits: Digits | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """What a gateway does besides dividing requests by chance.

    ``testers`` get the canary whatever its weight. ``edited`` says that somebody changed what Serinus wrote
    for it: no rollout ever asks for that, so it is drift.
    """

    testers: tuple[Match, ...] = ()
    sticky: Sticky | None = None
    edited: bool = False


EVERYBODY = Audience()
"""Everybody alike, by chance."""


@dataclass(frozen=True, slots=True)
class AudienceRules:
    """What a policy says. ``requests_per_user`` is how many of one user's requests count as one witness.

    ``mixed`` says that the metrics cannot tell the testers' requests from other requests to the canary.
    """

    testers: tuple[Match, ...] = ()
    sticky: Sticky | None = None
    requests_per_user: int = 1
    mixed: bool = False
