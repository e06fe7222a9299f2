"""A failure becomes a person's business when it lasts."""

from datetime import timedelta

from controller.adapters.traffic.gateway_patience import Patience


def test_only_a_row_of_failures_that_lasts_is_over() -> None:
    now = 0.0
    patience = Patience(timedelta(seconds=20), clock=lambda: now)
    assert not patience.is_over("a")
    now = 19.9
    assert not patience.is_over("a")
    assert not patience.is_over("b"), "each has a row of its own"
    now = 20.0
    assert patience.is_over("a")
    patience.restore("a")
    assert not patience.is_over("a")
    now = 40.0
    assert patience.is_over("a")
