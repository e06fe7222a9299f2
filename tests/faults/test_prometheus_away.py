"""The long version of the outage."""

from collections.abc import Callable

import pytest

from tests.e2e.harness import Harness
from tests.e2e.outage import prometheus_away

pytestmark = [pytest.mark.integration, pytest.mark.faults]


def test_a_minute_without_prometheus_changes_nothing_but_the_time(
    harness: Harness, figures: Callable[[str], None]
) -> None:
    figures(prometheus_away(harness, 60))
