"""Ten thousand requests that Schemathesis makes from the API's description."""

import time
from collections.abc import Callable

import pytest

from tests.unit.web.hostile import bombard, bombarded

CASES = 10_000


@pytest.mark.faults
def test_ten_thousand_requests_break_nothing_and_get_past_nothing(figures: Callable[[str], None]) -> None:
    began = time.monotonic()
    with bombarded() as target:
        sent = bombard(target, CASES)
        answers = dict(sorted(target.answers.items()))
    figures(f"{sent} requests in {time.monotonic() - began:.0f} s, answered {answers}")
    assert sent >= CASES
    assert max(answers) < 500
