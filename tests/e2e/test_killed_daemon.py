"""The daemon is killed again and again; the rollout, and users, are none the worse for it."""

from collections.abc import Callable

import pytest

from tests.e2e.harness import Harness
from tests.e2e.killing import KILLS, at_random, survives

pytestmark = pytest.mark.integration

SEED = 20261


def test_a_rollout_survives_ten_kills_of_the_daemon_at_random_moments(
    harness: Harness, figures: Callable[[str], None]
) -> None:
    survives(harness, SEED, KILLS, at_random, figures)
