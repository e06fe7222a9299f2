"""What one check found, and the report of all. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from controller.control.check_views import View
from controller.control.views import Document

_WORTH_MENDING = timedelta(seconds=5)
"""Half of it is the coarseness of an HTTP date and the way of an answer."""


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """It works, and may do harm one day."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be made from here, or by this person; ``message`` says why."""


class Finding(View):
    """What a check found of its subject; ``fix`` is what to do about it, empty when all is well."""

    check: str
    subject: str
    outcome: Outcome
    message: str
    fix: str = ""


class Report(Document):
    """All findings, in the order in which things depend on each other."""

    items: tuple[Finding, ...]

    @property
    def failures(self) -> list[Finding]:
        """What has to be mended."""
        return [item for item in self.items if item.outcome is Outcome.FAILED]


def ok(check: str, subject: str, message: str) -> Finding:
    """All is well."""
    return Finding(check=check, subject=subject, outcome=Outcome.OK, message=message)


def failed(check: str, subject: str, message: str, fix: str) -> Finding:
    """It has to be mended."""
    return Finding(check=check, subject=subject, outcome=Outcome.FAILED, message=message, fix=fix)


def warned(check: str, subject: str, message: str, fix: str) -> Finding:
    """It works, and ``fix`` is what would make it better."""
    return Finding(check=check, subject=subject, outcome=Outcome.WARNING, message=message, fix=fix)


def skipped(check: str, subject: str, message: str, fix: str = "") -> Finding:
    """It was not checked; ``fix`` is how it could be."""
    return Finding(check=check, subject=subject, outcome=Outcome.SKIPPED, message=message, fix=fix)


def clock(whose: str, theirs: datetime, asked: datetime, answered: datetime) -> Finding:
    """A clock against this machine's, which was read before and after the question."""
    ours = asked + (answered - asked) / 2
    offset = theirs - ours
    if abs(offset) <= _WORTH_MENDING + (answered - asked) / 2:
        return ok("clock", whose, f"within {_WORTH_MENDING.total_seconds():g} s of this machine's")
    direction = "ahead of" if offset > timedelta(0) else "behind"
    return failed(
        "clock",
        whose,
        f"{abs(offset).total_seconds():.0f} s {direction} this machine's",
        "check the time synchronisation (NTP) of both machines: timedatectl status",
    )


def some(names: Sequence[str], most: int = 6) -> str:
    """The names, or the first of them and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
