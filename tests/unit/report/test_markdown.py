"""Markdown: what stands in it reads as itself, in a terminal and rendered."""

import pytest

from controller.report.markdown import inline, markdown, plain
from tests.unit.report.scenes import HOSTILE, Log, promoted, rolled_back
from tests.unit.report.test_page import hostile


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("latency_p99 14.3% (v2-rc.1)", "latency_p99 14.3% (v2-rc.1)"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("a | b", "a \\| b"),
        ("[x](javascript:1)", "\\[x\\](javascript:1)"),
        ("http://x.test www.x.test", "http&#58;//x.test www&#46;x.test"),
        ("_x_ *y* `z` ~~q~~", "\\_x\\_ \\*y\\* \\`z\\` \\~\\~q\\~\\~"),
        ("# x", "\\# x"),
        ("- x", "\\- x"),
        ("1. x", "1\\. x"),
        ("1.5x", "1.5x"),
        ("+7.7s", "+7.7s"),
        ("a\nb\x1b[31m\u202e", "a\\\\nb\\\\x1b\\[31m\\\\u202e"),
    ],
)
def test_marks_are_written_out(text: str, written: str) -> None:
    assert plain(text) == written


def test_in_a_table_no_list_begins() -> None:
    assert inline("- 1. #") == "- 1. #"


def test_a_report_has_all_its_parts() -> None:
    text = markdown(rolled_back().report())
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == [
        "# v2 of fraud: rolled back",
        "## Decision",
        "## Weight over time",
        "## errors over time",
        "## Timeline",
        "## Policy",
        "## Actors",
    ]
    assert "| errors | FAIL | 2% | 0.1% | 1% | 1,234 |" in text
    assert "  - evidence that the canary is worse: decisive, 243 to 1" in text
    assert "- +6s **rollback started (decision)** at 0%, RollingBack, CheckFailed, by serinus: errors" in text
    assert f"- SHA-256: {'ab' * 32}" in text


def test_evidence_that_came_after_the_decision_is_told_apart() -> None:
    text = markdown(promoted().report())
    assert "## Evidence at the end" in text
    log = Log()
    log.add("created")
    text = markdown(log.report())
    assert "## Evidence now" in text
    assert "**This rollout is not over**" in text


def test_tables_keep_their_columns_whatever_stands_in_them() -> None:
    for line in markdown(hostile().report()).splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (3, 4, 5, 7), line


def test_nothing_in_it_acts_on_a_terminal() -> None:
    text = markdown(hostile().report())
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "<script" not in text
    assert HOSTILE not in text
