"""The dashboard's pages as text. Pure.

**Invariants**: templates escape all that they are given; no page has a style or a script of its own in it, so
that a strict Content-Security-Policy holds; every page can be read without a script.
"""

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from jinja2 import Environment

from controller.control.policy_views import PolicyFaultView, PolicyStanding
from controller.control.record_view import RecordView
from controller.control.views import EntryView, StatusView
from controller.dashboard.assets import address_of
from controller.dashboard.listing import Listing, Show
from controller.dashboard.words import offers
from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase
from controller.domain.wording import duration
from controller.report import tables
from controller.report.rendering import charts, environment, unmeasured
from controller.report.texts import gaps, measured, since_begin
from controller.report.views import ReportView

CONTENT_SECURITY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What every page is served with."""

_BAD = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.NOT_DEPLOYED, Phase.ABORTED})
_SHOWS = {
    Show.ALL: "all",
    Show.PERSON: "that need a person",
    Show.MOVING: "that are rolling",
    Show.INVALID: "with a policy that is not valid",
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, what they may say to what they look at, and the instant at which it is made."""

    name: str
    now: datetime
    may: Collection[CommandKind] = ()
    fresh_id: Callable[[], str] = lambda: str(uuid.uuid4())
    """Names each word that the viewer may say, so that one sent twice is one word."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What came of the viewer's last word."""

    text: str
    bad: bool = False


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """The file of the model's policy as it is now, if the viewer may see it, and what is wrong with it."""

    standing: PolicyStanding | None = None
    faults: Sequence[PolicyFaultView] = ()


def models_page(found: Listing, viewer: Viewer) -> str:
    """All models, what needs a person first."""
    return _rendered("models.html", viewer, found=found, shows=_SHOWS)


def rollout_page(
    record: RecordView,
    report: ReportView,
    log: Sequence[EntryView],
    viewer: Viewer,
    notice: Notice | None = None,
    file: PolicyFile = PolicyFile(),
) -> str:
    """One rollout as it stands; ``log`` are its last entries, newest first."""
    status, policy = record.status, record.policy
    return _rendered(
        "rollout.html",
        viewer,
        notice=notice,
        file=file.standing,
        faults=file.faults,
        status=status,
        why=record.why,
        report=report,
        offers=offers(status, viewer.may),
        charts=list(charts(report)),
        unmeasured=unmeasured(report),
        gaps=gaps(report),
        measured=measured,
        log=log,
        policy_facts=tables.policy_facts(policy) if policy else (),
        limits=tables.limits(policy) if policy else (),
        steps=tables.steps(policy) if policy else (),
        since=lambda at: since_begin(report, at),
    )


def sign_in_page(now: datetime, where: str, failure: str = "") -> str:
    """Asks for a token; ``where`` is the path to go on to."""
    return _rendered("sign_in.html", Viewer("", now), where=where, failure=failure)


def error_page(title: str, text: str, viewer: Viewer) -> str:
    """What went wrong, and the way back."""
    return _rendered("error.html", viewer, title=title, text=text)


def tone(status: StatusView) -> str:
    """How the phase is coloured: ``good``, ``bad``, ``waits``, or ``open``."""
    if status.phase is Phase.SUCCEEDED:
        return "good"
    if status.phase in _BAD:
        return "bad"
    return "waits" if status.waits_for_person else "open"


def _rendered(name: str, viewer: Viewer, **context: object) -> str:
    template = _environment().get_template(name)
    return template.render(viewer=viewer, ago=lambda at: _ago(viewer.now, at), **context)


def _ago(now: datetime, at: datetime) -> str:
    """``3m ago``, ``in 45s``."""
    passed = timedelta(seconds=round((now - at).total_seconds()))
    if not passed:
        return "now"
    return f"{duration(passed)} ago" if passed > timedelta(0) else f"in {duration(-passed)}"


@cache
def _environment() -> Environment:
    made = environment("controller.dashboard")
    made.globals |= {"asset": address_of, "tone": tone}
    return made
