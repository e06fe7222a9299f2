"""Argo Rollouts' rule, quirk by quirk, on scrapes written by hand."""

import pytest

from bench.judge.argo import Argo
from bench.judge.queries import Growth
from bench.judge.rules import End, Ended
from tests.unit.bench_judge.stage import by_hand

GOOD = Growth(100, 0, (100,))
BAD = Growth(90, 10, (100,))
NOBODY = Growth(0, 0, (0,))


def _run(argo: Argo, counts: list[tuple[int, int]]) -> tuple[End, float, list[int]]:
    """The end, the seconds to it, and all weights, over scrapes that stay as they are."""
    lane = by_hand(counts)
    began, weights = lane.now, []
    scrapes = lane.canary[0].samples
    at = argo.begin(lane)
    while True:
        weights.append(lane.permille)
        late = at - began
        lane.canary[0].samples = [one._replace(at=one.at + late) for one in scrapes]
        lane.now = at
        answer = argo.look(lane)
        if isinstance(answer, End):
            return answer, at - began, weights
        at = answer


def test_it_promotes_by_the_clock() -> None:
    end, seconds, weights = _run(Argo(), [(0, 0), (100, 0)])
    assert end == End(Ended.PROMOTED)
    assert seconds == 2400
    assert sorted(set(weights)) == [200, 400, 600, 800]


def test_weights_rise_while_failures_add_up() -> None:
    end, seconds, weights = _run(Argo(starting_step=0), [(0, 0), (90, 10)])
    assert end.how is Ended.ROLLED_BACK
    assert seconds == 900
    assert max(weights) == 400


def test_nothing_is_measured_before_the_starting_step() -> None:
    _, seconds, _ = _run(Argo(starting_step=2), [(0, 0), (0, 100)])
    assert seconds == 600 + 900


@pytest.mark.parametrize(("limit", "needed"), [(0, 1), (3, 4)])
def test_a_failure_limit_of_three_takes_four_failures(limit: int, needed: int) -> None:
    _, seconds, _ = _run(Argo(failure_limit=limit, starting_step=0), [(0, 0), (0, 100)])
    assert seconds == 300 * (needed - 1)


def test_failures_need_not_be_in_a_row() -> None:
    argo = Argo()
    for growth in (BAD, GOOD, BAD, GOOD, BAD):
        argo.measure(growth)
    assert argo.failed == 3


def test_nan_is_a_failure() -> None:
    argo = Argo()
    argo.measure(NOBODY)
    assert argo.failed == 1


def test_an_empty_answer_is_an_error_and_tried_again_after_10_seconds() -> None:
    argo = Argo()
    assert argo.measure(None) == 10
    assert (argo.errors_in_row, argo.failed) == (1, 0)
    assert argo.measure(GOOD) == 300
    assert argo.errors_in_row == 0


def test_the_fifth_error_in_a_row_aborts() -> None:
    end, seconds, _ = _run(Argo(starting_step=0), [(7, 0)])
    assert end.how is Ended.ROLLED_BACK
    assert seconds == 40


def test_errors_under_its_limit_do_not_exist() -> None:
    argo = Argo()
    argo.measure(Growth(9501, 499, (10_000,)))
    assert argo.failed == 0


def test_only_the_last_two_scrapes_count() -> None:
    end, _, _ = _run(Argo(starting_step=0), [(0, 0), (0, 5000), (100, 5000)])
    assert end.how is Ended.PROMOTED
