"""The tables: the same results give the same text."""

import pytest

from bench.judge.__main__ import main
from bench.judge.peeking import Peeks
from bench.judge.rules import Ended, Outcome
from bench.judge.scenarios import PEEKS, RUNS
from bench.judge.tables import head, interval, line, oracle_rows, peek_rows, run_rows, spread


def _outcome(seconds: float, how: Ended = Ended.ROLLED_BACK, oracle: int | None = None) -> Outcome:
    return Outcome(how, "", seconds, requests=100, bad=int(seconds / 10), counted=75, oracle_requests=oracle)


def test_wilsons_interval() -> None:
    assert interval(0, 300) == pytest.approx((0.0, 0.01264), abs=1e-4)
    assert interval(30, 300) == pytest.approx((0.0709, 0.1391), abs=1e-3)


def test_false_alarms_are_counted_for_each_judge() -> None:
    results = [{"new": Peeks(None), "old": Peeks(3, "errors")}, {"new": Peeks(None), "old": Peeks(None)}]
    new, old = peek_rows(PEEKS[0], results)
    assert new[2:4] == ("2", "0.0 %")
    assert (old[3], old[-1]) == ("50.0 %", "errors")


def test_runs_are_summed_up_for_each_rule_and_ours_has_the_goal() -> None:
    results = [{"ours": _outcome(s), "theirs": _outcome(s, Ended.UNDECIDED)} for s in range(0, 1000, 10)]
    ours, theirs = run_rows(RUNS[0], results, "ours")
    assert ours[2:7] == ("100.0 %", "0.0 %", "0.0 %", "500 / 950", "50 / 95")
    assert theirs[4] == "100.0 %"
    assert (ours[-1], theirs[-1]) == (RUNS[0].goals, "")


def test_the_oracle_stands_beside_those_who_asked_it() -> None:
    rows = oracle_rows(RUNS[0], [{"ours": _outcome(10, oracle=50), "theirs": _outcome(10)}])
    assert rows == [(RUNS[0].name, "ours", "100", "75", "50", "2.00", "1.50", "<= 2.5")]


def test_a_table_is_markdown() -> None:
    assert head("It", ("a", "b")) == "\n## It\n\n| a | b |\n| --- | --- |"
    assert line(("1", "2")) == "| 1 | 2 |"
    assert spread([1.0, 2000.0, 3.0]) == "3 / 2,000"


def test_the_command_prints_the_same_text_twice(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--repetitions", "1", "--processes", "1", "--seed", "5", "--only", "total failure 1/s"]
    printed = []
    for _ in range(2):
        assert main(options) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "Seed 5, 1 repetitions" in printed[0]
    assert "| total failure 1/s | flagger |" in printed[0]


def test_the_command_knows_no_scenario_of_that_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
