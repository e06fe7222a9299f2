"""Records and logs of rollouts as the control socket tells of them, for the tests of reports."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.control.record_view import RecordView, record_view
from controller.control.views import EntryView, entry_view
from controller.domain.judge.base import CheckResult, Strength
from controller.domain.model import Evidence, Rollout
from controller.domain.policy import Check, CheckKind
from controller.domain.release import Release
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.report.gathering import Gatherer
from controller.report.views import ReportView
from tests.fakes import EPOCH, a_policy
from tests.unit.control.stage import a_result, an_entry, ended, progressing

SECOND = timedelta(seconds=1)
MADE_BY = "serinus 0"
HOSTILE = (
    "</svg><script>alert('1')</script> \"&amp; \u202eevil \x1b[31m \x00 {{ 7 * 7 }} [x](javascript:1) | `c`"
)


def weighed(value: float = 0.02, verdict: Verdict = Verdict.FAIL) -> CheckResult:
    """A check with counts that were weighed."""
    strength = Strength(
        against=243.0, favour=0.1, bad=12, stable_bad=0, difference=(0.046, 0.31), confidence=0.95
    )
    return replace(a_result(verdict, value), strength=strength)


class Log:
    """A rollout that is written down entry by entry, a second apart."""

    def __init__(self, rollout: Rollout | None = None) -> None:
        self.rollout = replace(rollout or progressing(), seq=0, created_at=EPOCH)
        self.entries: list[EntryView] = []

    def add(
        self, event: str = "observed", *, actor: str = "serinus", after: timedelta = SECOND, **changes: Any
    ) -> None:
        """One more entry; ``changes`` are fields of the rollout."""
        checks: Sequence[CheckResult] | None = changes.pop("checks", None)
        weight: int | None = changes.pop("permille", None)
        if checks is not None:
            changes["evidence"] = Evidence(
                checks=tuple(checks), verdict=checks[0].verdict if checks else Verdict.UNKNOWN
            )
        at = (self.rollout.updated_at or EPOCH) + after
        self.rollout = replace(self.rollout, seq=self.rollout.seq + 1, updated_at=at, **changes)
        entry = an_entry(self.rollout, event=event, notable=event != "observed")
        entry = replace(entry, actor=actor)
        if weight is not None:
            entry = replace(entry, weight_permille=weight)
        self.entries.append(entry_view(self.rollout, entry))

    @property
    def record(self) -> RecordView:
        return record_view(self.rollout, self.rollout.updated_at or EPOCH)

    def report(self) -> ReportView:
        gatherer = Gatherer(self.record)
        gatherer.add(self.entries)
        return gatherer.report(EPOCH + timedelta(hours=1), MADE_BY)


def rolled_back(message: str = "errors 2% is above its limit 1%") -> Log:
    """Begun by a person, measured four times, rolled back."""
    log = Log(progressing())
    before: dict[str, Any] = {
        "phase": Phase.PREPARING,
        "reason": Reason.WAITING_FOR_READY,
        "permille": 0,
        "checks": (),
    }
    log.add("created", actor="ann(1000)", after=timedelta(0), **{**before, "phase": Phase.PENDING})
    log.add("rollout_started", **before)
    log.add("canary_validated", phase=Phase.PROGRESSING, reason=Reason.STEP_RUNNING, permille=50)
    for value in (0.001, 0.004, 0.012):
        log.add(checks=[a_result(Verdict.PASS, value)], permille=50)
    gone = ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED)
    end: dict[str, Any] = {
        "reason": Reason.CHECK_FAILED,
        "message": message,
        "checks": [weighed()],
        "permille": 0,
    }
    log.add("rollback_started", phase=Phase.ROLLING_BACK, route=gone.route, **end)
    log.add("rollback_finished", phase=Phase.ROLLED_BACK, **end)
    return log


def promoted() -> Log:
    """Two steps, a promotion, a bake."""
    log = Log(progressing())
    log.add("created", actor="ann(1000)", after=timedelta(0), phase=Phase.PENDING, permille=0, checks=())
    for place, permille in enumerate((50, 250)):
        log.add("step_advanced", phase=Phase.PROGRESSING, step=place, permille=permille)
        log.add(checks=[a_result(Verdict.PASS, 0.002)], permille=permille)
    log.add("promotion_started", phase=Phase.PROMOTING, reason=Reason.PROMOTION_RUNNING, permille=1000)
    log.add("bake_started", phase=Phase.BAKING, reason=Reason.BAKE_RUNNING, permille=1000)
    log.add(checks=[replace(a_result(Verdict.PASS, 0.003), stable_value=None)], permille=1000)
    log.add(
        "rollout_succeeded",
        phase=Phase.SUCCEEDED,
        reason=Reason.PROMOTED,
        message="v2 serves everyone",
        permille=1000,
    )
    return log


def hostile() -> Log:
    """Every text that can come from outside."""
    policy = a_policy(
        model=HOSTILE,
        checks=(Check(HOSTILE, CheckKind.RATIO, max=0.01), Check("x" * 5000, CheckKind.GAUGE, max=1)),
        metrics=HOSTILE,
        digest=HOSTILE,
    )
    release = Release(HOSTILE, ())
    shape = replace(
        progressing(), policy=policy, release=release, stable=release, model=HOSTILE, id=HOSTILE,
        created_by=HOSTILE, message=HOSTILE, retry_of=HOSTILE,
    )  # fmt: skip
    log = Log(shape)
    log.add("created", actor=HOSTILE)
    log.add("rollback_started", actor=HOSTILE, checks=[replace(weighed(), name=HOSTILE)])
    log.entries = [
        entry.model_copy(update={"event": HOSTILE}) if n else entry for n, entry in enumerate(log.entries)
    ]
    return log


def endless(count: int) -> Iterator[EntryView]:
    """The entries of a rollout that is looked at ``count`` times, each made when it is asked for."""
    log = Log(progressing())
    for number in range(count):
        value = 0.5 if number == count // 3 else (number % 7) / 1000
        event = "step_advanced" if number % 40 == 0 else "observed"
        log.add(event, checks=[a_result(Verdict.PASS, value)], permille=10 + number // 40 % 40)
        yield log.entries.pop()
