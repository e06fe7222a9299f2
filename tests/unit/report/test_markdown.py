"""Markdown: what stands in it reads as itself, in a terminal and rendered."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.domain.flaws import Flaw
from controller.domain.policy import ApprovalRules, GateRules, Milestone
from controller.domain.vocabulary import Phase
from controller.report.markdown import inline, markdown, plain
from controller.report.page import page
from tests.fakes import a_policy
from tests.unit.control.stage import progressing
from tests.unit.report.scenes import HOSTILE, Log, hostile, promoted, rolled_back


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


def test_what_there_was_not_is_said_in_words() -> None:
    log = Log()
    log.add("created", checks=())
    log.add("not_deployed", phase=Phase.NOT_DEPLOYED)
    for text in (markdown(log.report()), page(log.report())):
        assert "No check had been measured then." in text
        assert "Nothing was measured of" in text
    lost = rolled_back()
    lost.entries = [entry for entry in lost.entries if entry.event != "rollback_started"]
    for text in (markdown(lost.report()), page(lost.report())):
        assert "The log holds the moment of decision no longer." in text


def test_what_was_wrong_with_the_measurements_is_listed() -> None:
    log = rolled_back()
    evidence = replace(log.rollout.evidence, warnings=(Flaw("counter resets", 3),))
    log.rollout = replace(log.rollout, evidence=evidence)
    assert "\n- counter resets: 3\n" in markdown(log.report())
    assert "<li>counter resets: 3</li>" in page(log.report())


def test_whose_word_the_policy_asks_for_is_told() -> None:
    policy = a_policy(
        approval=ApprovalRules(before=(Milestone.PROMOTION,), people=2, within=timedelta(hours=1))
    )
    policy = replace(policy, steps=(replace(policy.steps[0], approval=True), policy.steps[1]))
    log = Log(replace(progressing(), policy=policy))
    log.add("created", phase=Phase.PENDING)
    log.add("approval_asked")
    log.add("approval_given", actor="eve(7)")
    said = "2 people before the promotion, the step of 5%, within 1h, then hold; after a no: rollback"
    for text in (markdown(log.report()), page(log.report())):
        assert said in text
        assert "eve(7): 1 log entry (approval given)" in text
    assert "Approval" not in markdown(rolled_back().report())


def test_the_gates_of_the_policy_are_told() -> None:
    gates = (GateRules("desk", before=(Milestone.START,)),)
    policy = a_policy(gates=gates)
    policy = replace(policy, steps=(replace(policy.steps[0], gate="desk"), policy.steps[1]))
    log = Log(replace(progressing(), policy=policy))
    log.add("created", phase=Phase.PENDING)
    said = "before the start, the step of 5%; after a no: rollback; without a word: hold"
    for text in (markdown(log.report()), page(log.report())):
        assert "Gate desk" in text
        assert said in text


def test_tables_keep_their_columns_whatever_stands_in_them() -> None:
    for line in markdown(hostile().report()).splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (3, 4, 5, 7), line


def test_nothing_in_it_acts_on_a_terminal() -> None:
    text = markdown(hostile().report())
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "<script" not in text
    assert HOSTILE not in text
