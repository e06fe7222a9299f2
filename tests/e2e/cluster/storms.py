"""Rollouts while the API server answers as networks and overloaded servers do, and the proof."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.e2e.cluster.checker import violations
from tests.e2e.cluster.daemon import CALM_LEASE
from tests.e2e.cluster.fleet import Fleet
from tests.e2e.cluster.history import unknown
from tests.e2e.cluster.keeping import Keeper
from tests.e2e.cluster.stage import ClusterStage
from tests.kube.apiserver import ApiServer
from tests.kube.fault_rules import Fault, at_random

FAULTS: Mapping[Fault, float] = {
    Fault.CONFLICT: 0.3,
    Fault.THROTTLED: 0.05,
    Fault.BROKEN: 0.05,
    Fault.RESET: 0.02,
    Fault.SILENT_AFTER: 0.02,
    Fault.RESET_AFTER: 0.03,
    Fault.BROKEN_AFTER: 0.03,
    Fault.LATE: 0.01,
    Fault.GONE: 0.1,
    Fault.GONE_EVENT: 0.2,
    Fault.DROPPED: 0.3,
    Fault.SILENT: 0.05,
    Fault.DRIPPING: 0.02,
}
"""Shares of the requests that each suits: 409 on 30 % of writes, and about as much of everything else."""
CORRECT_WITHIN_SECONDS = 60.0


def weather(
    server: ApiServer,
    folder: Path,
    name: str,
    rollouts: int,
    storm_seconds: float,
    seed: int,
    figures: Callable[[str], None],
) -> None:
    """So many rollouts at once, that long in the storm, and the proof."""
    with ClusterStage(server, folder, name, daemon_settings=CALM_LEASE, replicas=2) as stage:
        fleet = Fleet(stage, [f"{name}-m{index}" for index in range(rollouts)])
        fleet.prepare()
        with Keeper(stage.replicas) as keeper:
            for index, replica in enumerate(stage.replicas):
                replica.proxy.inject(at_random(seed + index, FAULTS))
            for model in fleet.models:
                fleet.next_release(model)
            time.sleep(storm_seconds)
            for replica in stage.replicas:
                replica.proxy.calm()
            began = time.monotonic()
            fleet.until_all_over(CORRECT_WITHIN_SECONDS)
            seconds = time.monotonic() - began
        keeper.check()
        assert unknown(stage.recorded) == []
        writes = stage.writes()
        assert violations(writes, stage.before, stage.routes(), stage.backends) == []
        figures(
            f"seed {seed}: {rollouts} rollouts, {len(writes)} writes, {suffered(stage)}; "
            f"{keeper.deposed} times a lease was lost; all correct {seconds:.0f} s after the last fault"
        )


def suffered(stage: ClusterStage) -> str:
    """How many requests each fault befell."""
    counts = Counter(
        each.fault.value for requests in stage.recorded.values() for each in requests if each.fault
    )
    return ", ".join(f"{count} {fault}" for fault, count in counts.most_common())
