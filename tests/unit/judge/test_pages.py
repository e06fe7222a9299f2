"""The pages about judging say what the code does: words, options, tables and links."""

import re
from pathlib import Path

import pytest
import typer

from bench.judge.battery import PEERS, judges
from bench.judge.scenarios import PEEKS, RUNS, SCENARIOS
from bench.judge.tables import ORACLE_HEAD, PEEK_HEAD, RUN_HEAD, head, line
from controller.cli.backtest.injecting import parse_injection
from controller.cli.main import app
from controller.domain.judge.report import HOLD_AT, SUSPECT_AT
from controller.domain.policy import Check, CheckKind, JudgeRules
from controller.domain.reporting import in_words
from deploy.local.stack import REPOSITORY
from docs.generate_judges import BEGIN, END, PAGE, printed, with_output

DOCS = REPOSITORY / "docs"
DECIDES = DOCS / "explanation" / "how-the-judge-decides.md"
BACKTEST = DOCS / "how-to" / "backtest.md"
LOW_TRAFFIC = DOCS / "how-to" / "low-traffic.md"
OUTPUT = f"""\
.venv/bin/python -m bench.judge
2 cores, 8 GiB, x86_64, Python 3.11.2. Seed 1, 300 repetitions of each scenario.
Intervals are Wilson's.
{head("Rollouts", RUN_HEAD)}
{line(["good"] * len(RUN_HEAD))}
"""


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


# how the judge decides


def test_the_words_for_evidence_are_those_of_the_report() -> None:
    rows = re.findall(r"^\| (below|from) (\d+) \| (\w+) \|(.*)\|$", text(DECIDES), re.MULTILINE)
    assert [word for _, _, word, _ in rows] == ["none", "slight", "substantial", "strong", "decisive"]
    for where, number, word, _ in rows:
        edge = float(number)
        assert in_words(edge if where == "from" else edge * 0.999) == word
        assert in_words(edge * 0.999) != word or where == "below"
    does = {int(number): what for where, number, _, what in rows if where == "from"}
    assert "no longer rises" in does[round(HOLD_AT)]
    assert "lowered" in does[round(SUSPECT_AT)]
    assert "rolled back" in does[round(1 / (1 - JudgeRules().confidence))]


def test_the_page_calls_no_evidence_a_probability() -> None:
    assert "never as a probability" in text(DECIDES)


# backtest and low traffic


def test_the_page_of_the_backtest_has_every_option_and_no_other() -> None:
    command = typer.main.get_command(app).commands["backtest"]  # type: ignore[attr-defined]
    options = {
        max(option.opts, key=len)
        for option in command.params
        if isinstance(option.opts, list) and option.opts
    }
    known = {option for option in options if option.startswith("--")} - {"--help"}
    named = set(re.findall(r"(?<![\w-])--[a-z]+", text(BACKTEST)))
    assert named - known == set()
    assert known - named == {"--output"}
    assert "`-o FORMAT`" in text(BACKTEST)


def test_every_regression_of_the_page_can_be_injected() -> None:
    checks = [
        Check("errors", CheckKind.RATIO, max=0.01),
        Check("latency_p99", CheckKind.QUANTILE, max=1.0, quantile=0.99),
    ]
    named = re.findall(r"^\| `((?:errors|latency)=\S+)` \|", text(BACKTEST), re.MULTILINE)
    assert len(named) == 4
    for regression in named:
        parse_injection(regression, checks)


@pytest.mark.parametrize("page", [DECIDES, BACKTEST, LOW_TRAFFIC, PAGE])
def test_every_link_to_a_heading_finds_it(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text(page)):
        other = page.parent / target if target else page
        titles = re.findall(r"^#+ (.*)$", text(other), re.MULTILINE)
        anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
        assert anchor in anchors, f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize("page", [DECIDES, BACKTEST, LOW_TRAFFIC, PAGE])
def test_the_page_can_be_found(page: Path) -> None:
    assert f"({page.relative_to(DOCS)})" in text(DOCS / "README.md")


# judges compared


def test_the_tables_are_what_the_benchmark_prints() -> None:
    tables = printed(text(PAGE))
    assert re.search(r"Seed \d+, \d+ repetitions", tables.splitlines()[0])
    for columns in (PEEK_HEAD, RUN_HEAD, ORACLE_HEAD):
        assert line(columns) in tables
    rows = [cells(row) for row in tables.splitlines() if row.startswith("| ")]
    rows = [row for row in rows if row[0] not in ("scenario", "---")]
    assert {row[0] for row in rows} == set(SCENARIOS), (
        "run: make -s bench-judge | python -m docs.generate_judges"
    )
    assert {row[1] for row in rows} == {*judges(), *PEERS}


def test_the_goals_in_the_tables_are_those_that_are_asked_for() -> None:
    rows = [cells(row) for row in printed(text(PAGE)).splitlines() if row.startswith("| ")]
    peeks = {(row[0], row[5]) for row in rows if len(row) == len(PEEK_HEAD) and row[0] in SCENARIOS}
    runs = {row[0]: row[-1] for row in rows if len(row) == len(RUN_HEAD) and row[1] == judges()[0]}
    assert peeks >= {(one.name, one.goal) for one in PEEKS}
    assert all(runs[one.name] == one.goals for one in RUNS)


def test_the_page_explains_every_rule() -> None:
    for rule in (*judges(), *PEERS):
        assert f"| `{rule}` |" in text(PAGE)


def test_an_output_is_put_in_as_it_is_and_replaces_the_last() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    new = with_output(page, OUTPUT)
    assert printed(new) == OUTPUT.partition("\n")[2].strip()
    assert (new.startswith("before\n"), new.endswith("\nafter\n"), "old" in new) == (True, True, False)
    assert with_output(new, OUTPUT) == new


@pytest.mark.parametrize(
    "output", ["", "make: *** No rule", "1 core. Seed 1, 2 repetitions of each scenario.\n"]
)
def test_what_is_no_output_is_not_put_in(output: str) -> None:
    with pytest.raises(ValueError, match="not what make bench-judge prints"):
        with_output(f"{BEGIN}\n{END}\n", output)


@pytest.mark.parametrize("page", ["", BEGIN, f"{BEGIN}{END}{BEGIN}", f"{END}{BEGIN}"])
def test_a_page_without_its_marks_is_not_written(page: str) -> None:
    with pytest.raises(ValueError, match="marks"):
        with_output(page, OUTPUT)
