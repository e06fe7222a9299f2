"""Two daemons, one of which leads, and every way to take the lead away from it while rollouts are under way.

What is proved afterwards (`checker`): no write of an old epoch after the first of the newer one, and every
rollout ends as it would have with a single daemon.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.cluster.checker import violations
from tests.e2e.cluster.daemon import LEASE, Replica
from tests.e2e.cluster.fleet import Fleet
from tests.e2e.cluster.history import unknown
from tests.e2e.cluster.keeping import EXIT_DEPOSED, Keeper
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.proof import eventually
from tests.kube.apiserver import ApiServer
from tests.kube.fault_rules import Fault, Planned, script

MODELS = 4
LONGEST_REIGN_SECONDS = 1.5
_TAKE_OVER_SECONDS = 60.0


class Duel:
    """The stage with two replicas, and what went on so far.

    On a busy machine a leader with a short lease may lose it by itself: then there is one more handover.
    """

    def __init__(self, stage: ClusterStage, keeper: Keeper) -> None:
        self.stage = stage
        self.keeper = keeper
        self.take_overs: list[float] = []

    def leader(self) -> Replica:
        """Who leads: by the Lease, and by a write in its epoch."""

        def look() -> Replica | None:
            lease = self._lease()
            name = str(lease.get("holderIdentity") or "").partition("_")[0]
            epoch = int(lease.get("leaseTransitions") or 0)
            found = [replica for replica in self.stage.replicas if replica.name == name and replica.running]
            return found[0] if found and epoch == self.epoch else None

        return eventually(look, "somebody leads and writes", _TAKE_OVER_SECONDS, every=0.2)

    @property
    def epoch(self) -> int:
        """That of the newest write."""
        return max((write.epoch or 0 for write in self.stage.writes()), default=0)

    @contextmanager
    def taken_over(self) -> Iterator[None]:
        """Do to the leader what is done here, and then wait for the first write of its successor."""
        before, began = self.epoch, time.monotonic()
        yield
        eventually(
            lambda: self.epoch > before, f"a write later than epoch {before}", _TAKE_OVER_SECONDS, every=0.1
        )
        self.take_overs.append(time.monotonic() - began)

    def _lease(self) -> dict[str, Any]:
        found = self.stage.server.admin.get("coordination.k8s.io/v1", "Lease", self.stage.home, LEASE)
        return dict(found["spec"]) if found else {}


Handover = Callable[[Duel, Replica], None]
"""Takes the lead from the replica; returns once its successor has written something."""


def killed(duel: Duel, leader: Replica) -> None:
    """SIGKILL."""
    with duel.taken_over():
        leader.kill()


def frozen(duel: Duel, leader: Replica) -> None:
    """SIGSTOP until the successor has written, then SIGCONT: it must write nothing more, and end."""
    with duel.taken_over():
        leader.freeze()
    leader.thaw()
    assert leader.exit_status() == EXIT_DEPOSED


def frozen_after_the_check(duel: Duel, leader: Replica) -> None:
    """SIGSTOP when a write has just left it, after its lease check; the write arrives when it wakes up."""
    late = Planned(Fault.LATE, method="PATCH", path=f"/namespaces/{duel.stage.namespace}/")
    leader.proxy.inject(script(late))
    eventually(lambda: held(leader), f"a write of {leader.name} is under way", every=0.01)
    with duel.taken_over():
        leader.freeze()
    leader.proxy.calm()
    leader.thaw()
    assert leader.exit_status() == EXIT_DEPOSED
    eventually(lambda: not held(leader), "the late write has arrived")


def held(replica: Replica) -> bool:
    """Whether the proxy holds a write back."""
    return any(each.fault is Fault.LATE and each.server_status is None for each in replica.proxy.recorded)


def cut_off(duel: Duel, leader: Replica) -> None:
    """It hears and says nothing more, and must end by itself."""
    with duel.taken_over():
        leader.proxy.cut()
        assert leader.exit_status() == EXIT_DEPOSED
    leader.proxy.heal()


def stopped(duel: Duel, leader: Replica) -> None:
    """SIGTERM: it gives the lease back."""
    with duel.taken_over():
        assert leader.stop() in (0, EXIT_DEPOSED)


KINDS: tuple[Handover, ...] = (killed, frozen, frozen_after_the_check, cut_off, stopped)


def hand_over(
    server: ApiServer,
    folder: Path,
    name: str,
    count: int,
    lease: Mapping[str, str],
    figures: Callable[[str], None],
) -> None:
    """So many handovers while rollouts go on, and the proof."""
    with ClusterStage(server, folder, name, daemon_settings=lease, replicas=2) as stage:
        fleet = Fleet(stage, [f"{name}-m{index}" for index in range(MODELS)])
        fleet.prepare()
        stop, chosen = threading.Event(), random.Random(count)
        going_on = threading.Thread(target=fleet.keep_going, args=(stop,))
        going_on.start()
        with Keeper(stage.replicas) as keeper:
            duel = Duel(stage, keeper)
            try:
                for number in range(count):
                    leader = duel.leader()
                    time.sleep(chosen.uniform(0, LONGEST_REIGN_SECONDS))
                    with keeper.down(leader):
                        KINDS[number % len(KINDS)](duel, leader)
            finally:
                stop.set()
                going_on.join()
            fleet.until_all_over(within=60)
        keeper.check()
        recorded = stage.recorded
        assert unknown(recorded) == []
        writes = stage.writes()
        assert violations(writes, stage.before, stage.routes(), stage.backends) == []
        figures(
            f"{count} handovers, {len(fleet.released)} rollouts, {len(writes)} writes in "
            f"{len({write.epoch for write in writes})} epochs, 0 by an old one, "
            f"late writes: {late_writes(stage)}; {keeper.deposed} times a lease was lost unasked; "
            f"slowest take-over {max(duel.take_overs):.1f} s"
        )


def late_writes(stage: ClusterStage) -> str:
    """How the API server answered the writes that were held until another led."""
    statuses = Counter(
        each.server_status
        for requests in stage.recorded.values()
        for each in requests
        if each.fault is Fault.LATE
    )
    return ", ".join(f"{count} x {status}" for status, count in statuses.items()) or "none"
