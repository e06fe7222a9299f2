"""The report as one page that needs nothing else: no script, nothing fetched, its own style.

**Invariants**: the template escapes all that it is given, and what could change how a line reads (control
characters, changes of direction) is written out. The page is ASCII, so that no encoding spoils it.
"""

import base64
import hashlib
from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from controller.domain.vocabulary import Phase
from controller.report import tables
from controller.report.rendering import charts, environment, style, unmeasured
from controller.report.texts import (
    gaps,
    headline,
    last_says_more,
    measured,
    outcome,
    since_begin,
    undecided,
)
from controller.report.views import ReportView

_TONES = {Phase.SUCCEEDED: "good", Phase.ROLLED_BACK: "bad", Phase.NOT_DEPLOYED: "bad", Phase.ABORTED: "bad"}


def page(report: ReportView) -> str:
    """The whole document."""
    template = _environment().get_template("report.html")
    policy = report.policy
    text = template.render(
        report=report,
        headline=headline(report),
        outcome=outcome(report),
        tone=_TONES.get(report.phase, "open"),
        facts=tables.facts(report),
        gaps=gaps(report),
        show_last=last_says_more(report),
        undecided=undecided(report),
        charts=list(charts(report)),
        unmeasured=unmeasured(report),
        policy_facts=tables.policy_facts(policy) if policy else (),
        limits=tables.limits(policy) if policy else (),
        steps=tables.steps(policy) if policy else (),
        style=Markup(style()),  # noqa: S704 - our own file
        style_hash=_style_hash(),
        measured=measured,
        since=lambda at: since_begin(report, at),
    )
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def content_security() -> str:
    """The policy that the page carries, for a header: nothing but its own style."""
    return f"default-src 'none'; style-src 'sha256-{_style_hash()}'; base-uri 'none'; form-action 'none'"


def _style_hash() -> str:
    return base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()


@cache
def _environment() -> Environment:
    return environment()
