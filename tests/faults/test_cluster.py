"""The long versions of the cluster's handovers and storms."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.cluster.daemon import SHORT_LEASE
from tests.e2e.cluster.handovers import hand_over
from tests.e2e.cluster.storms import weather
from tests.kube.apiserver import ApiServer

pytestmark = [pytest.mark.integration, pytest.mark.faults]


def test_a_hundred_handovers(apiserver: ApiServer, tmp_path: Path, figures: Callable[[str], None]) -> None:
    hand_over(apiserver, tmp_path, "many-handovers", 100, SHORT_LEASE, figures)


def test_handovers_with_the_lease_of_production(
    apiserver: ApiServer, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    hand_over(apiserver, tmp_path, "long-leases", 3, {}, figures)


@pytest.mark.parametrize("seed", range(10, 110, 10))
def test_a_hundred_rollouts_weather_storms(
    apiserver: ApiServer, tmp_path: Path, figures: Callable[[str], None], seed: int
) -> None:
    weather(apiserver, tmp_path, f"storm-{seed}", 10, 30, seed, figures)
