"""The long version of the killed daemon: more seeds, and kills aimed at the moments that hurt most."""

import os
from collections.abc import Callable

import pytest

from tests.e2e.harness import Harness
from tests.e2e.killing import KILLS, WEIGHT_CHANGES, at_a_change, at_random, survives

pytestmark = [pytest.mark.integration, pytest.mark.faults]

RUNS_PER_SEED = 400
"""A rollout on real parts takes a minute: one stands for so many of the runs that were asked for."""
SEEDS = max(1, int(os.environ.get("SERINUS_FAULT_RUNS", "0")) // RUNS_PER_SEED)


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_a_rollout_survives_kills_at_random_moments(
    harness: Harness, figures: Callable[[str], None], seed: int
) -> None:
    survives(harness, seed, KILLS, at_random, figures)


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_a_rollout_survives_kills_between_commit_and_write(
    harness: Harness, figures: Callable[[str], None], seed: int
) -> None:
    survives(harness, seed, WEIGHT_CHANGES, at_a_change, figures)
