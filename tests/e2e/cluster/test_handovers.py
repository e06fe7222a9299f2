"""The lead changes ten times, in every way, with a lease of 3 s. The long version is in tests/faults."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.cluster.daemon import SHORT_LEASE
from tests.e2e.cluster.handovers import hand_over
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration


def test_no_old_leader_writes_after_a_new_one(
    apiserver: ApiServer, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    hand_over(apiserver, tmp_path, "handovers", 10, SHORT_LEASE, figures)
