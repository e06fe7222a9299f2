"""Flagger's rule, quirk by quirk, on scrapes written by hand."""

from bench.judge.flagger import Flagger
from bench.judge.rules import End, Ended
from tests.unit.bench_judge.stage import by_hand

GOOD = [(0, 0), (100, 0), (200, 0), (300, 0)]
BAD = [(0, 0), (50, 50), (100, 100), (150, 150)]


def test_the_first_tick_gives_the_first_weight_unchecked() -> None:
    lane, flagger = by_hand([]), Flagger()
    assert flagger.begin(lane) == lane.now + 60
    assert (lane.permille, flagger.failed_checks) == (100, 0)


def test_it_rolls_back_on_the_tick_after_the_counter_is_full() -> None:
    lane, flagger = by_hand(BAD), Flagger(threshold=5)
    flagger.begin(lane)
    for _ in range(5):
        assert flagger.look(lane) == lane.now + 60
    assert flagger.failed_checks == 5
    end = flagger.look(by_hand(GOOD))
    assert end == End(Ended.ROLLED_BACK, "request-success-rate")
    assert lane.permille == 100


def test_a_pass_never_resets_the_counter() -> None:
    flagger = Flagger(threshold=2, max_weight=100)
    flagger.begin(by_hand(GOOD))
    for counts in (BAD, GOOD, GOOD, BAD):
        flagger.look(by_hand(counts))
    assert flagger.failed_checks == 2
    assert isinstance(flagger.look(by_hand(GOOD)), End)


def test_no_data_is_a_failed_check() -> None:
    flagger = Flagger()
    for counts in ([], [(0, 0)], [(7, 0), (7, 0)]):
        flagger.look(by_hand(counts))
    assert flagger.failed_checks == 3
    assert flagger.last_failure == "no values found for request-success-rate"


def test_one_error_in_three_requests_is_a_failed_check() -> None:
    flagger = Flagger()
    flagger.look(by_hand([(0, 0), (2, 1)]))
    assert flagger.failed_checks == 1


def test_it_is_blind_below_its_fixed_limit() -> None:
    flagger = Flagger()
    flagger.look(by_hand([(0, 0), (9905, 95)]))
    assert flagger.failed_checks == 0


def test_slow_answers_fail_the_second_check() -> None:
    flagger = Flagger()
    flagger.look(by_hand(GOOD, slow=5))
    assert flagger.last_failure == "request-duration"


def test_it_stops_at_the_first_failing_check() -> None:
    flagger = Flagger()
    flagger.look(by_hand(BAD, slow=50))
    assert flagger.last_failure == "request-success-rate"
    assert flagger.failed_checks == 1


def test_a_failing_check_halts_the_step() -> None:
    lane, flagger = by_hand(BAD), Flagger()
    flagger.begin(lane)
    flagger.look(lane)
    assert lane.permille == 100


def test_it_promotes_after_a_pass_at_the_last_weight() -> None:
    lane, flagger = by_hand(GOOD), Flagger()
    flagger.begin(lane)
    weights = [lane.permille]
    while not isinstance(end := flagger.look(lane), End):
        weights.append(lane.permille)
    assert weights == [100, 200, 300, 400, 500]
    assert end == End(Ended.PROMOTED)


def test_the_last_step_may_overshoot_the_largest_weight() -> None:
    lane, flagger = by_hand(GOOD), Flagger(step_weight=20)
    flagger.begin(lane)
    while not isinstance(flagger.look(lane), End):
        pass
    assert lane.permille == 600
