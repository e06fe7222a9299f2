"""Findings, and clocks compared through a slow line."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.cli.doctor.findings import Outcome, Report, clock, failed, ok, skipped, some
from controller.cli.doctor.table import report
from controller.cli.output import rendered

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@pytest.mark.parametrize(
    ("offset", "outcome"),
    [(0, Outcome.OK), (4.9, Outcome.OK), (-4.9, Outcome.OK), (6, Outcome.FAILED), (-6, Outcome.FAILED)],
)
def test_a_clock_may_be_a_few_seconds_off(offset: float, outcome: Outcome) -> None:
    found = clock("theirs", NOW + seconds(offset), NOW, NOW)
    assert found.outcome is outcome
    assert (outcome is Outcome.OK) == (found.fix == "")
    if offset > 5:
        assert found.message == "6 s ahead of this machine's"
    if offset < -5:
        assert found.message == "6 s behind this machine's"


def test_a_slow_answer_is_no_wrong_clock() -> None:
    assert clock("theirs", NOW + seconds(9), NOW, NOW + seconds(10)).outcome is Outcome.OK
    assert clock("theirs", NOW + seconds(16), NOW, NOW + seconds(10)).outcome is Outcome.FAILED


def test_only_what_failed_makes_a_report_bad() -> None:
    fine = (ok("a", "x", "fine"), skipped("b", "x", "not seen", "look"))
    assert Report(items=fine).failures == []
    assert [each.check for each in Report(items=(*fine, failed("c", "x", "bad", "mend"))).failures] == ["c"]


def test_the_table_ends_with_what_to_do_in_the_callers_words() -> None:
    items = (
        ok("a", "x", "fine"),
        skipped("b", "x", "not seen\x1b[31m", "serinus doctor --as y"),
        failed("c", "x", "bad", "serinus get"),
    )
    text = rendered(
        report(Report(items=items), lambda fix: fix.replace("serinus", "kubectl serinus")), fancy=False
    )
    head, *rows = text.splitlines()
    assert head.split() == ["CHECK", "SUBJECT", "RESULT", "FOUND"]
    assert [row.split()[2] for row in rows[:3]] == ["ok", "skipped", "failed"]
    assert [row.rpartition("x  ")[2].strip() for row in rows[-2:]] == [
        "kubectl serinus doctor --as y",
        "kubectl serinus get",
    ]
    assert "\x1b" not in text
    assert "TO MEND" not in rendered(report(Report(items=items[:1]), str), fancy=False)


def test_long_lists_are_cut() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some([str(number) for number in range(9)], 2) == "0, 1 and 7 more"
