"""Ten rollouts in a storm of faults. The long version is in tests/faults."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.cluster.storms import weather
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration


def test_ten_rollouts_weather_a_storm(
    apiserver: ApiServer, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    weather(apiserver, tmp_path, "storm", 10, 25, 1, figures)
