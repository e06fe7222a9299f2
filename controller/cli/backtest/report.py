"""The answer of a backtest, for programs and for people."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from controller.control.check_views import View
from controller.control.views import Document
from controller.domain.backtest.past import Past
from controller.domain.backtest.replay import End
from controller.domain.backtest.summary import Middle, Scenario
from controller.domain.policy import Policy
from controller.domain.wording import duration, printable


class MiddleView(View):
    """The median and the 95th percentile."""

    median: float
    p95: float


class ScenarioView(View):
    """What became of the rollouts of one canary; ``regression`` is null for one as good as stable."""

    regression: str | None
    rollouts: int
    promoted: int
    rolled_back: int
    undecided: int
    rolled_back_ratio_interval: tuple[float, float]
    reasons: dict[str, int]
    seconds_to_promote: MiddleView | None
    seconds_to_detect: MiddleView | None
    bad_requests: MiddleView | None


class BacktestReport(Document):
    """A policy on the past of one version."""

    model: str
    version: str
    policy_digest: str
    judge: str
    since: datetime
    until: datetime
    requests: int
    requests_per_second: float
    seed: int
    not_replayed: tuple[str, ...]
    scenarios: tuple[ScenarioView, ...]


def report_of(policy: Policy, past: Past, seed: int, scenarios: Sequence[Scenario]) -> BacktestReport:
    """The past is not empty."""
    assert past.begin is not None
    assert past.end is not None
    return BacktestReport(
        model=policy.model,
        version=past.version,
        policy_digest=policy.digest,
        judge=policy.judge,
        since=past.begin,
        until=past.end,
        requests=past.requests,
        requests_per_second=past.requests / (past.end - past.begin).total_seconds(),
        seed=seed,
        not_replayed=tuple(check.name for check in policy.checks if not check.replayed),
        scenarios=tuple(_scenario(each) for each in scenarios),
    )


def _scenario(found: Scenario) -> ScenarioView:
    return ScenarioView(
        regression=found.regression,
        rollouts=found.runs,
        promoted=found.ends[End.PROMOTED],
        rolled_back=found.ends[End.ROLLED_BACK],
        undecided=found.ends[End.UNDECIDED],
        rolled_back_ratio_interval=found.share(End.ROLLED_BACK),
        reasons={str(reason): count for reason, count in found.reasons.items()},
        seconds_to_promote=_middle(found.seconds_to_promote),
        seconds_to_detect=_middle(found.seconds_to_detect),
        bad_requests=_middle(found.bad_requests),
    )


def _middle(found: Middle | None) -> MiddleView | None:
    return MiddleView(median=found.median, p95=found.p95) if found else None


def table(report: BacktestReport, *, wide: bool) -> RenderableType:
    """One line for each canary, and what it was tried on."""
    columns = ["CANARY", "ROLLOUTS", "PROMOTED", "ROLLED BACK", "UNDECIDED"]
    columns += ["TIME TO PROMOTE", "TIME TO ROLL BACK", "BAD REQUESTS", *(["REASONS"] if wide else [])]
    lines = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        lines.add_column(column, overflow="fold")
    for each in report.scenarios:
        low, high = each.rolled_back_ratio_interval
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(each.reasons.items()))
        row = [
            each.regression or "as good as stable",
            str(each.rollouts),
            str(each.promoted),
            f"{each.rolled_back} ({low:.1%} to {high:.1%})",
            str(each.undecided),
            _times(each.seconds_to_promote),
            _times(each.seconds_to_detect),
            _counts(each.bad_requests),
        ]
        lines.add_row(*(Text(printable(cell)) for cell in [*row, *([reasons] if wide else [])]))
    return Group(*(Text(printable(line)) for line in _head(report)), Text(""), lines)


def _head(report: BacktestReport) -> list[str]:
    span = duration(report.until - report.since)
    rate = f"{report.requests:,} requests in {span}, {report.requests_per_second:.3g} a second"
    head = [f"{report.model} {report.version}: {rate}; judge: {report.judge}, seed {report.seed}"]
    head.append("times and bad requests are the median / the 95th percentile of the rollouts that ended so")
    if report.not_replayed:
        head.append(f"not replayed, because the past does not tell them: {', '.join(report.not_replayed)}")
    return head


def _times(middle: MiddleView | None) -> str:
    if middle is None:
        return "-"
    return " / ".join(duration(timedelta(seconds=round(each))) for each in (middle.median, middle.p95))


def _counts(middle: MiddleView | None) -> str:
    return "-" if middle is None else f"{middle.median:,.0f} / {middle.p95:,.0f}"
