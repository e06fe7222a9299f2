"""One model's rollouts as a tree: what a person must see, at any size, in any letters."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from controller.cli.live.glyphs import ASCII
from controller.domain.approval import Asking, Goal
from controller.domain.model import Evidence, Rollout, Route
from controller.domain.policy import GateRules, Milestone
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.fakes import a_release
from tests.unit.cli.live.scenes import MINUTE, NOW, RESULTS, at_work, drawn, found

HOSTILE = "\x1b[31m\x9b]0;owned\x07 \r\n\u202e 漢字" * 9


def test_a_rollout_at_work_on_a_usual_terminal() -> None:
    text = "\n".join(line.rstrip() for line in drawn(found(at_work())))
    assert text == (
        """\
fraud                                                               00:28:00 UTC
└─ ▶ fraud-1  Progressing  PASS  step 2 of 4  28m
   ├─ ★ stable  v1     95%  ███████████████████░
   ├─ ◆ canary  v7      5%  █░░░░░░░░░░░░░░░░░░░
   ├─ steps     ✔ 1%  ▶ 5%  ○ 25%  ○ 50%  ○ all
   ├─ checks                 CANARY  LIMIT  STABLE  REQUESTS
   │  ├─ ✔ errors             0.21%     1%   0.18%     1,234  PASS
   │  │     evidence against it: none, 1.2 to 1; 412 more requests (2m11s) to
   │  │     show it is good
   │  ├─ ? latency_p99        412ms  500ms   398ms     1,234  UNKNOWN
   │  │     evidence against it: strong, 30 to 1
   │  └─ ✔ gpu (shown only)      71     90       -         -  PASS
   ├─ why       StepRunning: nothing speaks against it; 2m40s more at 5%
   ├─ next      in 2m40s: step 3 of 4: 25%, if every check passes, and people
   │            approve
   ├─ deadline  in 37m: people are told; the weight holds
   └─ log
"""
        + "\n".join(
            f"      {guide}─ 00:28:00  step_advanced 5% nothing speaks against it; 2m40s more at 5%"
            for guide in "├├├└"
        )
    )


def test_the_countdown_goes_on_between_two_answers() -> None:
    answer = found(at_work())
    for later, left in ((0, "in 2m40s"), (1, "in 2m39s"), (160, "now"), (400, "now")):
        text = "\n".join(drawn(answer, now=NOW + timedelta(seconds=later)))
        assert f"next      {left}: step 3 of 4" in text


def test_a_large_terminal_shows_each_step_and_all_of_the_evidence() -> None:
    text = "\n".join(drawn(found(at_work()), 120, 50))
    assert "○ 25%  for 5m, 100 requests, asks people first" in text
    assert "difference between -0.1 and +0.4 percentage points (99% sure at all times)" in text
    assert "counts divided by 1.7" in text


def test_a_small_one_shows_first_what_matters_most_and_says_how_much_is_missing() -> None:
    lines = drawn(found(at_work()), 40, 7)
    assert [line.split()[1] for line in lines[3:6]] == ["why", "next", "deadline"]
    assert lines[-1] == "… 5 more lines"
    assert drawn(found(at_work()), 40, 1)[0].startswith("fraud")


def test_letters_that_the_terminal_lacks_have_stand_ins() -> None:
    lines = drawn(found(at_work()), glyphs=ASCII)
    assert "\n".join(lines).isascii()
    assert "   |- steps     + 1%  > 5%  o 25%  o 50%  o all" in lines
    assert "   |- @ canary  v7      5%  #..................." in lines


def test_who_is_waited_for_and_what_they_can_do() -> None:
    goal = Goal(Milestone.STEP, 2)
    asks = Asking(goal, NOW, 2, gates=("desk",))
    rollout = at_work(asking=asks, reason=Reason.WAITING_FOR_APPROVAL)
    policy = replace(rollout.policy, gates=(GateRules("desk"),))
    text = "\n".join(drawn(found(replace(rollout, policy=policy)), 120, 40))
    assert "‖ fraud-1" in text
    assert "asks      step 3 (25%): 0 of 2; 2 missing; gate desk is asked" in text
    assert "to do     " in text
    assert "serinus approve fraud" in text


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"step": None, "phase": Phase.VALIDATING}, "○ 1%  ○ 5%  ○ 25%  ○ 50%  ○ all"),
        ({"step": 0}, "▶ 1%  ○ 5%  ○ 25%  ○ 50%  ○ all"),
        ({"step": 3}, "✔ 1%  ✔ 5%  ✔ 25%  ▶ 50%  ○ all"),
        ({"phase": Phase.PAUSED}, "✔ 1%  ▲ 5%  ○ 25%  ○ 50%  ○ all"),
        ({"phase": Phase.ROLLING_BACK}, "✔ 1%  ✖ 5%  ○ 25%  ○ 50%  ○ all"),
        ({"phase": Phase.ABORTED}, "✔ 1%  ✖ 5%  ○ 25%  ○ 50%  ○ all"),
        (
            {"phase": Phase.BAKING, "step": 3, "route": Route(intended=Split(None, a_release("v7"), 1000))},
            "✔ 1%  ✔ 5%  ✔ 25%  ✔ 50%  ▶ all",
        ),
        ({"phase": Phase.SUCCEEDED, "step": 3}, "✔ 1%  ✔ 5%  ✔ 25%  ✔ 50%  ✔ all"),
    ],
)
def test_each_step_is_done_now_or_to_come(changes: dict[str, Any], steps: str) -> None:
    assert f"   ├─ steps     {steps}" in drawn(found(at_work(**changes)))


def test_of_a_long_ladder_the_present_step_is_in_sight() -> None:
    rollout = at_work(step=14)
    (first, *_) = rollout.policy.steps
    ladder = tuple(replace(first, weight_permille=10 * n) for n in range(1, 21))
    policy = replace(rollout.policy, steps=ladder, auto_steps=True)
    text = "\n".join(drawn(found(replace(rollout, policy=policy))))
    assert "steps     auto  11 …  ✔ 12%  ✔ 13%  ✔ 14%  ▶ 15%  ○ 16%  ○ 17%  … 4 more" in text


def test_the_first_version_of_a_model_has_no_steps() -> None:
    text = "\n".join(drawn(found(at_work(stable=None, phase=Phase.BAKING))))
    assert "steps     none: there is no stable version to compare with" in text
    assert "stable  " not in text


def test_what_ended_badly_says_what_to_do_and_nothing_of_what_comes_next() -> None:
    bad = Evidence(verdict=Verdict.FAIL, checks=(replace(RESULTS[0], verdict=Verdict.FAIL), *RESULTS[1:]))
    rollout = at_work(phase=Phase.ROLLED_BACK, reason=Reason.CHECK_FAILED, evidence=bad)
    text = "\n".join(drawn(found(rollout)))
    assert "✖ fraud-1  RolledBack  FAIL" in text
    assert "to do     deploy a corrected version" in text
    assert "next " not in text
    assert "deadline" not in text


def test_many_checks_are_cut_to_the_worst() -> None:
    rollout = at_work()
    checks = tuple(replace(rollout.policy.checks[0], name=f"c{n}") for n in range(30))
    results = tuple(
        replace(RESULTS[0], name=f"c{n}", verdict=Verdict.PASS if n != 20 else Verdict.FAIL)
        for n in range(30)
    )
    crowd = replace(
        rollout,
        policy=replace(rollout.policy, checks=checks),
        evidence=replace(rollout.evidence, checks=results),
    )
    lines = drawn(found(crowd))
    assert len(lines) <= 24
    assert any("✖ c20" in line for line in lines)
    assert any("… 25 more, no worse" in line for line in lines)


def test_two_rollouts_of_a_model_are_two_branches() -> None:
    newer = at_work(id="fraud-2", phase=Phase.PENDING, step=None, route=Route())
    lines = drawn(found(newer, at_work()))
    assert len(lines) <= 24
    assert lines[1].startswith("├─ ○ fraud-2  Pending")
    assert any(line.startswith("└─ ▶ fraud-1  Progressing") for line in lines)


def test_a_daemon_that_is_silent_is_said_to_be() -> None:
    lines = drawn(found(at_work()), silent=12.3)
    assert lines[1] == "▲ the daemon has not answered for 12s; asking again"
    assert len(lines) <= 24


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("reason", [Reason.STEP_RUNNING, Reason.WAITING_FOR_APPROVAL])
def test_every_phase_can_be_drawn(phase: Phase, reason: Reason) -> None:
    lines = drawn(found(at_work(phase=phase, reason=reason)))
    assert phase in lines[1]
    assert any("why" in line and reason in line for line in lines)


def hostile(rollout: Rollout) -> Rollout:
    checks = tuple(replace(each, name=each.name + HOSTILE) for each in rollout.policy.checks)
    policy = replace(rollout.policy, checks=checks)
    release = replace(rollout.release, version=HOSTILE)
    return replace(rollout, message=HOSTILE, policy=policy, release=release, created_by=HOSTILE)


@settings(deadline=None, max_examples=60)
@given(
    width=st.integers(1, 160),
    height=st.integers(1, 60),
    phase=st.sampled_from(Phase),
    bad=st.booleans(),
    silent=st.none() | st.just(5.0),
    glyphs=st.sampled_from([ASCII, None]),
)
def test_no_terminal_is_too_small_and_no_text_gets_out(
    width: int, height: int, phase: Phase, bad: bool, silent: float | None, glyphs: Any
) -> None:
    rollout = at_work(phase=phase)
    what = found(hostile(rollout) if bad else rollout, rollout)
    lines = drawn(what, width, height, silent=silent, **({"glyphs": glyphs} if glyphs else {}))
    assert 0 < len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)


def test_more_than_a_minute_is_told_in_minutes() -> None:
    assert "28m" in drawn(found(at_work(created_at=NOW - 28 * MINUTE)))[1]
