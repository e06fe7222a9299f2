"""What a policy says about other models, and about the hours of the week."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Times that come again: from each instant of a cron ``schedule`` in a time zone on, for ``duration``.

    ``name`` is what people call it; it may be empty.
    """

    schedule: str
    duration: timedelta
    time_zone: str = "UTC"
    name: str = ""


@dataclass(frozen=True, slots=True)
class FleetRules:
    """What a rollout has to do with those of other models, and with the hours of the week.

    It starts after the rollouts of the models ``after`` it, and is promoted together with its ``group`` or
    not at all. Of those that wait for a place the higher ``priority`` goes first. ``gpus`` is what its canary
    takes of the operator's budget. Nothing starts or steps up outside ``windows``, if there are any, nor in
    ``freezes``.
    """

    after: tuple[str, ...] = ()
    group: str = ""
    priority: int = 0
    gpus: int = 0
    windows: tuple[Recurrence, ...] = ()
    freezes: tuple[Recurrence, ...] = ()
