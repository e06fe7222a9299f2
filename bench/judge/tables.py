"""Results as Markdown tables. The same results give the same text."""

from collections.abc import Iterable, Sequence
from math import sqrt
from statistics import fmean

from bench.judge.peeking import Peeks
from bench.judge.rules import Ended, Outcome
from bench.judge.scenarios import PeekScenario, RunScenario
from bench.machine import quantile

PEEK_HEAD = ("scenario", "judge", "runs", "false alarms", "95 % interval", "goal", "blamed")
RUN_HEAD = (
    "scenario",
    "rule",
    "rolled back",
    "promoted",
    "undecided",
    "seconds to the end",
    "bad requests",
    "canary requests",
    "goal",
)
ORACLE_HEAD = (
    "scenario",
    "judge",
    "requests served",
    "requests counted",
    "requests of the oracle",
    "served / oracle",
    "counted / oracle",
    "goal",
)
EACH_HEAD = ("scenario", "repetition", "rule", "end", "seconds", "bad requests", "canary requests", "why")
_Z = 1.959964


def peek_rows(scenario: PeekScenario, results: Sequence[dict[str, Peeks]]) -> list[Sequence[str]]:
    """One row for each judge."""
    rows: list[Sequence[str]] = []
    for name in results[0]:
        failed = [one[name] for one in results if one[name].failed_at is not None]
        low, high = interval(len(failed), len(results))
        blamed = ", ".join(sorted({one.blamed for one in failed if one.blamed}))
        share = percent(len(failed) / len(results))
        likely = f"{percent(low)} to {percent(high)}"
        rows.append((scenario.name, name, str(len(results)), share, likely, scenario.goal, blamed))
    return rows


def run_rows(scenario: RunScenario, results: Sequence[dict[str, Outcome]], ours: str) -> list[Sequence[str]]:
    """One row for each rule: medians and 95th percentiles over all repetitions, however they ended."""
    rows: list[Sequence[str]] = []
    for name in results[0]:
        runs = [one[name] for one in results]
        rows.append(
            (
                scenario.name,
                name,
                *(_share(runs, how) for how in (Ended.ROLLED_BACK, Ended.PROMOTED, Ended.UNDECIDED)),
                spread(run.seconds for run in runs),
                spread(run.bad for run in runs),
                spread(run.requests for run in runs),
                scenario.goals if name == ours else "",
            )
        )
    return rows


def oracle_rows(scenario: RunScenario, results: Sequence[dict[str, Outcome]]) -> list[Sequence[str]]:
    """One row for each judge: the mean requests to its end, and the oracle's on its scrapes.

    Served are all that were sent to the canary before the end, counted are those that the judge knew of
    when it decided; the oracle decides at a scrape, and its count is what that scrape shows.
    """
    rows: list[Sequence[str]] = []
    for name in results[0]:
        runs = [one[name] for one in results if one[name].oracle_requests is not None]
        if runs:
            served, counted = (fmean(run.requests for run in runs), fmean(run.counted for run in runs))
            oracle = fmean(run.oracle_requests or 0 for run in runs)
            means = (f"{mean:,.0f}" for mean in (served, counted, oracle))
            ratios = (f"{mean / oracle:.2f}" for mean in (served, counted))
            rows.append((scenario.name, name, *means, *ratios, "<= 2.5"))
    return rows


def each_rows(scenario: RunScenario, results: Sequence[dict[str, Outcome]]) -> list[Sequence[str]]:
    """One row for each run."""
    return [
        (
            scenario.name,
            str(number),
            name,
            run.how.value,
            f"{run.seconds:.0f}",
            str(run.bad),
            str(run.requests),
            run.why.replace("|", "/"),
        )
        for number, one in enumerate(results)
        for name, run in one.items()
    ]


def head(title: str, columns: Sequence[str]) -> str:
    """The beginning of a Markdown table under a title of its own."""
    return "\n".join(("", f"## {title}", "", line(columns), line(["---"] * len(columns))))


def line(cells: Iterable[str]) -> str:
    """One row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def spread(values: Iterable[float]) -> str:
    """Median and 95th percentile."""
    found = list(values)
    return f"{quantile(found, 0.5):,.0f} / {quantile(found, 0.95):,.0f}"


def percent(share: float) -> str:
    """A share for people."""
    return f"{100 * share:.1f} %"


def interval(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share.

    **Source**: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    share, square = hits / of, _Z * _Z / of
    middle, half = share + square / 2, _Z * sqrt(share * (1 - share) / of + square / of / 4)
    return max((middle - half) / (1 + square), 0.0), min((middle + half) / (1 + square), 1.0)


def _share(runs: Sequence[Outcome], how: Ended) -> str:
    return percent(sum(run.how is how for run in runs) / len(runs))
