"""Many models: who needs a person first, what moves next, and how many are at rest."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from controller.cli.live.fleet import ranked, totals
from controller.control.views import StatusView, status_view
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.unit.cli.live.scenes import EMPTY, NOW, at_work, drawn, fleet, many


def status(model: str, **changes: object) -> StatusView:
    shown = status_view(at_work(**changes), NOW)
    return shown.model_copy(update={"model": model, "rollout": f"{model}-1"})


MIXED = (
    status("a-rest", phase=Phase.SUCCEEDED),
    status("b-moves"),
    status("c-frozen", phase=Phase.FROZEN),
    status("d-fails", phase=Phase.ROLLING_BACK),
    status("e-asks", reason=Reason.WAITING_FOR_APPROVAL),
    status("f-rests-later", phase=Phase.ROLLED_BACK, updated_at=NOW + timedelta(seconds=9)),
)


def test_who_needs_a_person_comes_first_and_what_came_to_rest_last_before_what_rests_longer() -> None:
    order = [each.model for each in ranked(MIXED)]
    assert order == ["c-frozen", "e-asks", "d-fails", "b-moves", "f-rests-later", "a-rest"]


def test_the_totals_say_how_many_of_each() -> None:
    assert totals(MIXED) == "6 rollouts: 2 need a person, 1 failing, 1 moving, 2 at rest"
    assert totals(MIXED[2:3]) == "1 rollout: 1 needs a person"
    assert totals([]) == "no rollouts"
    bad = status_view(at_work(evidence=replace(at_work().evidence, verdict=Verdict.FAIL)), NOW)
    assert totals([bad]) == "1 rollout: 1 failing"


def test_a_line_for_each_with_the_reason() -> None:
    lines = drawn(many(*MIXED), 120)
    assert lines[0].startswith("6 rollouts: 2 need a person")
    columns = ["MODEL", "VERSION", "PHASE", "STEP", "WEIGHT", "VERDICT", "NEXT", "AGE", "WHY"]
    assert lines[1].split() == columns
    assert lines[2].split()[:5] == ["▲", "c-frozen", "v7", "Frozen", "2/4"]
    assert "StepRunning: nothing speaks" in lines[2]


def test_hundreds_at_rest_are_counted_and_the_newest_five_shown() -> None:
    lines = drawn(fleet(300, 2), 80, 24)
    shown = [line.split()[1] for line in lines[2:-1]]
    assert shown == ["m0", "m1", "r0", "r1", "r2", "r3", "r4"]
    assert lines[-1] == "… 295 more at rest: 300 Succeeded in all"


def test_more_that_move_than_there_are_lines_are_counted_too() -> None:
    lines = drawn(fleet(300, 100), 80, 24)
    assert len(lines) == 24
    assert lines[-2:] == ["… 80 more not at rest", "… 300 more at rest: 300 Succeeded in all"]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (40, "MODEL PHASE WEIGHT"),
        (56, "MODEL PHASE STEP WEIGHT"),
        (80, "MODEL PHASE STEP WEIGHT NEXT WHY"),
    ],
)
def test_a_narrow_terminal_does_without_some_columns(width: int, columns: str) -> None:
    long = status("a-model-with-a-long-name")
    assert drawn(many(long), width)[1].split() == columns.split()


def test_no_rollouts_at_all() -> None:
    assert drawn(many())[1:] == [EMPTY]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 160), st.integers(1, 40), st.integers(0, 30), st.integers(0, 30))
def test_it_fits_every_terminal(width: int, height: int, resting: int, moving: int) -> None:
    lines = drawn(fleet(resting, moving), width, height)
    assert 0 < len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
