"""Rollouts with all that the live view can show."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from controller.cli.live.feed import Found, Scene
from controller.cli.live.glyphs import UNICODE, Glyphs
from controller.cli.live.screen import Frame
from controller.cli.session import Session
from controller.cli.way import Line
from controller.control.record_view import record_view
from controller.control.views import StatusView, entry_view, status_view
from controller.domain.judge.base import CheckResult, Strength
from controller.domain.model import Clocks, Evidence, Rollout
from controller.domain.policy import Check, CheckKind, Step
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.fakes import EPOCH
from tests.unit.control.stage import an_entry, progressing

EMPTY = "no rollouts yet"
MINUTE = timedelta(minutes=1)
NOW = EPOCH + 28 * MINUTE
STEPS = tuple(
    Step(weight, 5 * MINUTE, 100, 40 * MINUTE, approval=weight == 250) for weight in (10, 50, 250, 500)
)
CHECKS = (
    Check("errors", CheckKind.RATIO, max=0.01, worse_by_points=0.005),
    Check("latency_p99", CheckKind.QUANTILE, max=0.5, quantile=0.99),
    Check("gpu", CheckKind.GAUGE, max=90, query="gpu", report_only=True),
)
RESULTS = (
    CheckResult(
        "errors", Verdict.PASS, Reason.NOTHING_AGAINST, 0.0021, 0.01, 0.0018, 1234, 23456, 0, 1,
        strength=Strength(1.2, 0.4, 3, 41, (-0.001, 0.004), 0.99, None, 412, 131.0),
    ),
    CheckResult(
        "latency_p99", Verdict.UNKNOWN, Reason.EVIDENCE_AGAINST, 0.412, 0.5, 0.398, 1234, 23456, 0, 1,
        strength=Strength(30, 0.4, 30, 41, (0.001, 0.014), 0.99, 0.256, None, None, 2, 1.7),
    ),
    CheckResult("gpu", Verdict.PASS, Reason.WITHIN_LIMIT, 71.0, 90, None, report_only=True),
)  # fmt: skip


def at_work(**changes: Any) -> Rollout:
    """At step 2 of 4, 2m20s of its 5m over."""
    base = progressing("v7")
    policy = replace(base.policy, steps=STEPS, checks=CHECKS, judge="sequential")
    evidence = Evidence(canary_requests=1234, verdict=Verdict.PASS, checks=RESULTS)
    clocks = Clocks(total=28 * MINUTE, at_weight=timedelta(seconds=140), since_step=3 * MINUTE)
    started = replace(base, policy=policy, step=1, evidence=evidence, clocks=clocks, updated_at=NOW, seq=9)
    return replace(started, message="nothing speaks against it; 2m40s more at 5%", **changes)


def scene(rollout: Rollout, now: datetime = NOW) -> Scene:
    entries = [
        replace(an_entry(replace(rollout, seq=number), event="step_advanced", notable=True), at=NOW)
        for number in range(1, 7)
    ]
    log = tuple(entry_view(rollout, entry) for entry in entries)
    return Scene(rollout.id, status_view(rollout, now), record_view(rollout, now), log)


def found(*rollouts: Rollout) -> Found:
    scenes = tuple(map(scene, rollouts))
    return Found(tuple(each.status for each in scenes), scenes)


def many(*statuses: StatusView) -> Found:
    return Found(statuses, None)


def fleet(resting: int, moving: int = 0) -> Found:
    """So many that rest, each a minute longer than the one before, and so many that move."""
    end = status_view(replace(at_work(), phase=Phase.SUCCEEDED, reason=Reason.PROMOTED), NOW)
    move = status_view(at_work(), NOW)
    rest = [_named(end, f"r{n}", updated_at=NOW - n * MINUTE) for n in range(resting)]
    return many(*rest, *(_named(move, f"m{n}") for n in range(moving)))


def _named(status: StatusView, model: str, **changes: Any) -> StatusView:
    return status.model_copy(update={"model": model, "rollout": f"{model}-1", **changes})


def drawn(
    what: Found,
    width: int = 80,
    height: int = 24,
    now: datetime = NOW,
    silent: float | None = None,
    glyphs: Glyphs = UNICODE,
) -> list[str]:
    """The lines of a frame."""
    title = "fraud" if what.scenes is not None else None
    frame = Frame(Session(Line()), title, EMPTY, what, now, silent, glyphs)
    return [line.plain for line in frame.lines(width, height)]
